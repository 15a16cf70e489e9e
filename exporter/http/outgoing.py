"""Which bodies are being sent, and to whom: their memory has a bound, whatever clients do.

A page is there once for all clients of a moment, but a client that reads it slowly keeps it while newer pages are
made: twenty clients that begin half a second apart keep twenty pages. Beyond the bound, whoever is sent the page that
was begun first is cut off.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Outgoing(Generic[C]):
    """Bodies of at most `bytes_max` together, but for the newest, which is always taken. Safe to use from threads."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._clients: dict[int, tuple[bytes, set[C]]] = {}  # by the body's identity, what was begun first at first
        self._lock = threading.Lock()

    def begin(self, client: C, body: bytes) -> tuple[C, ...]:
        """Note that this body is sent to the client; the clients that are to be cut off for it."""
        with self._lock:
            _, clients = self._clients.setdefault(id(body), (body, set()))
            clients.add(client)
            lost: list[C] = []
            size = sum(len(one) for one, _ in self._clients.values())
            for key, (one, others) in list(self._clients.items()):
                if size <= self._bytes_max or one is body:
                    break
                lost += others
                size -= len(one)
                del self._clients[key]
            return tuple(lost)

    def end(self, client: C, body: bytes) -> None:
        """The body was sent to the client, or could not be."""
        with self._lock:
            _, clients = self._clients.get(id(body), (body, set()))
            clients.discard(client)
            if not clients:
                self._clients.pop(id(body), None)
