"""A server that stands in for an Alertmanager: it remembers what it took, and behaves as a test wants."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["FakeAlertmanager", BaseHTTPRequestHandler, list[dict[str, Any]]], None]


@dataclass
class FakeAlertmanager:
    """What was sent, and what it answers."""

    behaviour: Behaviour
    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: threading.Event = field(default_factory=threading.Event)

    def names(self) -> list[str]:
        """The containers of the alerts that it took, each once."""
        return list(dict.fromkeys(one["labels"].get("container", "") for one in self.taken))


def answers(status: int, text: str = "") -> Behaviour:
    """Answer so, and take the alerts if it is 200."""

    def behave(fake: FakeAlertmanager, handler: BaseHTTPRequestHandler, alerts: list[dict[str, Any]]) -> None:
        if status == 200:
            fake.taken += alerts
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text.encode())))
        handler.end_headers()
        handler.wfile.write(text.encode())

    return behave


def wedged(fake: FakeAlertmanager, handler: BaseHTTPRequestHandler, _: list[dict[str, Any]]) -> None:
    """Accept the connection, read the request, and never answer."""
    fake.ended.wait(30)
    handler.close_connection = True


def closes(_: FakeAlertmanager, handler: BaseHTTPRequestHandler, __: list[dict[str, Any]]) -> None:
    """End the connection without an answer."""
    handler.close_connection = True


def rejecting(container: str) -> Behaviour:
    """Take all but alerts of one container, as Alertmanager does: the valid ones are in, the answer is 400."""

    def behave(fake: FakeAlertmanager, handler: BaseHTTPRequestHandler, alerts: list[dict[str, Any]]) -> None:
        bad = [one for one in alerts if one["labels"].get("container") == container]
        good = [one for one in alerts if one not in bad]
        answers(400 if bad else 200, '"invalid label set"' if bad else "")(fake, handler, good)
        if bad:
            fake.taken += good

    return behave


accepts = answers(200)


@contextmanager
def alertmanager(behaviour: Behaviour = accepts, tls: ssl.SSLContext | None = None) -> Iterator[FakeAlertmanager]:
    """A server on localhost while the block runs."""
    fake = FakeAlertmanager(behaviour)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.requests.append((self.path, dict(self.headers)))
            fake.behaviour(fake, self, body)
            fake.came.release()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    fake.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
