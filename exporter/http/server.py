"""The server of the pages: it answers on sockets that listen already, each on a thread of its own, and closes them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence

from exporter.http.connections import HttpServer, Patience, Shared
from exporter.http.gate import Gate
from exporter.http.hosts import Hosts
from exporter.http.pages import Pages

_PATIENCE = Patience()
# The loop turns ten times a second; a host that is starved may stand still for seconds.
_TURN_SECONDS = 30.0
_POLL_SECONDS = 0.1


class Server:
    """Serves the pages on these sockets, which are its own from now on: listen.py opens them."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        pages: Pages,
        patience: Patience = _PATIENCE,
        *,
        gate: Gate | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        self._gate = gate or Gate()
        self._shared = Shared(pages, self._gate, Hosts(hosts), patience)
        self._servers = tuple(HttpServer(listener, self._shared) for listener in listeners)
        self._state = threading.Lock()
        self._serving = self._closed = False

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Hosts and ports that are listened on; a port is the real one where 0 was asked for."""
        names = [server.socket.getsockname() for server in self._servers]
        return tuple((name[0], name[1]) for name in names)

    @property
    def scheme(self) -> str:
        """How an address of it begins."""
        return "https" if self._gate.access.tls else "http"

    def serve_forever(self) -> None:
        """Answer until `close` is called from another thread."""
        with self._state:
            if self._closed:
                return
            self._serving = True
        first, *others = self._servers
        threads = [
            threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), name=f"serve-{number}", daemon=True)
            for number, server in enumerate(others, start=1)
        ]
        for thread in threads:
            thread.start()
        first.serve_forever(_POLL_SECONDS)
        for thread in threads:
            thread.join()

    def stall(self) -> str:
        """That no connection is accepted, in words; "" while all accepting loops turn."""
        seconds = time.monotonic() - min(server.turned_at_seconds for server in self._servers)
        return f"the accepting loop has stood still for {seconds:.0f} s" if seconds > _TURN_SECONDS else ""

    def close(self) -> None:
        """Take no new connection, let running answers finish, give the ports back. May be called again."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        for server in self._servers:
            if self._serving:
                server.shutdown()
            server.server_close()
        self._shared.end_connections()
