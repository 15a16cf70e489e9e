"""From the texts of cgroup files to the figures of each container: no I/O.

A file that is not there is None; one that did not answer, or not in its shape, is None too and told
in `ContainerCgroups.unreadable`: no limit and a limit not read are two things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, PayloadUse
from exporter.facts.reading import Unreadable
from exporter.sources.cgroup.files import Texts
from exporter.sources.cgroup.parse import (
    CpuStat,
    parse_controllers,
    parse_count,
    parse_cpu_max,
    parse_cpu_stat,
    parse_inactive_file,
    parse_io_stat,
    parse_limit,
    parse_memory_events,
    parse_pressure,
    parse_unreclaimable,
)
from exporter.sources.cgroup.tree import FoundContainer, Place

T = TypeVar("T")

LEVEL_FILES = (
    "memory.current",
    "memory.stat",
    "memory.max",
    "memory.high",
    "memory.swap.max",
    "memory.events",
    "cpu.max",
    "pids.max",
    "cgroup.controllers",
)
PAYLOAD_FILES = (
    *LEVEL_FILES,
    "memory.peak",
    "memory.swap.current",
    "memory.pressure",
    "cpu.pressure",
    "cpu.stat",
    "io.pressure",
    "io.stat",
    "pids.current",
)
_NO_CPU_STAT = CpuStat(None, None, None, None, None)


class Figures:
    """The containers' figures from one read of all cgroups, `texts` by path. What is shared is parsed once."""

    def __init__(self, texts: Mapping[str, Texts]) -> None:
        self._texts = texts
        self._levels: dict[tuple[str, Level], tuple[CgroupLevel, tuple[str, ...]]] = {}

    def of(self, container: FoundContainer) -> ContainerCgroups | None:
        """One container, or None when a cgroup of its has vanished."""
        if any(place.path not in self._texts for place, _ in container.places):
            return None
        levels = [self._level(place, level) for place, level in container.places]
        payload = _Cgroup(container.places[0][0], self._texts)
        use = _use(payload)
        return ContainerCgroups(
            container_id=container.container_id,
            owner_uid=container.owner_uid,
            use=use,
            levels=tuple(level for level, _ in levels),
            unreadable=tuple(dict.fromkeys([*(why for _, problems in levels for why in problems), *payload.problems])),
        )

    def _level(self, place: Place, level: Level) -> tuple[CgroupLevel, tuple[str, ...]]:
        key = (place.path, level)
        if key not in self._levels:
            cgroup = _Cgroup(place, self._texts)
            self._levels[key] = _level(cgroup, place.inode, level), tuple(cgroup.problems)
        return self._levels[key]


class _Cgroup:
    """The texts of one cgroup, and what was wrong with those that were asked for."""

    def __init__(self, place: Place, texts: Mapping[str, Texts]) -> None:
        self.path = printable(place.path)
        self.problems: list[str] = []
        self._texts = texts[place.path]

    def value(self, name: str, parse: Callable[[bytes], T]) -> T | None:
        """What the file says; None when it is not there or could not be read."""
        text = self._texts.found.get(name)
        if text is None:
            if name in self._texts.failures:
                self.problems.append(f"{self.path}/{name}: {self._texts.failures[name]}")
            return None
        try:
            return parse(text)
        except Unreadable as error:
            self.problems.append(f"{self.path}/{name}: {error}")
            return None


def _level(cgroup: _Cgroup, inode: int, level: Level) -> CgroupLevel:
    return CgroupLevel(
        path=cgroup.path,
        inode=inode,
        level=level,
        memory_current_bytes=cgroup.value("memory.current", parse_count),
        memory_inactive_file_bytes=cgroup.value("memory.stat", parse_inactive_file),
        memory_max_bytes=cgroup.value("memory.max", parse_limit),
        memory_high_bytes=cgroup.value("memory.high", parse_limit),
        memory_swap_max_bytes=cgroup.value("memory.swap.max", parse_limit),
        cpu_max_cores=cgroup.value("cpu.max", parse_cpu_max),
        pids_max=cgroup.value("pids.max", parse_limit),
        memory_events=cgroup.value("memory.events", parse_memory_events),
        controllers=cgroup.value("cgroup.controllers", parse_controllers) or (),
    )


def _use(cgroup: _Cgroup) -> PayloadUse:
    cpu = cgroup.value("cpu.stat", parse_cpu_stat) or _NO_CPU_STAT
    io = cgroup.value("io.stat", parse_io_stat)
    return PayloadUse(
        memory_unreclaimable_bytes=cgroup.value("memory.stat", parse_unreclaimable),
        memory_peak_bytes=cgroup.value("memory.peak", parse_count),
        memory_swap_bytes=cgroup.value("memory.swap.current", parse_count),
        cpu_pressure=cgroup.value("cpu.pressure", parse_pressure),
        memory_pressure=cgroup.value("memory.pressure", parse_pressure),
        io_pressure=cgroup.value("io.pressure", parse_pressure),
        cpu_user_seconds=cpu.user_seconds,
        cpu_system_seconds=cpu.system_seconds,
        cpu_throttled_seconds=cpu.throttled_seconds,
        cpu_periods=cpu.periods,
        cpu_throttled_periods=cpu.throttled_periods,
        pids=cgroup.value("pids.current", parse_count),
        io_read_bytes=io.read_bytes if io else None,
        io_written_bytes=io.written_bytes if io else None,
    )


def printable(path: str) -> str:
    """The path as valid text: a user may name a cgroup with any bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
