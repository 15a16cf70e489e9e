"""Which datasets a pool has: listed seldom, and waited for no longer than a read has time.

`zfs list` needs as long for a name as for all figures of it, and prints nothing before it has the last one: with
10,000 datasets it ran for minutes in the emulated host, and so it does on a disk whose metadata is not in memory yet.
So it runs in a thread of its own, and reads go on meanwhile with the names that are known.

Looks again: twenty times as long after a listing as that listing took, ten minutes after one that failed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from exporter.facts.reading import Unreadable
from exporter.sources.deadline import begin, ended_within
from exporter.sources.zfs.rota import Rota

# To list names costs as much for each dataset as to list figures: it is done again after this many times as long.
_PAUSE = 20
_PAUSE_SECONDS = 600  # after names could not be listed


class Roll:
    """What is known of one pool's datasets from earlier reads. One thread at a time asks.

    `list_names` raises Unreadable, also for being late.
    """

    def __init__(self, pool: str, list_names: Callable[[], frozenset[str]], clock: Callable[[], float]) -> None:
        self._pool = pool
        self._list_names = list_names
        self._clock = clock
        self._listing: Future[tuple[frozenset[str], float]] | None = None
        self._began_at = 0.0
        self._due_at = float("-inf")
        self.names: frozenset[str] = frozenset()
        self.rota = Rota()

    def call(self, patience_seconds: float) -> str:
        """Bring `names` up to date where that is due and does not last longer; "" or why some may be missing."""
        begins = self._listing is None and self._clock() >= self._due_at
        if begins:
            self._began_at = self._clock()
            self._listing = begin(lambda: (self._list_names(), self._clock()), "zfs-names")
        if self._listing is None:
            return ""
        if not ended_within(self._listing, patience_seconds if begins else 0):
            if self.names:
                return ""
            return (
                f"Pool {self._pool}: `zfs list` of names has not ended after {self._clock() - self._began_at:.0f} s; "
                "until then only datasets that are mounted are read"
            )
        answer, self._listing = self._listing, None
        try:
            self.names, ended_at = answer.result()
        except Unreadable as error:
            self._due_at = self._clock() + _PAUSE_SECONDS
            return str(error)
        self._due_at = self._began_at + _PAUSE * (ended_at - self._began_at)
        return ""
