"""The agent's own processes, for the standard series of a process: /proc/self and /proc/PID, proc(5).

/proc/self/stat, of one line:

    4242 (bulkhead) S 1 4242 4242 0 -1 4194560 20114 0 0 0 318 74 0 0 20 0 31 0 18234 412815360 13540 ...

/proc/self/limits:

    Limit                     Soft Limit           Hard Limit           Units
    Max open files            65536                65536                files

Looks again: for all of it at each read. The time of the boot is kept, so that a clock that is set gives the process no
other start.

The collector reads the front's files as well, by the pid that the kernel gave for the front's end of the link: what a
front says of itself would be worth nothing once it is taken over.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.facts.agent import AgentProcess
from exporter.facts.reading import Unreadable

# Their places after the name of the program, which may hold anything: utime is field 14 of proc(5), and the first is 3.
_UTIME, _STIME, _STARTTIME, _VSIZE, _RSS = 11, 12, 19, 20, 21
_OPEN_FILES = b"Max open files"


@dataclass(frozen=True, slots=True)
class FrontProcess:
    """The front, as the kernel named it at the other end of the link."""

    pid: int
    uid: int


class AgentSource:
    """Reads the process that asks, as `name`, and the front, if there is one and it was met; both below `proc`."""

    def __init__(
        self, proc: Path, name: str = "agent", front: Callable[[], FrontProcess | None] = lambda: None
    ) -> None:
        self._proc = proc
        self._name = name
        self._front = front
        self._booted_at_seconds: int | None = None

    def read(self) -> tuple[AgentProcess, ...]:
        """The processes now, without those that /proc does not show."""
        found = [self._process(self._name, "self")]
        if (front := self._front()) is not None:
            found.append(self._process("front", str(front.pid), front.uid))
        return tuple(filter(None, found))

    def _process(self, name: str, entry: str, uid: int | None = None) -> AgentProcess | None:
        place = self._proc / entry
        try:
            if self._booted_at_seconds is None:
                self._booted_at_seconds = parse_boot_seconds((self._proc / "stat").read_bytes())
            if uid is not None and place.stat().st_uid != uid:
                return None  # the front has ended, and its pid is another process'
            return parse_agent(
                name,
                (place / "stat").read_bytes(),
                (place / "limits").read_bytes(),
                _open_files(place / "fd"),
                self._booted_at_seconds,
            )
        except (OSError, Unreadable):
            return None


def parse_agent(name: str, stat: bytes, limits: bytes, open_files: int, booted_at_seconds: int) -> AgentProcess:
    """The process of these files. Raises Unreadable."""
    fields = stat.rpartition(b") ")[2].split()
    try:
        utime, stime, starttime, vsize, rss = (int(fields[at]) for at in (_UTIME, _STIME, _STARTTIME, _VSIZE, _RSS))
    except (IndexError, ValueError) as error:
        raise Unreadable(f"the stat of {name} is not as in proc(5): {stat[:60]!r}") from error
    ticks = os.sysconf("SC_CLK_TCK")
    return AgentProcess(
        name=name,
        cpu_seconds=(utime + stime) / ticks,
        resident_memory_bytes=rss * os.sysconf("SC_PAGE_SIZE"),
        virtual_memory_bytes=vsize,
        start_time_seconds=booted_at_seconds + starttime / ticks,
        open_files=open_files,
        open_files_max=_open_files_max(limits),
    )


def parse_boot_seconds(stat: bytes) -> int:
    """The unix time of the boot, btime of /proc/stat. Raises Unreadable."""
    for line in stat.split(b"\n"):
        match line.split():
            case [b"btime", seconds] if seconds.isdigit():
                return int(seconds)
            case _:
                pass
    raise Unreadable("/proc/stat has no btime")


def _open_files_max(limits: bytes) -> int | None:
    for line in limits.split(b"\n"):
        if line.startswith(_OPEN_FILES):
            soft = line.removeprefix(_OPEN_FILES).split()[:1]
            return int(soft[0]) if soft and soft[0].isdigit() else None
    return None


def _open_files(directory: Path) -> int:
    # Since Linux 6.2 the size of the directory is their number; to list tens of thousands takes some 10 ms.
    return directory.stat().st_size or sum(1 for _ in directory.iterdir()) - 1  # less the descriptor that lists
