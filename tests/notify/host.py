"""An agent's outbox with its disk, its clock, and the Alertmanagers that it tells."""

from __future__ import annotations

from pathlib import Path

from exporter.notify.outbox import Outbox
from exporter.notify.posting import Posting
from exporter.notify.store import Store
from exporter.report.thresholds import Thresholds
from tests.notify.totals import NOW, ORIGIN, totals

RESEND = 60.0
ONE, TWO = "http://one", "http://two"


class Host:
    """A outbox on a disk, a clock, and peers that take what comes when they are up."""

    def __init__(self, directory: Path | None, peers: tuple[str, ...] = (ONE, TWO)) -> None:
        self.directory = directory
        self.peers = peers
        self.now = NOW
        self.kills = {"web": 0, "db": 0}
        self.killed_at: dict[str, list[float]] = {"web": [], "db": []}
        self.up = dict.fromkeys(peers, True)
        self.taken: dict[str, list[tuple[float, Posting]]] = {peer: [] for peer in peers}
        self.start()

    def start(self) -> None:
        self.store = Store(self.directory)
        self.outbox = Outbox(self.store, ORIGIN, Thresholds, self.peers, RESEND)
        self.look()

    def crash(self) -> None:
        # What SQLite has committed is what a process leaves that ends at once.
        self.store.close()
        self.start()

    def kill(self, name: str) -> None:
        self.kills[name] += 1
        self.killed_at[name].append(self.now)

    def look(self) -> None:
        self.outbox.see_totals(totals(**self.kills), self.now)

    def deliver(self, *, crash_before_noting: bool = False) -> None:
        for peer in self.peers:
            postings = self.outbox.postings(peer, self.now, 64) if self.up[peer] else ()
            self.taken[peer] += [(self.now, one) for one in postings]
            if not crash_before_noting:
                self.outbox.note_accepted(peer, postings, self.now)

    def live(self, seconds: float, step_seconds: float = 5) -> None:
        for _ in range(int(seconds / step_seconds)):
            self.now += step_seconds
            self.look()
            self.deliver()

    def said(self, peer: str) -> list[bool]:
        """Firing or resolved, without what only repeats the one before."""
        fires = [one.fires for _, one in self.taken[peer]]
        return [each for number, each in enumerate(fires) if number == 0 or fires[number - 1] != each]
