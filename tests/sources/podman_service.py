"""A podman service on a unix socket that repeats a real one's words (tests/host/podman), or fails on order."""

from __future__ import annotations

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from exporter.sources.podman import PodmanSource

HOST = Path(__file__).parents[1] / "host"
RECORDED = HOST / "podman"
EVENTS = tuple((RECORDED / "events.jsonl").read_bytes().splitlines())
LIST = "/containers/json"
NETWORKS = "/networks/json"
END = None  # put among the events: the stream ends

Opens = Callable[..., PodmanSource]  # the fixture source_of
Misbehaviour = Callable[["Handler"], None]


class PodmanService(ThreadingMixIn, UnixStreamServer):
    """What it says is in `containers`, `inspects` (by id) and `networks`; `wrong` holds misbehaviour by path."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.containers: list[dict[str, Any]] = json.loads((RECORDED / "list.json").read_bytes())
        self.inspects = {
            one["Id"]: (RECORDED / f"inspect/{one['Names'][0]}.json").read_bytes() for one in self.containers
        }
        self.networks = (RECORDED / "networks.json").read_bytes()
        self.wrong: dict[str, Misbehaviour] = {}
        self.asked: list[str] = []
        self.questions: list[dict[str, list[str]]] = []
        self.past: list[bytes] = []  # events that a stream with `since` gets first
        self.events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.over = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(str(path), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error of the test."""

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def id_of(self, name: str) -> str:
        return str(next(one["Id"] for one in self.containers if one["Names"] == [name]))

    def times_asked(self, ending: str) -> int:
        return sum(path.endswith(ending) for path in self.asked)

    def replace_containers(self, names: list[str]) -> None:
        """Other containers in place of all: each a copy of the first recorded one."""
        pattern = json.loads((RECORDED / "list.json").read_bytes())[0]
        said = (RECORDED / f"inspect/{pattern['Names'][0]}.json").read_bytes()
        self.containers = [{**pattern, "Id": f"{hash(name) % 2**64:064x}", "Names": [name]} for name in names]
        self.inspects = {one["Id"]: said for one in self.containers}

    def end(self) -> None:
        """As a service that is stopped: nobody listens, and every connection is cut."""
        self.over.set()
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Answers as podman 5.4 does: lengths for what is short, chunks for the rest."""

    protocol_version = "HTTP/1.1"
    server: PodmanService

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, _, path = url.path.partition("/libpod")
        self.server.asked.append(path)
        self.server.questions.append(parse_qs(url.query))
        if path in self.server.wrong:
            self.server.wrong[path](self)
        elif path == LIST:
            self.reply(json.dumps(self.server.containers).encode())
        elif path == NETWORKS:
            self.reply(self.server.networks)
        elif path == "/events":
            self.stream()
        else:
            said = self.server.inspects.get(path.split("/")[2])
            gone = b'{"cause":"no such container","message":"no container with that name or ID","response":404}\n'
            self.reply(*((said, 200) if said else (gone, 404)))

    def reply(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def start_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def stream(self) -> None:
        self.start_chunks()
        if "since" in self.server.questions[-1]:
            for event in self.server.past:
                self.chunk(event + b"\n")
        while not self.server.over.is_set():
            with suppress(queue.Empty):
                event_or_end = self.server.events.get(timeout=0.05)
                if event_or_end is END:
                    self.chunk(b"")
                    return
                self.chunk(event_or_end + b"\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: a unix socket's peer has no address to log."""


@contextmanager
def podman_at(path: Path, *past: bytes) -> Iterator[PodmanService]:
    """A service at `path` while the block runs; `past` are events of before."""
    service = PodmanService(path)
    service.past = list(past)
    thread = threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        path.unlink()  # first: podman-py leaves the socket of a refused connection to the garbage collector
        service.end()
        thread.join()
