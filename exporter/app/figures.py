"""The figures of cgroups for one report: read anew for each, within a deadline.

Everything else in a report is the last answer of a poller. These files are read while somebody waits for the report,
and a read can hang: the kernel stalls on memory.stat while it reclaims. So they are read on a thread of their own. What
has not answered within the deadline leaves the report with the figures of before, and the collector `cgroup` as failed;
until that read has ended no other is begun, and no report waits for it.
"""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeAlias

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups
from exporter.facts.reading import NOT_YET, Failed, Read, Reading, last_read
from exporter.runtime.poller import Poller, no_problems, read_once
from exporter.sources.cgroup import CgroupSource, SliceSource
from exporter.sources.deadline import Caller, ended_within

DEADLINE_SECONDS = 5.0
"""Half of Prometheus' scrape_timeout: the rest is for judging and rendering."""

_Cgroups: TypeAlias = Reading[tuple[ContainerCgroups, ...]]


class FigureReader:
    """Reads the figures for each report; the clock of their collector, `walk`, walks to new containers.

    One report at a time.
    """

    def __init__(
        self,
        cgroup: CgroupSource,
        slices: SliceSource,
        walk: Poller[None],
        deadline_seconds: float | None = None,
    ) -> None:
        self._cgroup = cgroup
        self._slices = slices
        self._walk = walk
        self._deadline_seconds = DEADLINE_SECONDS if deadline_seconds is None else deadline_seconds
        self._caller = Caller("figures")
        self._asked_at_seconds = 0.0
        self._answer: Future[None] | None = None  # of the read that has not ended
        self._empty_slices: tuple[CgroupLevel, ...] = ()
        self._figures: _Cgroups = NOT_YET

    def read(self) -> tuple[tuple[CgroupLevel, ...], _Cgroups]:
        """The slices without a container alive, and the figures of all containers."""
        if self._answer is not None and self._answer.done():
            self._answer = None  # it came late, and this report wants the figures of now
        patience_seconds = 0.0
        if self._answer is None:
            self._asked_at_seconds = time.monotonic()
            self._answer = self._caller.begin(self._read)
            patience_seconds = self._deadline_seconds
        if ended_within(self._answer, patience_seconds):
            self._answer.result()
            self._answer = None
            return self._empty_slices, self._figures
        waited_seconds = time.monotonic() - self._asked_at_seconds
        failed = Failed(f"no answer for {waited_seconds:.0f} s", waited_seconds, last_read(self._figures))
        return self._empty_slices, failed

    def _read(self) -> None:
        empty_slices = self._slices.read()
        figures = read_once(self._cgroup.read, no_problems, self._figures)
        self._empty_slices = empty_slices
        self._figures = _with_problems(figures, (*_trouble_of_walks(self._walk), *self._slices.problems))


def _trouble_of_walks(walk: Poller[None]) -> tuple[str, ...]:
    """Why new containers may not be among those that are read: their files answer, and nobody finds more of them."""
    match walk.reading():
        case Failed(reason=reason) if walk.answered():
            return (f"new containers are not found: {reason}",)
        case _:
            return ()


def _with_problems(reading: _Cgroups, others: tuple[str, ...]) -> _Cgroups:
    if not isinstance(reading, Read):
        return reading
    of_files = tuple(reason for tree in reading.value for reason in tree.unreadable)
    return replace(reading, problems=(*others, *of_files)[:5])
