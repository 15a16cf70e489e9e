"""What silent, slow and many clients cost an honest one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.http import Patience, Server
from exporter.report.host import Report
from tests.http.serving import ask, running, talk
from tests.present.reports import crowd, rich_report


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


def test_a_client_that_sends_a_byte_at_a_time_is_cut_off_at_the_deadline() -> None:
    with (
        running(patience=Patience(timeout_seconds=0.5)) as server,
        socket.create_connection(server.addresses[0], timeout=10) as slow,
    ):
        started = time.monotonic()
        with contextlib.suppress(OSError):  # the server has closed: that is the point
            for byte in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" * 10:
                slow.sendall(bytes([byte]))
                time.sleep(0.02)
            pytest.fail("the server waited for all of it")
        assert 0.4 < time.monotonic() - started < 5


def silent(server: Server, number: int) -> list[socket.socket]:
    return [socket.create_connection(server.addresses[0], timeout=10) for _ in range(number)]


def test_connections_that_say_nothing_give_way_to_those_that_ask() -> None:
    """Forty of them stopped all scrapes once."""
    with running(patience=Patience(connections=3)) as server:
        held = silent(server, 30)
        for _ in range(5):
            assert ask(server, "/metrics")[0].status == 200
        assert held[0].recv(1) == b""
        for connection in held:
            connection.close()


def test_connections_that_send_a_head_without_end_give_way_too() -> None:
    with running(patience=Patience(connections=3)) as server:
        held = silent(server, 3)
        for connection in held:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert ask(server, "/metrics")[0].status == 200
        for connection in held:
            connection.close()


def asking_and_not_reading(server: Server) -> socket.socket:
    """A connection that has asked for a page, and takes next to nothing of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect(server.addresses[0])
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


def test_a_client_that_does_not_read_its_page_gives_way_too() -> None:
    report = crowd(60)
    patience = Patience(connections=2, stalled_seconds=0.1)
    with running(report=lambda: report, patience=patience) as server:
        held = [asking_and_not_reading(server) for _ in range(2)]
        ends_at = time.monotonic() + 10
        while not talk(server, b"GET /-/healthy HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"):
            assert time.monotonic() < ends_at
        for connection in held:
            connection.close()


def kept_bytes(port: int) -> list[int]:
    """What the kernel keeps for clients of this port that they have not taken, by connection; proc_net_tcp."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    kept = [int(line[4].partition(":")[0], 16) for line in lines if line[1].endswith(f":{port:04X}")]
    return [each for each in kept if each]


def test_what_a_client_does_not_read_is_kept_within_a_bound_and_dropped_with_its_connection() -> None:
    report = crowd(400)
    with running(report=lambda: report, patience=Patience(connections=4, stalled_seconds=0.1)) as server:
        port = server.addresses[0][1]
        held = []
        for _ in range(40):
            held.append(asking_and_not_reading(server))
            time.sleep(0.05)
        ends_at = time.monotonic() + 10
        while len(kept := kept_bytes(port)) > 4:  # each that has lost its place takes a moment to end
            assert time.monotonic() < ends_at, kept
            time.sleep(0.05)
        assert kept
        assert max(kept) <= 2 * 256 * 1024
        for connection in held:
            connection.close()


def test_clients_that_keep_many_pages_in_memory_lose_the_oldest_and_a_new_client_has_its_page() -> None:
    report = crowd(200)
    patience = Patience(outgoing_bytes=1_000_000)
    with running(report=lambda: report, patience=patience) as server:
        held = []
        for _ in range(6):
            held.append(asking_and_not_reading(server))
            time.sleep(0.6)  # longer than one page is shared for
        assert ask(server, "/metrics")[0].status == 200
        ends_at = time.monotonic() + 10
        while len(kept := kept_bytes(server.addresses[0][1])) > 2:
            assert time.monotonic() < ends_at, kept
            time.sleep(0.05)
        for connection in held:
            connection.close()


def test_a_client_that_reads_its_last_page_slowly_gets_all_of_it() -> None:
    report = crowd(20)
    with running(report=lambda: report) as server, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(server.addresses[0])
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = bytearray()
        ends_at = time.monotonic() + 1.5  # longer than an end waits where nothing is unread
        while time.monotonic() < ends_at:
            received += slow.recv(256)
            time.sleep(0.05)
        slow.settimeout(10)
        while piece := slow.recv(65536):
            received += piece
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


def test_where_all_are_being_answered_503_comes_at_once() -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def slow_report() -> Report:
        asked.release()
        assert go_on.wait(10)
        return rich_report()

    with running(report=slow_report, patience=Patience(connections=1)) as server, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, server, "/metrics")
        assert asked.acquire(timeout=10)
        refused = talk(server, b"")
        assert refused.startswith(b"HTTP/1.1 503 ")
        head, _, body = refused.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        go_on.set()
        assert answer.result(10)[0].status == 200


def test_health_does_not_wait_behind_pages() -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def slow_report() -> Report:
        asked.release()
        assert go_on.wait(10)
        return rich_report()

    with running(report=slow_report, patience=Patience(pages=2)) as server, ThreadPoolExecutor(2) as pool:
        pages = [pool.submit(ask, server, path) for path in ("/metrics", "/")]
        for _ in pages:
            assert asked.acquire(timeout=10)
        busy, body = ask(server, "/metrics")
        assert (busy.status, busy.headers["Retry-After"], body) == (503, "1", b"busy: too many pages at once\n")
        assert ask(server, "/-/healthy")[0].status == 200
        assert ask(server, "/-/ready")[0].status == 200
        go_on.set()
        assert [page.result(10)[0].status for page in pages] == [200, 200]


def test_a_page_is_made_once_for_all_who_ask_at_one_moment() -> None:
    made: list[int] = []
    report = crowd(5)

    def counted() -> Report:
        made.append(1)
        return report

    with running(report=counted) as server, ThreadPoolExecutor(32) as clients:
        pages = list(clients.map(lambda _: ask(server, "/metrics", Accept_Encoding="gzip")[1], range(64)))
    assert len(set(pages)) == 1
    assert len(made) < 16


def test_requests_that_come_in_one_packet_are_answered_in_turn(server: Server) -> None:
    answer = talk(server, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 500 + b"\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 500


@pytest.mark.parametrize(
    "field",
    [b"Content-Length: 0\r\nContent-Length: 36", b"Transfer-Encoding : chunked", b"X: y\r\n Content-Length: 36"],
)
def test_framing_that_a_proxy_may_read_otherwise_is_refused_and_ends_the_connection(
    server: Server, field: bytes
) -> None:
    inner = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = talk(server, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + field + b"\r\n\r\n" + inner)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
