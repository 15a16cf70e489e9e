"""The server of the pages: it listens from its construction on, answers on a thread of its caller, and closes."""

from __future__ import annotations

import threading
import time

from exporter.http.connections import HttpServer, Patience
from exporter.http.listen import resolved, unusable
from exporter.http.pages import Pages

_PATIENCE = Patience()
# The loop turns ten times a second; a host that is starved may stand still for seconds.
_TURN_SECONDS = 30.0


class Server:
    """Listens from its construction on. `listen` is HOST:PORT, [IPV6]:PORT or :PORT; raises ServeError."""

    def __init__(
        self,
        listen: str,
        pages: Pages,
        patience: Patience = _PATIENCE,
    ) -> None:
        family, host, port = resolved(listen)
        try:
            self._http = HttpServer((host, port), family, pages, patience)
        except OSError as error:
            raise unusable(listen, error) from error
        self._state = threading.Lock()
        self._serving = self._closed = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on; the port is the real one where 0 was asked for."""
        host, port = self._http.socket.getsockname()[:2]
        return host, port

    def serve_forever(self) -> None:
        """Answer until `close` is called from another thread."""
        with self._state:
            if self._closed:
                return
            self._serving = True
        self._http.serve_forever(poll_interval=0.1)

    def stall(self) -> str:
        """That no connection is accepted, in words; "" while the accepting loop turns."""
        seconds = time.monotonic() - self._http.turned_at_seconds
        return f"the accepting loop has stood still for {seconds:.0f} s" if seconds > _TURN_SECONDS else ""

    def close(self) -> None:
        """Take no new connection, let running answers finish, give the port back. May be called again."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        if self._serving:
            self._http.shutdown()
        self._http.server_close()
        self._http.end_connections()
