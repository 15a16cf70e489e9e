"""HTTP over the standard library's server, with the bounds that it lacks.

A number of connections, in which silent ones give way to new ones (crowd.py); a bound on the head of a request and a
deadline for all of it, so that a client that sends a byte a second is cut off; framing that no proxy can read otherwise
(head.py); an end that lets answers finish. RFC 9110, RFC 9112.

With TLS, the handshake is made in the connection's own thread, within the same deadline, and counts as waiting for the
client: who connects and never finishes it gives way as who connects and says nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import logging
import re
import socket
import socketserver
import struct
import termios
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from exporter.http.crowd import Crowd, Phase, client_of
from exporter.http.gate import Gate
from exporter.http.head import HeadTooLarge, fault_of, read_head
from exporter.http.hosts import Hosts
from exporter.http.outgoing import Outgoing
from exporter.http.pages import STATES, Answer, Pages
from exporter.http.tls import TlsSocket
from exporter.http.users import Verdict

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer  # only type checkers have it

log = logging.getLogger("bulkhead")

_MAX_DISCARDED_BYTES = 65536
# What the kernel keeps of an answer that is not read: by itself it keeps up to 4 MiB for each connection, which counts
# against the memory of this unit, also after the connection was closed.
_UNREAD_BYTES_MAX = 256 * 1024
_AT_ONCE_WITH_A_RESET = struct.pack("ii", 1, 0)  # linger, for no second: socket(7)
_LINGER_SECONDS = 1.0
_OUT_OF_FILES_PAUSE_SECONDS = 0.2
_ORIGIN = re.compile(r"^https?://[^/?]*", re.IGNORECASE)
_HEADER_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate", 'Basic realm="bulkhead", charset="UTF-8"'),
    HTTPStatus.METHOD_NOT_ALLOWED: ("Allow", "GET, HEAD"),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After", "1"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After", "1"),
}
_MISDIRECTED = (
    b"misdirected: the name in Host is none of this host's; set hosts = [\"NAME\"] in the table [web] of Bulkhead's "
    b"configuration, with the name by which it is to be asked\n"
)
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: bulkhead\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Retry-After: 1\r\nContent-Length: 27\r\nConnection: close\r\n\r\nbusy: too many connections\n"
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How much the server takes from its clients."""

    connections: int = 128  # at once; beyond them the one that was silent longest gives way, or 503 is the answer
    connections_per_client: int = 32  # of one address, but for this host's own
    pages: int = 112  # that are made at once; what asks for health does not wait behind them
    outgoing_bytes: int = 64 * 1024 * 1024  # of pages that slow clients keep in memory
    timeout_seconds: float = 10  # for a whole request to arrive, idling included, and for an answer to leave
    stalled_seconds: float = 1  # a client that takes longer to read its answer gives way, too


class Shared:
    """What all listeners share: the pages, who comes in, and the bounds on all connections together."""

    def __init__(self, pages: Pages, gate: Gate, hosts: Hosts, patience: Patience) -> None:
        self.pages = pages
        self.gate = gate
        self.hosts = hosts
        self.patience = patience
        self.outgoing: Outgoing[socket.socket] = Outgoing(patience.outgoing_bytes)
        self.free_pages = threading.BoundedSemaphore(patience.pages)
        self.crowd: Crowd[socket.socket] = Crowd(
            patience.connections, patience.connections_per_client, patience.stalled_seconds
        )

    def end_connections(self) -> None:
        """End those that wait for a next request; those that are being answered get their answer."""
        for connection in self.crowd.connections():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        if not self.crowd.wait_until_empty(self.patience.timeout_seconds):
            for connection in self.crowd.connections():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class HttpServer(ThreadingHTTPServer):
    """The server of one socket, which listens already. Each connection has a thread, and a place in the crowd."""

    daemon_threads = True
    block_on_close = False  # Shared.end_connections waits, with a deadline

    def __init__(self, listener: socket.socket, shared: Shared) -> None:
        # Not TCPServer's own, which makes a socket and binds it.
        socketserver.BaseServer.__init__(self, listener.getsockname(), _Handler)
        listener.setblocking(False)  # a connection that is gone before it is accepted must not block the loop
        self.socket = listener
        self.shared = shared
        self.turned_at_seconds = time.monotonic()
        """When the accepting loop last came round, by the monotonic clock."""

    def service_actions(self) -> None:
        """Note that the accepting loop turns; called at each turn."""
        self.turned_at_seconds = time.monotonic()

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection, with TLS on it where that is asked for, and its address."""
        try:
            connection, address = super().get_request()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES_MAX)
            tls = self.shared.gate.access.tls
            return (tls.wrapped(connection) if tls else connection), address
        except OSError as error:
            # The connection stays in the queue, so the accepting loop would spin.
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                time.sleep(_OUT_OF_FILES_PAUSE_SECONDS)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection to a thread of its own, in the place of a silent one if need be, or refuse it."""
        has_place, gives_way = self.shared.crowd.enter(request, client_of(client_address[0]))
        if gives_way is not None:
            _cut_off(gives_way)
        if not has_place:
            _refuse(request)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self.shared.crowd.leave(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve the connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.shared.crowd.leave(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        """Only what a client does to its connection comes here: errors in a page are answered with 500."""
        log.debug("a connection ended early", exc_info=True)  # noqa: LOG014 - called while an exception is handled


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # the base's 0.9 would answer garbage without a status line
    server: HttpServer
    connection: socket.socket

    def setup(self) -> None:
        if isinstance(self.request, TlsSocket):
            self._shake_hands(self.request)
        super().setup()
        self._deadline = _Deadline(self.connection)
        self.rfile = io.BufferedReader(self._deadline)

    def _shake_hands(self, connection: TlsSocket) -> None:
        connection.settimeout(self.server.shared.patience.timeout_seconds)
        connection.do_handshake()
        tls = self.server.shared.gate.access.tls
        if tls and not tls.lets_in(connection):
            raise PermissionError("the client's certificate has none of the names in client_allowed_sans")

    def version_string(self) -> str:
        return "bulkhead"

    def handle_one_request(self) -> None:
        self._deadline.begin(self.server.shared.patience.timeout_seconds)
        self.server.shared.crowd.note(self.connection, Phase.WAITING)
        self.close_connection, self.requestline, self.command = True, "", ""
        self.request_version = self.default_request_version
        try:
            head = read_head(self.rfile)
        except HeadTooLarge as error:
            is_uri = error.in_request_line
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG if is_uri else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        except TimeoutError as error:
            self.log_message("%s", error)
            return
        if not head:
            return
        self.server.shared.crowd.note(self.connection, Phase.MAKING)
        self.raw_requestline, _, fields = head.partition(b"\n")
        is_newer = self.raw_requestline.rstrip().endswith(b"HTTP/1.1")
        if fault := fault_of(fields, needs_host=is_newer):
            self.log_message("refused: %s", fault)
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        connection, self.rfile = self.rfile, io.BytesIO(fields)  # the base reads the fields from here
        try:
            is_understood = self.parse_request()
        finally:
            self.rfile = connection
        if is_understood:
            self._answer()

    def _is_welcome(self) -> bool:
        """Whether the request goes on; where not, it is answered or its connection ends."""
        access = self.server.shared.gate.access
        connection = self.connection
        if not access.takes(connection.made_under if isinstance(connection, TlsSocket) else None):
            # Without an answer: clients ask once more on a new connection, where they show what is asked for.
            self.log_message("closed: what TLS asks of clients has changed since it connected")
            self.close_connection = True
            return False
        users = access.users
        if users is None:
            return True
        crowd = self.server.shared.crowd
        verdict = users.verdict(
            self.headers.get("Authorization"),
            client_of(self.client_address[0]),
            waits=lambda: crowd.note(self.connection, Phase.WAITING),
        )
        crowd.note(self.connection, Phase.MAKING)
        match verdict:
            case Verdict.UNKNOWN:
                self._send(Answer(b"unauthorized\n", status=HTTPStatus.UNAUTHORIZED))
            case Verdict.BUSY:
                words = b"busy: too many passwords are being checked\n"
                self._send(Answer(words, status=HTTPStatus.TOO_MANY_REQUESTS))
        return verdict is Verdict.WELCOME

    def _answer(self) -> None:
        if not self._is_welcome():
            return
        if self.command not in {"GET", "HEAD"}:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        path = _ORIGIN.sub("", self.path).partition("?")[0] or "/"
        is_for_us = self.server.shared.hosts.allow(self.headers.get("Host"), self.path)
        if not is_for_us and path not in STATES:
            self._send(Answer(_MISDIRECTED, status=HTTPStatus.MISDIRECTED_REQUEST))
        elif path in STATES:
            self._send(self.server.shared.pages.state(path))
        elif self.server.shared.free_pages.acquire(blocking=False):
            try:
                page = self._page(path)
            finally:
                self.server.shared.free_pages.release()
            self._send(page)
        else:
            self.close_connection = True
            self._send(Answer(b"busy: too many pages at once\n", status=HTTPStatus.SERVICE_UNAVAILABLE))

    def _page(self, path: str) -> Answer:
        try:
            return self.server.shared.pages.answer(
                path, self.headers.get("Accept"), self.headers.get("Accept-Encoding")
            )
        except Exception:  # a bug in one family must be seen, and must not end the server
            log.exception("a page could not be made", extra={"path": path})
            words = b"internal error: the log of bulkhead has the details\n"
            return Answer(words, status=HTTPStatus.INTERNAL_SERVER_ERROR)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base's signature
        # The base's page repeats what the client sent; this one says nothing that the client chose.
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(Answer(f"{status.phrase.lower()}\n".encode(), status=status))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        log.debug("http: %s", format % args, extra={"client": self.client_address[0]})

    def _send(self, answer: Answer) -> None:
        headers = getattr(self, "headers", None)  # not there when the request line was garbage
        body = answer.body
        self.server.shared.crowd.note(self.connection, Phase.SENDING)
        self.connection.settimeout(self.server.shared.patience.timeout_seconds)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.varies:
            self.send_header("Vary", "Accept, Accept-Encoding")
        if answer.is_gzip:
            self.send_header("Content-Encoding", "gzip")
        if answer.status in _HEADER_OF_STATUS:
            self.send_header(*_HEADER_OF_STATUS[answer.status])
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.server.shared.gate.access.headers:
            self.send_header(name, value)
        if headers and ("Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"):
            self.close_connection = True  # nothing here takes a body: it must not be read as the next request
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        outgoing = self.server.shared.outgoing
        for loses in outgoing.begin(self.connection, body):
            _cut_off(loses)
        try:
            self.wfile.write(body)
        finally:
            outgoing.end(self.connection, body)

    def finish(self) -> None:
        # To close with something unread would send a reset, and that can take the answer with it.
        self.server.shared.crowd.note(self.connection, Phase.WAITING)
        is_unread = _has_unread(self.connection)
        self._deadline.begin(self.server.shared.patience.timeout_seconds if is_unread else _LINGER_SECONDS)
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.rfile.read(_MAX_DISCARDED_BYTES)
        if _has_unread(self.connection):
            _forget_unread(self.connection)
        super().finish()


class _Deadline(io.RawIOBase):
    """What a connection sends, until the deadline of the request: a timeout of each read would not end slow clients."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ends_at = 0.0

    def begin(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long to arrive")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _cut_off(connection: socket.socket) -> None:
    """End a connection that another thread serves; that thread ends with it."""
    with contextlib.suppress(OSError):
        _forget_unread(connection)
        connection.shutdown(socket.SHUT_RDWR)


def _has_unread(connection: socket.socket) -> bool:
    """Whether the kernel keeps something for the client that the client has not taken yet."""
    try:
        (unread,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))  # SIOCOUTQ of tcp(7)
    except OSError:
        return False
    return bool(unread > 0)


def _forget_unread(connection: socket.socket) -> None:
    """Have the kernel drop what the client has not read when the connection closes: otherwise it keeps on trying."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_WITH_A_RESET)


def _refuse(connection: socket.socket) -> None:
    # In the accepting thread: this may not wait for anything, as words within TLS would.
    if isinstance(connection, TlsSocket):
        return
    with contextlib.suppress(OSError):
        connection.setblocking(False)
        connection.send(_BUSY)
        connection.recv(_MAX_DISCARDED_BYTES)
