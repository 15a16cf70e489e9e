"""The kernel's log at /dev/kmsg: whom it killed for want of memory, and whom SELinux denied something.

Documentation/ABI/testing/dev-kmsg: one record a read, `priority,sequence,microseconds,flags;text`;
EPIPE when records were overwritten before they were read.

    6,2498,404870105,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),...
    3,2499,404870905,-;Memory cgroup out of memory: Killed process 1856 (tail) total-vm:33044kB, ...

A log that is quiet is well: a read that finds nothing more (EAGAIN) has come to its end just now. A log that never
pauses has no end: it is well up to the time of the last record, and what was logged before it was opened is read once a
record is as young as that.

Looks again: for a device that is not there, may not be opened or has failed, at the first read half a minute later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.facts.evidence import Denial, KernelKill
from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.log.denial import located, parse_denial
from exporter.sources.log.kill import parse_kill
from exporter.sources.log.process_cgroup import read_cgroup

_RECORD_BYTES = 8192
_RECORDS_A_READ = 10_000
_OPEN_AGAIN_US = 30_000_000
_RECORD = re.compile(rb"^(\d{1,5}),(\d{1,19}),(\d{1,19}),[^;]*;(.*?)(?:\n|$)", re.DOTALL)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the kernel's log."""

    facility: int  # 0 is the kernel's own; what a process writes there has another
    sequence: int
    stamp_us: int
    text: str


def parse_record(raw: bytes) -> Record:
    """One record as /dev/kmsg gives it. Raises Unreadable."""
    found = _RECORD.match(raw)
    if not found:
        raise Unreadable(f"/dev/kmsg gave what is no record: {raw[:60]!r}")
    text = found[4].decode(errors="replace")
    text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)  # what is not printable, and the backslash
    return Record(int(found[1]) >> 3, int(found[2]), int(found[3]), text)


def _ignore(_: int) -> None:
    """Nobody waits for the descriptor."""


class KernelLogSource:
    """Reads the records that are new. `sequence` is the last one of `boot_id` that was read before, -1 for none.

    `opened` is called with each descriptor that can be waited for, `closing` before it is given back.
    """

    def __init__(
        self,
        device: Path,
        proc: Path,
        boot_id: str,
        sequence: int,
        clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
        *,
        opened: Callable[[int], None] = _ignore,
        closing: Callable[[int], None] = _ignore,
    ) -> None:
        self._device = device
        self._proc = proc
        self._boot_id = boot_id
        self._clock_us = clock_us
        self._opened = opened
        self._closing = closing
        self._descriptor: int | None = None
        self._problem: SourceError | None = Unreadable("has not been opened yet")
        self._tried_at_us = 0
        self._opened_us = clock_us()
        self._told: set[int] = set()  # pids of the lines that name cgroups, to tell which second lines are alone
        self._has_caught_up = False  # with all that was logged before it was opened
        self.sequence = sequence
        """The last record that was read."""
        self.well_at_seconds: float | None = None
        """Unix time at which it was last opened, or up to which it was read; None before."""
        self.events = 0
        """Kills and denials told of."""
        self.events_lost = 0
        """Times that records were overwritten unread."""

    def open(self) -> int:
        """The descriptor, to be waited for. Raises NotHere, Unreadable."""
        self._tried_at_us = self._clock_us()
        try:
            self._descriptor = os.open(self._device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            self._problem = NotHere(f"{self._device} is not here: OOM kills are told by cgroups and journal alone")
            raise self._problem from error
        except OSError as error:
            self._problem = Unreadable(f"{self._device} cannot be read ({error.strerror}): grant CAP_SYSLOG")
            raise self._problem from error
        self._problem = None
        # What was written since the last descriptor is of its own time.
        self._has_caught_up = False
        self._opened_us = self._tried_at_us
        self.well_at_seconds = time.time()
        self._opened(self._descriptor)
        return self._descriptor

    def check(self) -> None:
        """Pass while the device is open. Raises NotHere, Unreadable while it is not."""
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # which would grow with each scrape

    def read(self) -> tuple[KernelKill | Denial, ...]:
        """The kills and denials that were told of since the last read. Never waits, never raises: see `check`."""
        if self._descriptor is None and self._clock_us() - self._tried_at_us >= _OPEN_AGAIN_US:
            with contextlib.suppress(SourceError):
                self.open()
        if self._descriptor is None:
            return ()
        told: list[KernelKill | Denial] = []
        for _ in range(_RECORDS_A_READ):
            try:
                raw = os.read(self._descriptor, _RECORD_BYTES)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    self.events_lost += 1
                    continue
                if error.errno == errno.EAGAIN:
                    self._has_caught_up = True
                    self.well_at_seconds = time.time()
                else:
                    self._fail(str(error.strerror))
                break
            if not raw:
                self._fail("it has ended")
                break
            if (event := self._take(raw)) is not None:
                told.append(event)
        self.events += len(told)
        return located(told, self._proc, time.time())

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            self._closing(self._descriptor)
            with contextlib.suppress(OSError):  # somebody else closed it
                os.close(self._descriptor)
            self._descriptor = None

    def _fail(self, reason: str) -> None:
        self.close()
        self._tried_at_us = self._clock_us()
        self._problem = Unreadable(f"{self._device} cannot be read any more ({reason}): it is opened again")

    def _take(self, raw: bytes) -> KernelKill | Denial | None:
        try:
            record = parse_record(raw)
        except Unreadable:
            return None
        self._reach(record.stamp_us)
        if record.sequence <= self.sequence:
            return None
        self.sequence = record.sequence
        if record.facility != 0:
            return None
        return parse_denial(record.text) or self._kill_of(record)

    def _reach(self, stamp_us: int) -> None:
        """Note that all that was logged before this time is read."""
        self._has_caught_up = self._has_caught_up or stamp_us >= self._opened_us
        at_seconds = time.time() - max(0, self._clock_us() - stamp_us) / 1e6
        self.well_at_seconds = max(at_seconds, self.well_at_seconds or 0.0)

    def _kill_of(self, record: Record) -> KernelKill | None:
        victim = parse_kill(record.text)
        if victim is None:
            return None
        cgroup = victim.victim_cgroup
        if cgroup is not None:
            self._told.add(victim.pid)
        elif victim.pid in self._told:
            self._told.discard(victim.pid)
            return None
        elif self._has_caught_up:
            # Its first line was rate-limited: the dying process can still be asked where it lives.
            cgroup = read_cgroup(self._proc, victim.pid)
            if cgroup == "/":  # the kernel moves a process that has exited there
                return None
        if not cgroup:
            return None
        # printk has a clock of its own, which may be off by seconds: what comes while we listen is of now.
        heard_us = self._clock_us() if self._has_caught_up else record.stamp_us
        limit = victim.limit_cgroup if victim.victim_cgroup is not None else None
        at_seconds = time.time() - max(0, self._clock_us() - heard_us) / 1e6
        return KernelKill(self._boot_id, heard_us, record.stamp_us, victim.pid, cgroup, limit, at_seconds)
