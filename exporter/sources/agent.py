"""The agent's own process, for the standard series of a process: /proc/self, proc(5).

/proc/self/stat, of one line:

    4242 (bulkhead) S 1 4242 4242 0 -1 4194560 20114 0 0 0 318 74 0 0 20 0 31 0 18234 412815360 13540 ...

/proc/self/limits:

    Limit                     Soft Limit           Hard Limit           Units
    Max open files            65536                65536                files

Looks again: for all of it at each read. The time of the boot is kept, so that a clock that is set gives the process no
other start.
"""

from __future__ import annotations

import os
from pathlib import Path

from exporter.facts.agent import AgentProcess
from exporter.facts.reading import Unreadable

# Their places after the name of the program, which may hold anything: utime is field 14 of proc(5), and the first is 3.
_UTIME, _STIME, _STARTTIME, _VSIZE, _RSS = 11, 12, 19, 20, 21
_OPEN_FILES = b"Max open files"


class AgentSource:
    """Reads the process that asks, below `proc`."""

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._booted_at_seconds: int | None = None

    def read(self) -> AgentProcess | None:
        """The process now; None where /proc does not show it."""
        own = self._proc / "self"
        try:
            if self._booted_at_seconds is None:
                self._booted_at_seconds = parse_boot_seconds((self._proc / "stat").read_bytes())
            return parse_agent(
                (own / "stat").read_bytes(),
                (own / "limits").read_bytes(),
                _open_files(own / "fd"),
                self._booted_at_seconds,
            )
        except (OSError, Unreadable):
            return None


def parse_agent(stat: bytes, limits: bytes, open_files: int, booted_at_seconds: int) -> AgentProcess:
    """The process of these files. Raises Unreadable."""
    fields = stat.rpartition(b") ")[2].split()
    try:
        utime, stime, starttime, vsize, rss = (int(fields[at]) for at in (_UTIME, _STIME, _STARTTIME, _VSIZE, _RSS))
    except (IndexError, ValueError) as error:
        raise Unreadable(f"/proc/self/stat is not as in proc(5): {stat[:60]!r}") from error
    ticks = os.sysconf("SC_CLK_TCK")
    return AgentProcess(
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
