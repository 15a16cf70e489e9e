"""Nothing is lost and nothing is told twice, whatever Alertmanager and the agent do meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.facts.counts import Totals
from exporter.notify import delivery
from tests.effort import examples
from tests.notify.host import ONE, RESEND, TWO, Host
from tests.notify.totals import totals


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
    assert host.outbox.notifications(host.now).queued == 0


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
    assert host.outbox.notifications(host.now).queued == 1
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
    (one,) = host.outbox.postings(ONE, host.now, 64)
    host.outbox.note_rejected(ONE, one, host.now)
    host.live(590)
    assert host.taken[ONE] == []
    counts = {(each.alertmanager, each.result): each.count for each in host.outbox.notifications(host.now).deliveries}
    assert (counts[ONE, "rejected"], counts[ONE, "accepted"]) == (1, 0)
    host.live(1800)
    assert host.said(ONE) == host.said(TWO) == [True, False]


def test_what_a_peer_has_rejected_is_tried_again_at_a_start(host: Host) -> None:
    host.kill("web")
    host.look()
    (one,) = host.outbox.postings(ONE, host.now, 64)
    host.outbox.note_rejected(ONE, one, host.now)
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_one_rejection_of_an_alert_that_was_taken_before_does_not_end_it(host: Host) -> None:
    host.kill("web")
    host.live(65)
    (one,) = host.outbox.postings(ONE, host.now + RESEND, 64)
    host.outbox.note_rejected(ONE, one, host.now)
    host.live(400)
    firing = [(at, each) for at, each in host.taken[ONE] if each.fires]
    # Alertmanager ends nothing by itself meanwhile.
    assert all(after[0] < before[1].ends_seconds for before, after in pairwise(firing))
    host.live(900)
    assert host.said(ONE) == [True, False]


def test_the_queue_is_bounded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_ENTRIES", 10)
    many = {f"c{number}": 0 for number in range(20)}
    host.outbox.see_totals(totals(**many), host.now)
    host.outbox.see_totals(totals(**dict.fromkeys(many, 1)), host.now)
    assert host.outbox.notifications(host.now).queued == 20  # ten alerts for two peers


def test_the_time_from_a_kill_to_its_acceptance_is_measured(host: Host) -> None:
    host.kill("web")
    host.look()
    host.now += 0.3
    host.deliver()
    latency = host.outbox.notifications(host.now).latency
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


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(steps, max_size=14))
def test_no_interleaving_loses_a_kill_or_tells_one_twice(story: list[tuple[str, str | float | None]]) -> None:
    with TemporaryDirectory() as directory:
        host = Host(Path(directory))
        for what, with_what in story:
            happen(host, what, with_what)
        host.up = dict.fromkeys(host.peers, True)
        host.live(3600)
        assert {peer: list(wrong_with(host, peer)) for peer in host.peers} == {ONE: [], TWO: []}
        assert host.outbox.notifications(host.now).queued == 0
        host.outbox.close()


def test_totals_that_say_nothing_new_are_not_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    monkeypatch.setattr(host.store, "save", lambda *what: written.append(what))
    host.outbox.see_totals(Totals(99, totals(**host.kills).containers), host.now)
    assert written == []
