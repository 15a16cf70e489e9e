"""The threads of a process whose walls are not those of its first thread, and the rarest walls among many processes.

    /proc/4001/status              the first thread's: capabilities, NoNewPrivs, Seccomp are each thread's own
    /proc/4001/task/4001, 4007     all threads; each has the files of a process: status, attr/current, ns, ...

capabilities(7), prctl(2), seccomp(2), setns(2): a process may drop everything in its first thread and keep it in
another, and a thread may enter the host's network, or see other mounts, alone. A first thread that has ended alone is a
zombie, and its threads live on.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from exporter.facts.reading import Unreadable
from exporter.sources.process.directory import Gone, ProcessDirectory
from exporter.sources.process.parse import Walls, parse_namespace, parse_security_label, parse_status

# To read a thread costs some 50 us; hostile numbers of threads must not hold up the other containers.
THREADS_MAX = 4096
"""Threads of one container that are looked at."""
DIFFERENT_MAX = 64
"""Threads of one process that are read whole: each has other walls than those before it."""
GLANCES_MAX = 8192
"""Processes of one container that are looked at to find the rarest."""

# setns(2), unshare(2): a thread may change these for itself alone. Its user and pid namespaces are its process's.
_OF_THREADS = ("cgroup", "ipc", "mnt", "net", "uts")

_Seen: TypeAlias = tuple[Walls, str | None, tuple[tuple[str, int], ...]]


def seen_of(walls: Walls, label: str | None, namespaces: Iterable[tuple[str, int]]) -> _Seen:
    """What two threads of a process are compared by."""
    return walls, label, tuple((kind, inode) for kind, inode in namespaces if kind in _OF_THREADS)


def walls_of(directory: ProcessDirectory, below: str = "") -> _Seen:
    """The walls of a process, or of a thread `below` it. Raises Gone, OSError, Unreadable."""
    status = parse_status(directory.text(f"{below}status"))
    try:
        label = parse_security_label(directory.text(f"{below}attr/current"))
    except OSError as error:
        if error.errno != errno.EINVAL:  # no LSM answers
            raise
        label = None
    return seen_of(status.walls, label, _namespaces(directory, below))


def _namespaces(directory: ProcessDirectory, below: str) -> Iterator[tuple[str, int]]:
    for kind in _OF_THREADS:
        try:
            yield kind, parse_namespace(directory.target(f"{below}ns/{kind}"))
        except Gone:
            continue  # the kernel has no such kind


def differing_threads(
    directory: ProcessDirectory, pid: int, first: _Seen | None, limit: int
) -> tuple[list[int], int, int]:
    """Ids of threads with walls that no thread before them has, how many were looked at, and how many were not.

    `first` are the walls of the first thread; None: it has ended. Raises Gone, OSError.
    """
    seen = set() if first is None else {first}
    others = [number for number in _thread_ids(directory) if number != pid]
    different = []
    for number in others[:limit]:
        try:
            walls = walls_of(directory, f"task/{number}/")
        except Gone:
            continue
        except (OSError, Unreadable):
            different.append(number)  # to read it whole says what is wrong with it
            continue
        if walls not in seen:
            seen.add(walls)
            different.append(number)
    looked_at = min(len(others), limit)
    beyond = len(others) - looked_at + max(0, len(different) - DIFFERENT_MAX)
    return different[:DIFFERENT_MAX], looked_at, beyond


def _thread_ids(directory: ProcessDirectory) -> Iterator[int]:
    return (int(name) for name in directory.names("task") if name.isdecimal())


def rarest_first(proc: str, pids: list[int]) -> list[int]:
    """The same processes, those with the walls that the fewest have before all others, but for the first one.

    So that no number of harmless processes hides a process that is not.
    """
    walls: dict[int, Walls | None] = {}
    for pid in pids[:GLANCES_MAX]:
        try:
            with ProcessDirectory(proc, pid) as directory:
                walls[pid] = parse_status(directory.text("status")).walls
        except (Gone, OSError, Unreadable):
            walls[pid] = None
    counts = Counter(walls.values())
    most = len(pids) + 1
    first, rest = pids[:1], pids[1:]
    return first + sorted(rest, key=lambda pid: counts[walls[pid]] if pid in walls else most)
