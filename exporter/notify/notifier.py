"""What makes the outbox look: settlements of the ledger and reports. What is due then is fetched by couriers."""

from __future__ import annotations

import time
from collections.abc import Callable

from exporter.facts.counts import Totals
from exporter.notify.outbox import Outbox
from exporter.notify.posting import Posting
from exporter.report.host import Report
from exporter.report.notifications import Notifications


class Notifier:
    """The outbox by the clock on the wall. `wake` is called when somebody has something new to send."""

    def __init__(self, outbox: Outbox, wake: Callable[[], None]) -> None:
        self._outbox = outbox
        self._wake = wake

    def see_totals(self, totals: Totals) -> None:
        """Take in what the ledger has counted."""
        if self._outbox.see_totals(totals, time.time()):
            self._wake()

    def see_report(self, report: Report, sure_seconds: float) -> None:
        """Take in what was judged, once every source has spoken."""
        if self._outbox.see_report(report, sure_seconds, time.time()):
            self._wake()

    def notifications(self) -> Notifications:
        """How delivery is doing."""
        return self._outbox.notifications(time.time())


class OutgoingNow:
    """What is due of an outbox in this process."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def postings(self, peer: str, most: int) -> tuple[Posting, ...]:
        """What this peer is to be sent now: first what is new to it."""
        return self._outbox.postings(peer, time.time(), most)

    def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
        """The peer has taken these."""
        self._outbox.note_accepted(peer, sent, time.time())

    def note_rejected(self, peer: str, sent: Posting) -> None:
        """The peer does not take this one."""
        self._outbox.note_rejected(peer, sent, time.time())

    def note_failed(self, peer: str, count: int) -> None:
        """The peer did not take them this time."""
        self._outbox.note_failed(peer, count)
