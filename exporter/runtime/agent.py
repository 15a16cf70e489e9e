"""The agent: sources answer on their own clocks; a scrape takes their last answers and has them judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from exporter.report.host import Report
from exporter.runtime.poller import Poller
from exporter.runtime.watchdog import Proof


class Agent:
    """Pollers, event followers, and the report that is made of them when it is asked for.

    `proofs` show that the followers do their work.
    """

    def __init__(
        self,
        pollers: tuple[Poller[Any], ...],
        followers: tuple[Callable[[threading.Event], None], ...],
        make_report: Callable[[], Report],
        proofs: Mapping[str, Proof] | None = None,
    ) -> None:
        self.proofs = proofs or {}
        self._pollers = pollers
        self._followers = followers
        self._make_report = make_report
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._report: Report | None = None
        self._reported_at = 0.0

    def start(self) -> None:
        """Start every clock and every event stream."""
        for poller in self._pollers:
            poller.start()
        for number, follow in enumerate(self._followers):
            threading.Thread(target=follow, args=(self._stop,), name=f"follow-{number}", daemon=True).start()

    def stop(self) -> None:
        """Stop asking. Returns at once."""
        self._stop.set()
        for poller in self._pollers:
            poller.stop()

    def ready(self) -> bool:
        """Whether every source has answered, refused or failed once."""
        return all(poller.answered() for poller in self._pollers)

    def report(self) -> Report:
        """What is known now. Scrapes that come while one is being made share it."""
        asked_at = time.monotonic()
        with self._lock:
            if self._report is None or self._reported_at < asked_at:
                self._reported_at = time.monotonic()
                self._report = self._make_report()
            return self._report
