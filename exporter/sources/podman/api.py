"""One podman service behind one unix socket: requests with a deadline, replies of a bounded size, errors worth reading.

Through podman-py's APIClient. Three traps of it are closed here: it has no deadline of its own; it reads a reply of any
size; and its deadline for one read would also end an event stream on which nothing happens.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests
from podman.api.client import APIClient, APIResponse

from exporter.facts.podman import PodmanSocket
from exporter.facts.reading import NotHere, SourceError, Unreadable

BODY_LIMIT_BYTES = 64 << 20
LINE_LIMIT_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
WHY_WIDTH = 200
HTTP_NOT_FOUND = 404
NO_SUCH = b"no such container"  # define.ErrNoSuchCtr of libpod
HTTP_ERRORS = 400


class Gone(SourceError):
    """The container was there when podman was asked for all, and is not any more."""


class Api:
    """A client of one podman service, for one thread at a time.

    `timeout_seconds` bounds the wait for a connection, for each piece of a reply, and for the whole reply.
    """

    def __init__(self, where: PodmanSocket, timeout_seconds: float) -> None:
        self._where = where
        self._timeout_seconds = timeout_seconds
        self._client = APIClient(base_url=where.url, timeout=timeout_seconds)
        self._client.max_redirects = 0
        # A server's cookies would be kept for the life of the process.
        self._client.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def get(
        self, path: str, parameters: Mapping[str, str] | None = None, *, limit_bytes: int = BODY_LIMIT_BYTES
    ) -> bytes:
        """The body of the reply to `path`. Raises NotHere, Unreadable, or Gone for what has gone."""
        ends_at = time.monotonic() + self._timeout_seconds
        body = bytearray()
        with self._reply(path, parameters) as reply:
            for chunk in reply.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > limit_bytes:
                    raise Unreadable(
                        f"podman at {self._where.place} answered {path} with more than {limit_bytes >> 20} MiB; "
                        "is it podman that answers?"
                    )
                if time.monotonic() > ends_at:
                    raise TimeoutError
            # A container that is removed while podman looks at it is told as an error of the server.
            if reply.status_code == HTTP_NOT_FOUND or (reply.status_code >= HTTP_ERRORS and NO_SUCH in body):
                raise Gone(f"podman at {self._where.place} knows no {path}")
            if reply.status_code >= HTTP_ERRORS:
                why = bytes(body[:WHY_WIDTH]).decode("utf-8", "replace").strip()
                raise Unreadable(
                    f"podman at {self._where.place} answered {path} with HTTP {reply.status_code} ({why}); "
                    "see: journalctl -u podman.service"
                )
        return bytes(body)

    @contextmanager
    def stream(
        self, path: str, parameters: Mapping[str, str]
    ) -> Iterator[tuple[Iterator[bytes], socket.socket | None]]:
        """The pieces of an endless reply as they come, without a deadline, and the socket they come through."""
        with self._reply(path, parameters) as reply:
            if reply.status_code >= HTTP_ERRORS:
                raise Unreadable(f"podman at {self._where.place} answered {path} with HTTP {reply.status_code}")
            connection = reply.raw.connection
            channel: socket.socket | None = connection.sock if connection is not None else None
            if channel is not None:
                channel.settimeout(None)
            yield reply.iter_content(CHUNK_BYTES), channel

    @contextmanager
    def _reply(self, path: str, parameters: Mapping[str, str] | None) -> Iterator[APIResponse]:
        try:
            if self._where.path:
                # podman-py leaves the socket of a failed connection to the garbage collector: do not come to that.
                Path(self._where.path).stat()
            # The deadline goes with each call: as the constructor's it may not be a pair of connect and read.
            with closing(
                self._client.get(path, params=parameters, stream=True, timeout=self._timeout_seconds)
            ) as reply:
                yield reply
        except OSError as error:  # requests' and podman-py's errors are OSErrors
            raise self._reason(error, path) from error

    def _reason(self, error: OSError, path: str) -> SourceError:
        causes = list(_causes(error))

        def caused_by(*kinds: type[BaseException]) -> bool:
            return any(isinstance(cause, kinds) for cause in causes)

        where, user = self._where.place, self._where.user
        if caused_by(FileNotFoundError):
            enable = f"systemctl --user --machine={user}@ enable" if user else "systemctl enable"
            return NotHere(f"no podman socket at {where}; enable it with: {enable} --now podman.socket")
        if caused_by(PermissionError):
            return Unreadable(f"the podman socket at {where} may not be opened by this account; run as root")
        if caused_by(ConnectionRefusedError):
            start = f"systemctl --user --machine={user}@ start" if user else "systemctl start"
            return Unreadable(f"nothing listens on the podman socket at {where}; start it with: {start} podman.socket")
        if caused_by(TimeoutError, requests.Timeout):
            return Unreadable(
                f"podman at {where} did not answer {path} within {self._timeout_seconds:g} s; "
                "see: journalctl -u podman.service"
            )
        why = str(causes[-1])[:WHY_WIDTH]
        return Unreadable(
            f"podman at {where} broke off its answer to {path} ({why}); see: journalctl -u podman.service"
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it, the first cause last."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__
