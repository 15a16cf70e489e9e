"""Nothing is lost and nothing is told twice, whatever Alertmanager and the agent do meanwhile."""

from __future__ import annotations

import logging
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.assess.limits import Limits
from exporter.facts.counts import Totals
from exporter.notify import delivery
from exporter.notify.delivery import Posting
from exporter.notify.desk import Desk
from exporter.notify.store import FILE, Store
from tests.notify.totals import NOW, ORIGIN, totals

RESEND = 60.0
ONE, TWO = "http://one", "http://two"


class Host:
    """A desk on a disk, a clock, and peers that take what comes when they are up."""

    def __init__(self, directory: Path | None, peers: tuple[str, ...] = (ONE, TWO)) -> None:
        self.directory = directory
        self.peers = peers
        self.now = NOW
        self.kills = {"web": 0, "db": 0}
        self.killed_at: dict[str, list[float]] = {"web": [], "db": []}
        self.up = dict.fromkeys(peers, True)
        self.taken: dict[str, list[tuple[float, Posting]]] = {peer: [] for peer in peers}
        self.start()

    def start(self) -> None:
        self.store = Store(self.directory)
        self.desk = Desk(self.store, ORIGIN, Limits(), self.peers, RESEND)
        self.look()

    def crash(self) -> None:
        # What SQLite has committed is what a process leaves that ends at once.
        self.store.close()
        self.start()

    def kill(self, name: str) -> None:
        self.kills[name] += 1
        self.killed_at[name].append(self.now)

    def look(self) -> None:
        self.desk.see_totals(totals(**self.kills), self.now)

    def deliver(self, *, crash_before_noting: bool = False) -> None:
        for peer in self.peers:
            postings = self.desk.postings(peer, self.now, 64) if self.up[peer] else ()
            self.taken[peer] += [(self.now, one) for one in postings]
            if not crash_before_noting:
                self.desk.note_accepted(peer, postings, self.now)

    def live(self, seconds: float, step_seconds: float = 5) -> None:
        for _ in range(int(seconds / step_seconds)):
            self.now += step_seconds
            self.look()
            self.deliver()

    def said(self, peer: str) -> list[bool]:
        """Firing or resolved, without what only repeats the one before."""
        fires = [one.fires for _, one in self.taken[peer]]
        return [each for number, each in enumerate(fires) if number == 0 or fires[number - 1] != each]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    host.live(900)
    return host


def test_an_alert_is_sent_at_once_resent_while_it_lasts_and_resolved_after_it(host: Host) -> None:
    host.kill("web")
    host.look()
    host.deliver()
    ((at, first),) = host.taken[ONE]
    assert (at, first.fires, first.ends_seconds - at) == (host.now, True, 4 * RESEND)
    host.live(2400)
    firing = [at for at, one in host.taken[ONE] if one.fires]
    ended = [(at, one.ends_seconds) for at, one in host.taken[ONE] if not one.fires]
    assert len(firing) == 10
    # The rule's own end comes between: its window of 600 s, a scrape and an evaluation sooner or later.
    assert firing[-1] - at < 600 - RESEND + 20
    assert 600 + 30 < ended[0][0] - at <= 600 + RESEND + 20
    assert {ends for _, ends in ended} == {ended[0][1]}
    assert 13 * RESEND <= ended[-1][0] - ended[0][0] < 900
    assert host.said(ONE) == host.said(TWO) == [True, False]
    assert host.desk.notifications(host.now).queued == 0


def test_between_the_end_and_its_telling_the_rule_has_the_word(host: Host) -> None:
    host.kill("web")
    host.live(2400)
    last = max(at for at, one in host.taken[ONE] if one.fires)
    first = min(at for at, one in host.taken[ONE] if not one.fires)
    # What was sent last as firing lasts until the end is told: Alertmanager ends nothing by itself in between.
    assert first - last < 4 * RESEND
    assert first - last >= RESEND


def test_a_peer_that_was_away_for_an_hour_is_told_of_what_came_and_went_meanwhile(host: Host) -> None:
    host.up[TWO] = False
    host.kill("web")
    host.live(3600)
    assert host.said(ONE) == [True, False]
    assert host.desk.notifications(host.now).queued == 1
    host.up[TWO] = True
    host.live(5)
    back = host.now
    host.live(3600)
    assert host.said(TWO) == [True, False]
    firing = [(at, one) for at, one in host.taken[TWO] if one.fires]
    assert firing[0][0] == back
    assert firing[0][1].starts_seconds == host.killed_at["web"][0] + 5
    # Long enough for every group_interval, and without a gap in which Alertmanager would end it.
    assert firing[-1][0] - back > 450
    assert all(after[0] - before[1].ends_seconds < 0 for before, after in pairwise(firing))


def test_a_kill_after_a_peer_took_the_alert_for_over_is_told_to_it_when_it_is_back(host: Host) -> None:
    host.kill("web")
    host.live(10)
    host.up[ONE] = False
    host.live(400)  # an end four resends away has come: this peer has told people that it is over
    host.kill("web")
    host.live(700)
    host.up[ONE] = True
    host.live(1200)
    assert any(one.fires for at, one in host.taken[ONE] if at > host.killed_at["web"][1])
    assert host.said(ONE) == host.said(TWO) == [True, False]


def test_an_agent_that_crashes_after_it_told_of_an_alert_late_and_of_its_end_does_not_begin_again(host: Host) -> None:
    host.up[ONE] = False
    host.kill("web")
    host.live(1200)
    host.up[ONE] = True
    host.live(620)
    assert host.said(ONE) == [True, False]
    host.crash()
    host.live(60)
    assert host.said(ONE) == [True, False]


def test_a_storm_costs_no_more_than_one_alert_and_its_repeats(host: Host) -> None:
    for _ in range(600):
        host.kill("web")
        host.live(0.5, 0.5)
    assert len(host.taken[ONE]) == 5
    assert "about 481" in host.taken[ONE][-1][1].annotations["description"]


def test_a_full_disk_keeps_alerts_in_memory_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()  # no file can be written there, not by root either
    with caplog.at_level(logging.ERROR, "bulkhead"):
        host = Host(tmp_path)
        host.kill("web")
        host.live(60)
    assert host.said(ONE) == [True]
    assert "cannot be written" in host.store.problem
    told = [record for record in caplog.records if "cannot be written" in record.message]
    assert len(told) == 1


def test_a_disk_that_can_be_written_again_has_all_that_was_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    host = Host(tmp_path)
    host.up = dict.fromkeys(host.peers, False)
    host.kill("web")
    host.live(60)
    (tmp_path / FILE).rmdir()
    host.kill("db")
    host.live(60)
    assert host.store.problem == ""
    host.crash()
    host.up = dict.fromkeys(host.peers, True)
    host.deliver()
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}


def test_what_was_kept_is_read_from_a_disk_that_is_full_since(host: Host) -> None:
    host.up = dict.fromkeys(host.peers, False)
    host.kill("web")
    host.live(60)
    host.store.close()
    host.kill("db")  # while the agent is away
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no file grows: a full disk, for this process
    try:
        host.start()
        problem = host.store.problem
        host.up = dict.fromkeys(host.peers, True)
        host.deliver()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in problem
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}
    host.live(5)
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_what_could_not_be_read_at_the_start_is_taken_in_when_it_can_be_and_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.up = dict.fromkeys(host.peers, False)
    host.live(900)
    host.kill("web")
    host.live(60)
    host.store.close()
    host.kill("db")  # while the agent is away

    def read(_: Store) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "_read", read)
        host.start()
        host.live(60)
        assert "disk I/O error" in host.desk.notifications(host.now).problem
    host.up = dict.fromkeys(host.peers, True)
    host.live(10)
    assert host.desk.notifications(host.now).problem == ""
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_a_page_does_not_wait_for_a_disk_that_hangs(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, came = threading.Event(), threading.Event()

    def save(*_: object) -> None:
        came.set()
        hangs.wait(30)

    monkeypatch.setattr(host.store, "save", save)
    host.kill("web")
    waiting = threading.Thread(target=host.look)
    waiting.start()
    assert came.wait(30)
    assert host.desk.notifications(host.now).queued == 0  # as it was known before
    hangs.set()
    waiting.join()
    assert host.desk.notifications(host.now).queued == 2


@pytest.mark.parametrize("spoil", [lambda raw: b"x" * len(raw), lambda raw: raw[:5000] + b"\xff" * (len(raw) - 5000)])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    host = Host(tmp_path)
    host.kill("web")
    host.look()
    host.store.close()
    path = tmp_path / FILE
    path.write_bytes(spoil(path.read_bytes()))
    host.start()
    host.kill("db")
    host.look()
    assert host.store.problem == ""
    host.crash()
    host.deliver()
    assert "db" in {one.labels["container"] for _, one in host.taken[ONE]}


def test_a_peer_that_is_new_in_the_configuration_is_told_of_what_holds_alone(tmp_path: Path) -> None:
    host = Host(tmp_path, (ONE,))
    host.kill("web")
    host.live(700)
    host.kill("db")
    host.live(10)
    host.store.close()
    host.peers = (ONE, TWO)
    host.up[TWO], host.taken[TWO] = True, []
    host.start()
    host.live(60)
    assert {one.labels["container"] for _, one in host.taken[TWO]} == {"db"}


def test_what_a_peer_rejects_is_tried_again_in_minutes_and_sent_to_the_others_as_before(host: Host) -> None:
    host.kill("web")
    host.look()
    (one,) = host.desk.postings(ONE, host.now, 64)
    host.desk.note_rejected(ONE, one, host.now)
    host.live(590)
    assert host.taken[ONE] == []
    counts = {(each.alertmanager, each.result): each.count for each in host.desk.notifications(host.now).deliveries}
    assert (counts[ONE, "rejected"], counts[ONE, "accepted"]) == (1, 0)
    host.live(1800)
    assert host.said(ONE) == host.said(TWO) == [True, False]


def test_what_a_peer_has_rejected_is_tried_again_at_a_start(host: Host) -> None:
    host.kill("web")
    host.look()
    (one,) = host.desk.postings(ONE, host.now, 64)
    host.desk.note_rejected(ONE, one, host.now)
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_one_rejection_of_an_alert_that_was_taken_before_does_not_end_it(host: Host) -> None:
    host.kill("web")
    host.live(65)
    (one,) = host.desk.postings(ONE, host.now + RESEND, 64)
    host.desk.note_rejected(ONE, one, host.now)
    host.live(400)
    firing = [(at, each) for at, each in host.taken[ONE] if each.fires]
    # Alertmanager ends nothing by itself meanwhile.
    assert all(after[0] < before[1].ends_seconds for before, after in pairwise(firing))
    host.live(900)
    assert host.said(ONE) == [True, False]


def test_the_queue_is_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_ENTRIES", 10)
    many = {f"c{number}": 0 for number in range(20)}
    host.desk.see_totals(totals(**many), host.now)
    host.desk.see_totals(totals(**dict.fromkeys(many, 1)), host.now)
    assert host.desk.notifications(host.now).queued == 20  # ten alerts for two peers


def test_the_time_from_a_kill_to_its_acceptance_is_measured(host: Host) -> None:
    host.kill("web")
    host.look()
    host.now += 0.3
    host.deliver()
    latency = host.desk.notifications(host.now).latency
    assert latency.counts == (0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
    assert latency.sum_seconds == pytest.approx(0.6)


steps = st.one_of(
    st.sampled_from(["web", "db"]).map(lambda name: ("kill", name)),
    st.sampled_from([ONE, TWO]).map(lambda peer: ("toggle", peer)),
    st.sampled_from([5.0, 65.0, 400.0, 700.0, 2000.0]).map(lambda seconds: ("live", seconds)),
    st.just(("crash", None)),
    st.just(("crash before noting", None)),
    st.just(("look", None)),
)


def happen(host: Host, what: str, with_what: str | float | None) -> None:
    match what, with_what:
        case "kill", str(name):
            host.kill(name)
        case "toggle", str(peer):
            host.up[peer] = not host.up[peer]
        case "live", float(seconds):
            host.live(seconds)
        case "crash", _:
            host.crash()
        case "crash before noting", _:
            host.look()
            host.deliver(crash_before_noting=True)
            host.crash()
        case _:
            host.look()


def wrong_with(host: Host, peer: str) -> Iterator[str]:
    """What a person behind this peer would complain of."""
    for name, kills in host.killed_at.items():
        mine = [(at, one) for at, one in host.taken[peer] if one.labels["container"] == name]
        # Told after the kill, or so shortly before that Alertmanager still has the alert when the kill comes.
        firing_until = [max(at, one.ends_seconds) for at, one in mine if one.fires]
        if any(not any(until >= killed_at for until in firing_until) for killed_at in kills):
            yield f"a kill of {name} was lost"
        if mine and not kills:
            yield f"a kill of {name} was invented"
        if mine and mine[-1][1].fires:
            yield f"the end of {name}'s alert was never told"
    ended = set()
    for _, one in host.taken[peer]:
        if not one.fires:
            ended.add((one.key, one.starts_seconds))
        elif (one.key, one.starts_seconds) in ended:
            yield "an alert was told again after its end"


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=14))
def test_no_interleaving_loses_a_kill_or_tells_one_twice(story: list[tuple[str, str | float | None]]) -> None:
    with TemporaryDirectory() as directory:
        host = Host(Path(directory))
        for what, with_what in story:
            happen(host, what, with_what)
        host.up = dict.fromkeys(host.peers, True)
        host.live(3600)
        assert {peer: list(wrong_with(host, peer)) for peer in host.peers} == {ONE: [], TWO: []}
        assert host.desk.notifications(host.now).queued == 0
        host.desk.close()


def test_totals_that_say_nothing_new_are_not_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    monkeypatch.setattr(host.store, "save", lambda *what: written.append(what))
    host.desk.see_totals(Totals(99, totals(**host.kills).containers), host.now)
    assert written == []
