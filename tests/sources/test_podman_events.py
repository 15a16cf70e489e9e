from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.podman import PodmanSocket
from exporter.sources.podman import PodmanSource, events
from exporter.sources.podman.api import Api
from exporter.sources.podman.events import OVERLAP_SECONDS, EventStream, lines
from tests.sources.podman_service import END, EVENTS, HOST, Handler, PodmanService, podman_at

PATIENCE_SECONDS = 20.0


class Pokes:
    """Counts, and waits with a bound."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def reach(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, PATIENCE_SECONDS)


def settle(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


@contextmanager
def followed(
    path: Path, *, timeout_seconds: float = 5, since_seconds: float = 0, **users: Path
) -> Iterator[tuple[PodmanSource, Pokes]]:
    """A source that follows the podman at `path` and those of `users`, connected."""
    sockets = (
        PodmanSocket(f"unix://{path}", ""),
        *(PodmanSocket(f"unix://{where}", user) for user, where in users.items()),
    )
    source = PodmanSource(sockets, timeout_seconds, root=HOST, first_delay_seconds=0.01)
    source.resume(since_seconds)
    pokes, stop = Pokes(), threading.Event()
    thread = threading.Thread(target=source.follow, args=(pokes, stop))
    thread.start()
    try:
        yield source, pokes
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        source.close()
        assert not thread.is_alive()


def event(action: str, *, id_: str = "a" * 64, at: int = 10**18, health: str = "") -> bytes:
    return json.dumps(
        {"Type": "container", "Action": action, "Actor": {"ID": id_}, "timeNano": at, "HealthStatus": health}
    ).encode()


def test_a_recorded_life_is_counted_and_pokes(podman: PodmanService) -> None:
    with followed(podman.path) as (source, pokes):
        for line in EVENTS:
            podman.events.put(line)
        settle(lambda: source.events == len(EVENTS))
        ignored = sum(b'"Action":"attach"' in line or b'"Action":"exec' in line for line in EVENTS)
        pokes.reach(1 + len(EVENTS) - ignored)
        assert pokes.count == 1 + len(EVENTS) - ignored  # one for the connection
        assert (source.events_lost, source.problems) == (0, ())


def test_only_what_changes_a_container_is_asked_for(podman: PodmanService) -> None:
    with followed(podman.path) as (_, pokes):
        pokes.reach(1)
        question = podman.questions[0]
    asked = json.loads(question["filters"][0])
    assert asked["type"] == ["container", "network", "system"]
    assert {"died", "start", "health_status", "log-rotation"} <= set(asked["event"])
    assert "exec" not in asked["event"]
    assert "since" not in question


def test_a_probe_that_says_the_same_again_is_no_news(podman: PodmanService) -> None:
    with followed(podman.path) as (source, pokes):
        source.read()
        healthy = podman.id_of("zz-health")
        pokes.reach(1)
        for number in range(3):
            podman.events.put(event("health_status", id_=healthy, at=10**18 + number, health="healthy"))
        settle(lambda: source.events == 3)
        assert pokes.count == 1
        podman.events.put(event("health_status", id_=healthy, at=2 * 10**18, health="unhealthy"))
        pokes.reach(2)


@pytest.mark.parametrize("action", ["update", "connect", "disconnect"])
def test_a_container_that_was_changed_or_connected_anew_is_inspected_again(podman: PodmanService, action: str) -> None:
    with followed(podman.path) as (source, pokes):
        source.read()
        podman.asked.clear()
        podman.events.put(event(action, id_=podman.id_of("objects02")))
        pokes.reach(2)
        source.read()
        assert [path for path in podman.asked if "/json" in path] == [
            "/containers/json",
            f"/containers/{podman.id_of('objects02')}/json",
        ]


def test_after_a_gap_every_container_is_inspected_again_once(podman: PodmanService) -> None:
    with followed(podman.path) as (source, pokes):
        source.read()
        podman.events.put(b"no event")
        pokes.reach(2)
        podman.asked.clear()
        source.read()
        assert podman.times_asked("/json") == len(podman.containers) + 1
        podman.asked.clear()
        source.read()
        assert podman.times_asked("/json") == 1


def test_an_idle_stream_outlives_the_read_deadline(podman: PodmanService) -> None:
    with followed(podman.path, timeout_seconds=0.1) as (source, pokes):
        pokes.reach(1)
        time.sleep(0.4)
        podman.events.put(event("start"))
        settle(lambda: source.events == 1)
        assert podman.times_asked("/events") == 1


def test_after_a_break_events_are_replayed_from_the_last_and_counted_once(podman: PodmanService) -> None:
    first, second, missed = (event("start", at=10**18 + number) for number in range(3))
    with followed(podman.path) as (source, pokes):
        podman.events.put(first)
        podman.events.put(second)
        settle(lambda: source.events == 2)
        podman.past = [first, second, missed]
        podman.events.put(END)
        settle(lambda: source.events == 3)
        pokes.reach(5)  # two connections, three events
        assert podman.questions[-1]["since"] == [str(10**9 - OVERLAP_SECONDS)]
        assert source.events_lost == 0


def test_a_replay_without_the_last_event_is_a_gap(podman: PodmanService) -> None:
    with followed(podman.path) as (source, _):
        podman.events.put(event("start"))
        settle(lambda: source.events == 1)
        podman.past = [event("start", at=3 * 10**18), event("died", at=4 * 10**18)]
        podman.events.put(END)
        settle(lambda: source.events == 3)
        assert source.events_lost == 1


def test_a_clock_set_back_hides_nothing(podman: PodmanService) -> None:
    ahead = int(time.time()) + 3600
    with followed(podman.path) as (source, pokes):
        podman.events.put(event("start", at=ahead * 10**9))
        settle(lambda: source.events == 1)
        podman.events.put(END)
        pokes.reach(3)
        assert int(podman.questions[-1]["since"][0]) < ahead


def test_a_restarted_service_is_followed_again_and_the_break_is_told(tmp_path: Path) -> None:
    path = tmp_path / "root.sock"
    with podman_at(path) as podman:
        following = followed(path)
        source, pokes = following.__enter__()
        pokes.reach(1)
        podman.events.put(event("start"))
        settle(lambda: source.events == 1)
    settle(lambda: bool(source.problems))
    assert "no events: " in source.problems[0]
    with podman_at(path, event("start"), event("died", at=10**18 + 1)):
        settle(lambda: source.events == 2)
        assert (source.events_lost, source.problems) == (0, ())
    following.__exit__(None, None, None)


def test_several_sockets_are_followed_and_one_that_fails_stops_no_other(podman: PodmanService, tmp_path: Path) -> None:
    with (
        podman_at(tmp_path / "alice.sock") as alice,
        followed(podman.path, alice=alice.path, bob=tmp_path / "bob.sock") as (source, pokes),
    ):
        podman.events.put(event("start"))
        alice.events.put(event("start"))
        settle(lambda: source.events == 2)
        pokes.reach(4)
        settle(lambda: len(source.problems) == 1)
        assert "bob.sock (user bob): no events: no podman socket" in source.problems[0]


def test_a_hung_service_does_not_hold_up_the_end(podman: PodmanService) -> None:
    def hang(handler: Handler) -> None:
        handler.server.over.wait(5)

    podman.wrong["/events"] = hang
    began = time.monotonic()
    with followed(podman.path, timeout_seconds=0.2) as (source, _):
        settle(lambda: bool(source.problems))
        assert "did not answer /events within 0.2 s" in source.problems[0]
    assert time.monotonic() - began < 2


def test_a_refusal_is_told(podman: PodmanService) -> None:
    def refuse(handler: Handler) -> None:
        handler.reply(b"no", 500)

    podman.wrong["/events"] = refuse
    with followed(podman.path) as (source, pokes):
        settle(lambda: bool(source.problems))
        assert "answered /events with HTTP 500" in source.problems[0]
        assert pokes.count == 0


def test_attempts_grow_rarer(podman: PodmanService) -> None:
    podman.wrong["/events"] = lambda handler: handler.reply(b"no", 500)
    with followed(podman.path):
        time.sleep(0.3)
    assert 3 <= podman.times_asked("/events") <= 6  # after 10, 20, 40, 80, 160 ms


@pytest.fixture
def stream() -> Iterator[EventStream]:
    one = EventStream(Api(PodmanSocket("unix:///nowhere", ""), 1), lambda _: True)
    yield one
    one.close()


def test_rotation_and_garbage_are_gaps_and_news(stream: EventStream) -> None:
    assert stream.take(b'{"Type":"system","Action":"log-rotation","timeNano":5}')
    assert stream.take(b"<html>")
    assert stream.take(None)
    assert (stream.events, stream.events_lost) == (1, 3)


def test_what_is_remembered_of_events_is_bounded(stream: EventStream) -> None:
    for number in range(3 * events.SEEN_LIMIT):
        stream.take(event("start", id_=f"{number:064x}", at=number))
    assert len(stream._seen) == events.SEEN_LIMIT
    assert (stream.events, stream.events_lost) == (3 * events.SEEN_LIMIT, 0)


@given(st.lists(st.binary(), max_size=8))
def test_no_line_breaks_the_stream(received: list[bytes]) -> None:
    one = EventStream(Api(PodmanSocket("unix:///nowhere", ""), 1), lambda _: True)
    for line in received:
        one.take(line)
    assert one.events + one.events_lost <= len(received)
    one.close()


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and bool(line.strip()))), st.data())
def test_lines_come_back_however_they_are_cut(sent: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(line + b"\n" for line in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert list(lines(chunks)) == sent


def test_a_line_without_end_is_dropped_and_the_next_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LINE_LIMIT_BYTES", 8)
    chunks = [b"aaaa", b"aaaa", b"aaaa", b"a\nbb\n", b"\n", b"c" * 9 + b"\ndd\nee"]
    assert list(lines(chunks)) == [None, b"bb", None, b"dd"]


def test_what_was_heard_reaches_to_the_newest_event_however_long_the_stream_is_open(podman: PodmanService) -> None:
    # Found in the lab: a busy podman began to tell of the past half a minute after it had opened the stream.
    began = time.time()
    with followed(podman.path) as (source, pokes):
        assert source.heard_until_seconds is None or source.heard_until_seconds >= began
        pokes.reach(1)
        connected = source.heard_until_seconds
        assert connected is not None
        time.sleep(0.05)
        assert source.heard_until_seconds == connected
        podman.events.put(event("start", at=int((connected + 0.03) * 10**9)))
        settle(lambda: source.events == 1)
        assert source.heard_until_seconds == pytest.approx(connected + 0.03)


def test_an_agent_that_begins_where_another_ended_has_heard_no_more_than_that_one(podman: PodmanService) -> None:
    with followed(podman.path, since_seconds=10**9) as (source, pokes):
        pokes.reach(1)
        assert source.heard_until_seconds == 10**9
        assert podman.questions[-1]["since"] == [str(10**9 - OVERLAP_SECONDS)]


def test_a_stream_that_is_silent_for_long_has_told_all_but_the_last(
    podman: PodmanService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BACKLOG_SECONDS", 0.0)
    monkeypatch.setattr(events, "LAG_SECONDS", 0.01)
    with followed(podman.path) as (source, pokes):
        pokes.reach(1)
        settle(lambda: (source.heard_until_seconds or 0) > time.time() - 0.5)
        first = source.heard_until_seconds
        time.sleep(0.05)
        assert (source.heard_until_seconds or 0) > (first or 0)


def test_while_the_stream_is_broken_nothing_later_counts_as_heard(podman: PodmanService) -> None:
    with followed(podman.path) as (source, pokes):
        pokes.reach(1)
        connected = source.heard_until_seconds
        podman.wrong["/events"] = lambda handler: handler.reply(b"no", 500)
        podman.events.put(END)
        settle(lambda: "HTTP 500" in "".join(source.problems))
        assert source.heard_until_seconds == connected


def test_what_happens_in_a_break_before_the_first_event_is_asked_for(podman: PodmanService) -> None:
    with followed(podman.path) as (source, pokes):
        pokes.reach(1)
        assert "since" not in podman.questions[-1]
        podman.events.put(END)
        pokes.reach(2)
        assert int(podman.questions[-1]["since"][0]) == pytest.approx(time.time(), abs=OVERLAP_SECONDS + 3)
        assert source.events_lost == 0


def test_a_clock_that_was_set_back_is_not_passed_by_what_was_heard(podman: PodmanService) -> None:
    with followed(podman.path) as (source, _):
        podman.events.put(event("start", at=int(time.time() + 3600) * 10**9))
        settle(lambda: source.events == 1)
        assert (source.heard_until_seconds or 0) <= time.time()


@given(st.dictionaries(st.sampled_from(["Type", "Action", "Actor", "timeNano", "HealthStatus"]), st.none() | st.text()))
def test_whatever_an_event_holds_it_tells_or_is_a_gap(fields: dict[str, str | None]) -> None:
    told: list[object] = []
    one = EventStream(
        Api(PodmanSocket("unix:///nowhere", ""), 1), lambda _: True, hear=lambda e: told.append(e.told("u"))
    )
    one.take(json.dumps(fields).encode())
    actor = {"ID": "a" * 64, "Attributes": {key: value for key, value in fields.items() if value is not None}}
    one.take(json.dumps({"Type": "container", "Action": "died", "Actor": actor, "timeNano": 1}).encode())
    assert one.events + one.events_lost == 2
    one.close()
