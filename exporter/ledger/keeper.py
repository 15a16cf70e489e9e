"""Keeps the ledger: gathers what was heard, reads the counts after it, and settles both in one transaction.

One thread of its own. It sleeps until a count of the kernel's changes, somebody hears something, or its clock
ticks; then it drains what was heard first and reads the counts after, so that every kill a line tells of
is in the counts that are read. A container can change its counts as often as it likes: after a settlement the keeper
rests, so that it takes a tenth of one CPU at the most.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from exporter.facts.counts import Totals
from exporter.facts.evidence import Denial, Evidence, KernelKill, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, Refused, RestartCount

TICK_SECONDS = 5.0
# A container under memory pressure changes memory.events hundreds of times a second.
_BURST_SECONDS = 0.05
_CURSOR_SECONDS = 30.0
_CPU_SHARE = 0.1
log = logging.getLogger("bulkhead")


class Counter(Protocol):
    """Where the kernel's counts come from."""

    def read(self) -> KillCounts:
        """All counts now."""

    def wait(self, timeout_seconds: float) -> bool:
        """Until one changes, or a waker wakes."""

    def wake_on(self, descriptor: int, drain: Callable[[], None]) -> None:
        """Have `wait` end when this descriptor can be read."""


class KernelLog(Protocol):
    """Where the kernel's lines come from."""

    sequence: int

    def read(self) -> tuple[KernelKill | Denial, ...]:
        """The kills and denials that are new."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the keeper asks the other sources for, each time it settles."""

    identities: Callable[[], Identities | None]  # None: not known yet, nothing can be attributed
    restarts: Callable[[], tuple[RestartCount, ...]]
    vmstat_oom_kills: Callable[[], int | None]
    journal_tells: Callable[[], bool]
    podman_answered_seconds: Callable[[], float | None]  # unix time


def rest_seconds(busy_seconds: float) -> float:
    """How long to rest after a settlement that took so much of a CPU, if there is something to settle already."""
    return min(TICK_SECONDS, max(_BURST_SECONDS, busy_seconds / _CPU_SHARE - busy_seconds))


def nothing_more(_: Totals) -> None:
    """Nobody waits for settlements."""


class Keeper:
    """The ledger's thread; `on_totals` is called after each settlement. `hear` may be called from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        boot_id: str,
        counter: Counter,
        kernel_log: KernelLog | None,
        around: Surroundings,
        *,
        on_totals: Callable[[Totals], None] = nothing_more,
    ) -> None:
        self._ledger = ledger
        self._boot_id = boot_id
        self._counter = counter
        self._kernel_log = kernel_log
        self._around = around
        self._on_totals = on_totals
        self._lock = threading.Lock()
        self._heard: list[Evidence] = []
        self._cursors: dict[str, str] = {}
        # The cursor stands a little before what was answered, and is not to fall back by as much at each start.
        cursor = ledger.cursor("podman")
        self._podman_cursor_seconds = float(cursor) + _CURSOR_SECONDS if cursor else 0.0
        self._restarts_read_at: dict[str, float] = {}
        self._failed_before = False
        self._settled_us = time.monotonic_ns() // 1000
        self._refused_us = 0
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        counter.wake_on(self._waker, self._drain)

    def hear(self, evidence: tuple[Evidence, ...], source: str = "", cursor: str = "") -> None:
        """Take what was heard, and where its source stands after it."""
        with self._lock:
            self._heard.extend(evidence)
            if source and cursor:
                self._cursors[source] = cursor
        if evidence:
            self.wake()

    @property
    def unsettled_seconds(self) -> float:
        """How long ago the last settlement was, or the start."""
        return (time.monotonic_ns() // 1000 - self._settled_us) / 1e6

    @property
    def silent_seconds(self) -> float:
        """The same; a settlement that the ledger refused counts too: a restart would lose what it waits for."""
        return (time.monotonic_ns() // 1000 - max(self._settled_us, self._refused_us)) / 1e6

    def wake(self) -> None:
        """Settle soon."""
        os.eventfd_write(self._waker, 1)

    def _drain(self) -> None:
        os.eventfd_read(self._waker)

    def run(self, stop: threading.Event) -> None:
        """Settle whenever there is something to settle, until `stop` is set."""
        while not stop.is_set():
            began = time.thread_time()
            try:
                self.settle()
            except Exception:  # a bug here must not end all counting: what was heard is heard again at the next start
                log.exception("the ledger could not be settled; please report this")
            if self._counter.wait(TICK_SECONDS):
                stop.wait(rest_seconds(time.thread_time() - began))
        self._ledger.close()

    def settle(self) -> None:
        """Settle now, if it is known who is who."""
        identities = self._around.identities()
        if identities is None:
            return
        lines = self._kernel_log.read() if self._kernel_log is not None else ()
        with self._lock:
            heard, self._heard = [*self._heard, *lines], []
            if self._kernel_log is not None and lines:
                self._cursors["kmsg"] = f"{self._boot_id}:{self._kernel_log.sequence}"
            cursors = dict(self._cursors)
        taken_before = self._restarts_read_at
        try:
            self._settle(identities, tuple(heard), cursors)
            self._failed_before = False
        except Refused:  # the ledger has logged why
            self._hear_again(heard)
            self._restarts_read_at = taken_before
            self._refused_us = time.monotonic_ns() // 1000
        except Exception:
            # Once more, from where the disk is; what fails again is left out, that the rest be counted.
            if not self._failed_before:
                self._hear_again(heard)
            self._failed_before = not self._failed_before
            raise

    def _hear_again(self, heard: list[Evidence]) -> None:
        """Have it in the next settlement, before what came since."""
        with self._lock:
            self._heard[:0] = heard

    def _settle(self, identities: Identities, heard: tuple[Evidence, ...], cursors: dict[str, str]) -> None:
        answered = self._around.podman_answered_seconds()
        if answered is not None and abs(answered - self._podman_cursor_seconds) > _CURSOR_SECONDS:
            self._podman_cursor_seconds = answered
            cursors["podman"] = f"{answered - _CURSOR_SECONDS:.0f}"
        batch = Batch(
            evidence=heard,
            counts=self._counter.read(),
            restarts=self._new_readings(),
            vmstat_oom_kills=self._around.vmstat_oom_kills(),
            identities=identities,
            cursors=cursors,
            journal_tells=self._around.journal_tells(),
        )
        now = Now(self._boot_id, time.monotonic_ns() // 1000, time.time())
        totals = self._ledger.settle(batch, now)
        self._settled_us = now.us
        self._on_totals(totals)

    def _new_readings(self) -> tuple[RestartCount, ...]:
        """Numbers of restarts that were not taken before: an old reading proves nothing twice."""
        read = self._around.restarts()
        new = tuple(one for one in read if self._restarts_read_at.get(one.key) != one.read_at_seconds)
        self._restarts_read_at = {one.key: one.read_at_seconds for one in read}
        return new
