"""The two ends of the link over a real socket, each with another end that is ill or hostile."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.link.client import Link, NoAnswer
from exporter.link.framing import send_frame
from exporter.link.messages import Answer, Done, News, NewsAnswer, Page, PageAnswer, Refused, Request, State, encoded
from exporter.link.server import Bounds, LinkError, LinkServer, listening

OWN = frozenset({os.getuid()})
SHORT = Bounds(connections=4, request_seconds=0.5, answer_seconds=0.5)


def pages(request: Request) -> Answer:
    match request:
        case Page(path="/bug"):
            raise ZeroDivisionError("the secret detail")
        case Page(path="/huge"):
            return PageAnswer(200, "text/plain", b"x" * 20_000_000)
        case Page(path=path):
            return PageAnswer(200, "text/plain", path.encode())
        case _:
            return Done()


@contextlib.contextmanager
def serving(
    directory: Path, answer: Callable[[Request], Answer] = pages, uids: frozenset[int] = OWN, bounds: Bounds = SHORT
) -> Iterator[Path]:
    path = directory / "collector.sock"
    stop = threading.Event()
    server = LinkServer(listening(path), uids, answer, bounds)
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield path
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def link(path: Path, timeout_seconds: float = 5) -> Link:
    return Link(path, timeout_seconds, OWN)


def test_a_page_crosses_as_it_is(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds(answer_seconds=60)) as path:
        assert link(path).ask(Page("/metrics"), PageAnswer).body == b"/metrics"
        assert len(link(path, 60).ask(Page("/huge"), PageAnswer).body) == 20_000_000


def test_many_are_answered_side_by_side(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds()) as path, ThreadPoolExecutor(16) as fronts:
        bodies = list(fronts.map(lambda number: link(path).ask(Page(f"/{number}"), PageAnswer).body, range(64)))
    assert bodies == [f"/{number}".encode() for number in range(64)]


def test_more_than_the_collector_takes_at_once_wait_in_the_front_for_their_turn(tmp_path: Path) -> None:
    with serving(tmp_path, bounds=Bounds(connections=4)) as path, ThreadPoolExecutor(64) as scrapers:
        one = Link(path, 30, OWN, connections=3)
        bodies = list(scrapers.map(lambda _: one.ask(Page("/metrics"), PageAnswer).body, range(200)))
    assert bodies == [b"/metrics"] * 200


def test_who_waits_too_long_for_a_turn_hears_why(tmp_path: Path) -> None:
    go_on, asked = threading.Event(), threading.Event()

    def hanging(_: Request) -> Answer:
        asked.set()
        go_on.wait(20)
        return Done()

    with serving(tmp_path, hanging) as path, ThreadPoolExecutor(1) as other:
        one = Link(path, 0.5, OWN, connections=1)
        first = other.submit(one.ask, News(10), Done, more_seconds=10)
        assert asked.wait(10)
        with pytest.raises(NoAnswer, match="too many ask the collector"):
            one.ask(Page("/metrics"), PageAnswer)
        go_on.set()
        assert first.result(20) == Done()


def test_pages_that_nobody_reads_are_few_and_keep_nothing_else_from_its_answer(tmp_path: Path) -> None:
    made = []

    def answer(request: Request) -> Answer:
        if isinstance(request, Page):
            made.append(1)
            return PageAnswer(200, "text/plain", b"x" * 5_000_000)
        return Done()

    bounds = Bounds(connections=40, pages=2, request_seconds=30, answer_seconds=2)
    with serving(tmp_path, answer, bounds=bounds) as path, contextlib.ExitStack() as held:
        for _ in range(30):
            connection = held.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(path))
            send_frame(connection, encoded(Page("/metrics")), time.monotonic() + 5)
        began = time.monotonic()
        link(path).ask(State("/-/ready"), Done)
        assert time.monotonic() - began < 2
        assert len(made) <= 2


def test_what_is_not_taken_for_want_of_places_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bulkhead")
    with serving(tmp_path, bounds=Bounds(connections=1, request_seconds=30)) as path:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            for _ in range(3):
                with pytest.raises(NoAnswer):
                    link(path).ask(State("/"), Done)
        assert [record.message[:36] for record in caplog.records] == ["the front has too many requests unde"]


def test_only_the_fronts_account_is_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bulkhead")
    with serving(tmp_path, uids=frozenset({os.getuid() + 1})) as path:
        for _ in range(3):
            with pytest.raises(NoAnswer):
                link(path).ask(Page("/metrics"), PageAnswer)
    assert [vars(record)["uid"] for record in caplog.records] == [os.getuid()]


def test_who_listens_and_is_no_collector_is_not_believed(tmp_path: Path) -> None:
    with serving(tmp_path) as path, pytest.raises(NoAnswer, match=r"is of uid .* and no collector"):
        Link(path, 5, frozenset({os.getuid() + 1})).ask(Page("/metrics"), PageAnswer)


def test_without_a_collector_the_reason_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="systemctl status bulkhead-collector"):
        link(tmp_path / "none.sock").ask(Page("/metrics"), PageAnswer)


def test_a_collector_that_does_not_answer_is_left_at_the_deadline(tmp_path: Path) -> None:
    go_on = threading.Event()

    def hanging(_: Request) -> Answer:
        go_on.wait(10)
        return Done()

    with serving(tmp_path, hanging) as path:
        with pytest.raises(NoAnswer, match=r"did not answer within 0\.1 s"):
            link(path, 0.1).ask(Page("/metrics"), PageAnswer)
        go_on.set()


def test_a_bug_in_an_answer_is_logged_and_costs_that_answer_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "bulkhead")
    with serving(tmp_path) as path:
        with pytest.raises(NoAnswer, match="internal error") as caught:
            link(path).ask(Page("/bug"), PageAnswer)
        assert "secret" not in str(caught.value)
        assert link(path).ask(Page("/metrics"), PageAnswer).body == b"/metrics"
    assert [vars(record)["request"] for record in caplog.records if record.exc_info] == ["Page"]


def test_an_answer_of_another_kind_is_no_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as path, pytest.raises(NoAnswer, match="answered with Done"):
        link(path).ask(State("/-/ready"), NewsAnswer)
    with serving(tmp_path, lambda _: Refused("no such peer")) as path, pytest.raises(NoAnswer, match="no such peer"):
        link(path).ask(State("/-/ready"), NewsAnswer)


def test_a_front_that_stalls_sends_garbage_or_floods_leaves_the_collector_well(tmp_path: Path) -> None:
    with serving(tmp_path) as path:
        held = []
        for raw in (b"", b"BLKH", b"GET / HTTP/1.1\r\n\r\n" * 100, os.urandom(5000)):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(path))
            with contextlib.suppress(OSError):
                connection.sendall(raw)
            held.append(connection)
        ends_at = time.monotonic() + 10
        while True:
            try:
                assert link(path).ask(Page("/metrics"), PageAnswer).body == b"/metrics"
                break
            except NoAnswer:
                assert time.monotonic() < ends_at
        for connection in held:
            connection.close()


def test_a_front_that_does_not_read_is_left_at_the_deadline(tmp_path: Path) -> None:
    with serving(tmp_path) as path, contextlib.ExitStack() as held:
        before = threading.active_count()
        for _ in range(3):
            connection = held.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(str(path))
            send_frame(connection, encoded(Page("/huge")), time.monotonic() + 5)
        ends_at = time.monotonic() + 10
        while threading.active_count() > before:
            assert time.monotonic() < ends_at
            time.sleep(0.02)


def test_what_a_collector_that_was_killed_has_left_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "collector.sock"
    listening(path).close()
    assert path.exists()
    with serving(tmp_path), pytest.raises(LinkError, match=r"a collector listens at .* already"):
        listening(path)
    path.unlink()
    path.write_text("something else")
    with pytest.raises(LinkError, match="is no socket: move it away"):
        listening(path)
    with pytest.raises(LinkError, match="its directory has to be there and writable"):
        listening(tmp_path / "nowhere" / "collector.sock")


def test_the_socket_is_its_groups_alone(tmp_path: Path) -> None:
    with listening(tmp_path / "collector.sock"):
        mode = (tmp_path / "collector.sock").stat().st_mode
    assert mode & 0o777 == 0o660


def test_a_server_that_is_well_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bulkhead")
    with serving(tmp_path) as path:
        link(path).ask(Page("/metrics"), PageAnswer)
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []
