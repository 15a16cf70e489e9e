"""Where watch and entries change: one lock, and every change is on disk before anybody is told of it."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from exporter.facts.counts import Totals
from exporter.notify import delivery
from exporter.notify.alert import Origin
from exporter.notify.delivery import Entry
from exporter.notify.posting import Posting
from exporter.notify.store import Store
from exporter.notify.watch import Watch, after_report, after_totals, holding, joined
from exporter.report.host import Report
from exporter.report.notifications import DeliveryCount, LatencyHistogram, Notifications
from exporter.report.thresholds import Thresholds

_PATIENCE_SECONDS = 0.1
RESULTS = ("accepted", "rejected", "failed")
log = logging.getLogger("bulkhead")


class Outbox:
    """What alerts hold, and how far each Alertmanager is with them. Any thread may ask; times are unix times."""

    def __init__(
        self,
        store: Store,
        origin: Origin,
        thresholds: Callable[[], Thresholds],
        peers: tuple[str, ...],
        resend_seconds: float = 60.0,
    ) -> None:
        self._store = store
        self._origin = origin
        self._thresholds = thresholds
        self._peers = peers
        self._resend_seconds = resend_seconds
        self._lock = threading.Lock()
        self._watch, kept = store.load()
        self._entries = {key: delivery.with_peers(entry, peers) for key, entry in kept.items()}
        self._results: Counter[tuple[str, str]] = Counter()
        self._latency = LatencyHistogram()
        self._published = self._notifications(0.0)

    def see_totals(self, totals: Totals, now_seconds: float) -> bool:
        """Take in what the ledger has counted. True: somebody has something new to send."""
        with self._lock:
            self._read_again()
            return self._become(after_totals(self._watch, totals, self._thresholds(), now_seconds), now_seconds)

    def see_report(self, report: Report, sure_seconds: float, now_seconds: float) -> bool:
        """Take in what was judged, once every source has spoken. True: somebody has something new to send."""
        with self._lock:
            return self._become(after_report(self._watch, report, sure_seconds), now_seconds)

    def postings(self, peer: str, now_seconds: float, most: int) -> tuple[Posting, ...]:
        """What this peer is to be told now: first what is new to it."""
        with self._lock:
            found = [
                one
                for key, entry in self._entries.items()
                if (one := delivery.posting(key, entry, peer, self._resend_seconds, now_seconds)) is not None
            ]
            found.sort(key=lambda one: not self._is_waiting(self._entries[one.key], peer, now_seconds))
            return tuple(found[:most])

    def note_accepted(self, peer: str, sent: Iterable[Posting], now_seconds: float) -> None:
        """The peer has taken these."""
        with self._lock:
            changed: dict[str, Entry | None] = {}
            for one in sent:
                self._results[peer, "accepted"] += 1
                if (before := self._entries.get(one.key)) is None:
                    continue
                after = delivery.accepted(before, peer, one, self._resend_seconds, now_seconds)
                was, became = before.peers[peer], after.peers[peer]
                self._entries[one.key] = after
                if was.fired_seconds is None and became.fired_seconds is not None:
                    self._observe(max(0.0, now_seconds - one.starts_seconds))
                # When something was sent last is worth no write: it is sent again after a restart.
                if replace(was, sent_seconds=0) != replace(became, sent_seconds=0):
                    changed[one.key] = after
            self._store.save(None, changed)

    def note_rejected(self, peer: str, sent: Posting, now_seconds: float) -> None:
        """The peer does not take this one."""
        with self._lock:
            self._results[peer, "rejected"] += 1
            if (before := self._entries.get(sent.key)) is not None:
                self._entries[sent.key] = delivery.rejected(before, peer, sent, now_seconds)
                self._store.save(None, {sent.key: self._entries[sent.key]})

    def note_failed(self, peer: str, count: int) -> None:
        """The peer did not take them this time."""
        with self._lock:
            self._results[peer, "failed"] += count

    def notifications(self, now_seconds: float) -> Notifications:
        """How delivery is doing; while a disk that hangs holds a change up, how it was doing before."""
        if self._lock.acquire(timeout=_PATIENCE_SECONDS):
            try:
                self._published = self._notifications(now_seconds)
            finally:
                self._lock.release()
        return self._published

    def _notifications(self, now_seconds: float) -> Notifications:
        return Notifications(
            tuple(
                DeliveryCount(peer, result, self._results[peer, result]) for peer in self._peers for result in RESULTS
            ),
            sum(self._is_waiting(entry, peer, now_seconds) for entry in self._entries.values() for peer in self._peers),
            self._latency,
            self._store.problem or self._store.salvaged_lately,
        )

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._store.close()

    def _read_again(self) -> None:
        """Take in what the disk has kept, if it could not be read at the start and can be now."""
        found = self._store.load_again()
        if found is None:
            return
        watch, kept = found
        self._watch = joined(watch, self._watch)
        self._entries = {key: delivery.with_peers(entry, self._peers) for key, entry in kept.items()} | self._entries
        self._store.save(self._watch, self._entries)

    def _become(self, watch: Watch, now_seconds: float) -> bool:
        before, entries = self._entries, self._entries
        entries = delivery.updated(
            entries, holding(watch, self._origin), self._peers, self._resend_seconds, now_seconds
        )
        entries, dropped = delivery.bounded_entries(entries)
        if dropped:
            log.error("too many alerts wait: the oldest were dropped", extra={"dropped": dropped})
        changed: dict[str, Entry | None] = {
            key: entry for key, entry in entries.items() if entry is not before.get(key)
        }
        changed |= dict.fromkeys(before.keys() - entries.keys())
        new_watch = watch if watch != self._watch else None
        self._watch, self._entries = watch, entries
        if changed or new_watch is not None:
            self._store.save(new_watch, changed)
        return bool(changed)

    def _is_waiting(self, entry: Entry, peer: str, now_seconds: float) -> bool:
        return delivery.is_waiting(entry, peer, self._resend_seconds, now_seconds)

    def _observe(self, seconds: float) -> None:
        bucket = bisect_left(self._latency.bounds_seconds, seconds)
        counts = list(self._latency.counts)
        counts[bucket] += 1
        self._latency = replace(self._latency, counts=tuple(counts), sum_seconds=self._latency.sum_seconds + seconds)
