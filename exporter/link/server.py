"""The collector's end of the link: answers the front's requests, one a connection, each within its deadline.

The kernel says who the peer is (SO_PEERCRED, unix(7)): only accounts that are allowed are answered. The number of
connections is bounded, and the number of pages under way more narrowly: a front that floods, stalls or sends garbage
makes the collector hold a few pages in memory, and no more.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.link.framing import FrameError, receive_frame, send_frame
from exporter.link.messages import Answer, Page, Refused, Request, encoded, request_of
from exporter.link.peer import Peer, peer_of

_REQUEST_BYTES_MAX = 64 * 1024
_LOOK_SECONDS = 0.5
log = logging.getLogger("bulkhead")


class LinkError(Exception):
    """The link cannot be made. The message is one sentence: what, where, what to do."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the collector takes from the front."""

    connections: int = 64  # at once
    pages: int = 4  # that are made or sent at once: each is some megabytes, and its reader may be in no hurry
    request_seconds: float = 5  # for a whole request to arrive
    answer_seconds: float = 10  # for an answer to leave


_BOUNDS = Bounds()


def listening(path: Path) -> socket.socket:
    """A socket that listens at `path`, which accounts of this process' group may connect to. Raises LinkError.

    What a collector that was killed has left there is replaced; where another collector listens, nothing is touched.
    """
    try:
        _remove_stale(path)
    except OSError as error:
        raise _unusable(path, error) from error
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(_BOUNDS.connections)
    except OSError as error:
        listener.close()
        raise _unusable(path, error) from error
    return listener


def _unusable(path: Path, error: OSError) -> LinkError:
    reason = error.strerror or str(error)
    return LinkError(f"cannot listen at {path}: {reason}; its directory has to be there and writable")


def _remove_stale(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise LinkError(f"{path} is no socket: move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        knock.settimeout(1)
        with contextlib.suppress(ConnectionRefusedError):
            knock.connect(str(path))
            raise LinkError(f"a collector listens at {path} already: stop it first")
    path.unlink()


class LinkServer:
    """Answers on a listening socket until it is told to stop. `meet` is called with each peer that may ask."""

    def __init__(
        self,
        listener: socket.socket,
        uids: frozenset[int],
        answer: Callable[[Request], Answer],
        bounds: Bounds = _BOUNDS,
        meet: Callable[[Peer], None] = lambda _: None,
    ) -> None:
        self._meet = meet
        self._listener = listener
        self._uids = uids
        self._answer = answer
        self._bounds = bounds
        self._free = threading.BoundedSemaphore(bounds.connections)
        self._free_pages = threading.BoundedSemaphore(bounds.pages)
        self._is_full = False  # and that was logged
        self._strangers: set[int] = set()  # accounts that were refused, and logged

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set, each connection in a thread of its own."""
        self._listener.settimeout(_LOOK_SECONDS)
        with self._listener:
            while not stop.is_set():
                try:
                    connection, _ = self._listener.accept()
                except TimeoutError:
                    continue
                except OSError as error:  # out of files: the connection stays in the queue
                    log.debug("no connection of the front was taken", extra={"reason": str(error)})
                    stop.wait(_LOOK_SECONDS)
                    continue
                self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        peer = peer_of(connection)
        uid = peer.uid
        if uid not in self._uids:
            if uid not in self._strangers and len(self._strangers) < self._bounds.connections:
                self._strangers.add(uid)
                log.warning("an account that is not the front's asked the collector: refused", extra={"uid": uid})
            connection.close()
        elif not self._free.acquire(blocking=False):
            if not self._is_full:
                log.warning("the front has too many requests under way: more are not taken until some have ended")
            self._is_full = True
            connection.close()
        else:
            self._is_full = False
            self._meet(peer)
            try:
                threading.Thread(target=self._serve, args=(connection,), name="link", daemon=True).start()
            except RuntimeError:  # no thread can be started
                self._free.release()
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                ends_at = time.monotonic() + self._bounds.request_seconds
                request = request_of(receive_frame(connection, _REQUEST_BYTES_MAX, ends_at))
                if isinstance(request, Page):
                    self._send_page(connection, request)
                else:
                    self._send(connection, self._answered(request))
            except (FrameError, OSError) as error:
                log.debug("a request of the front was not answered", extra={"reason": str(error)})
            finally:
                self._free.release()  # before the connection is closed: the front waits for its end

    def _send_page(self, connection: socket.socket, request: Page) -> None:
        if not self._free_pages.acquire(timeout=self._bounds.answer_seconds):
            self._send(connection, Refused("too many pages are under way"))
            return
        try:
            self._send(connection, self._answered(request))
        finally:
            self._free_pages.release()

    def _send(self, connection: socket.socket, answer: Answer) -> None:
        send_frame(connection, encoded(answer), time.monotonic() + self._bounds.answer_seconds)

    def _answered(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except Exception:  # a bug in one answer must be seen, and must not end the collector
            log.exception("a request of the front could not be answered", extra={"request": type(request).__name__})
            return Refused("internal error: the log of the collector has the details")
