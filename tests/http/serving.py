"""A server over real loopback sockets, and ways to talk to it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator

from exporter.app.pages import RenderedPages
from exporter.http import Gate, Patience, Server, opened
from exporter.report.host import Report
from tests.present.reports import rich_report

_PATIENCE = Patience(timeout_seconds=5)


@contextlib.contextmanager
def running(
    report: Callable[[], Report] = rich_report,
    ready: Callable[[], bool] = lambda: True,
    listen: str | tuple[str, ...] = "127.0.0.1:0",
    patience: Patience = _PATIENCE,
    max_series: int = 50_000,
    *,
    gate: Gate | None = None,
    hosts: tuple[str, ...] = (),
) -> Iterator[Server]:
    listeners = opened((listen,) if isinstance(listen, str) else listen)
    server = Server(listeners, RenderedPages(report, ready, max_series), patience, gate=gate, hosts=hosts)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)
        assert not thread.is_alive()


def ask(
    server: Server, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    return ask_at(server.addresses[0], path, method, body, **headers)


def ask_at(
    address: tuple[str, int], path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read()


def talk(server: Server, request: bytes) -> bytes:
    """Send raw bytes and read to the end of the connection."""
    with socket.create_connection(server.addresses[0], timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer
