"""How often the kernel killed for want of memory, in every container's own cgroups and in the slices above them.

https://docs.kernel.org/admin-guide/cgroup-v2.html: memory.events is hierarchical and tells a poll() for POLLPRI of each
change, within milliseconds; memory.events.local is of the cgroup alone. The files stay open: a container
that is killed takes its cgroup with it, and what is open can be read until the very end.

    memory.events of services-web.slice    max 50 oom 1 oom_kill 1
    memory.events.local                    max 50 oom 1 oom_kill 0: its own limit fired, the victim lived below
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from exporter.facts.cgroup import Level, MemoryEvents
from exporter.facts.evidence import KillCount, KillCounts
from exporter.facts.reading import SourceError
from exporter.sources.cgroup.parse import parse_memory_events
from exporter.sources.cgroup.tree import FoundContainer

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
_TEXT_BYTES = 4096
_MILLISECONDS = 1000


class KillCountSource:
    """Reads the counts of `containers()`, of `slices()` (paths) and of every slice above; one thread's own."""

    def __init__(
        self, root: Path, containers: Callable[[], tuple[FoundContainer, ...]], slices: Callable[[], frozenset[str]]
    ) -> None:
        self._root = root
        self._containers = containers
        self._slices = slices
        self._files: dict[tuple[str, int], tuple[int, int | None]] = {}  # path and inode -> the two files
        self._slices_before: frozenset[str] = frozenset()
        self._poll = select.poll()
        self._wakers: dict[int, Callable[[], None]] = {}
        self.problems: tuple[str, ...] = ()

    def wake_on(self, descriptor: int, drain: Callable[[], None]) -> None:
        """Have `wait` end when this descriptor can be read, too; `drain` empties it."""
        self._poll.register(descriptor, select.POLLIN)
        self._wakers[descriptor] = drain

    def wait(self, timeout_seconds: float) -> bool:
        """Until a count changed or a waker woke, at most so long; whether one did."""
        events = self._poll.poll(timeout_seconds * _MILLISECONDS)
        for descriptor, _ in events:
            if descriptor in self._wakers:
                self._wakers[descriptor]()
        return bool(events)

    def read(self) -> KillCounts:
        """The counts now, children first. Never raises: what could not be read is in `problems`."""
        problems: list[str] = []
        unreadable: set[str] = set()
        counts: list[KillCount] = []
        seen: set[tuple[str, int]] = set()

        def read(path: str, inode: int, container_id: str = "", *, outermost: bool = True) -> None:
            if (path, inode) in seen:
                return
            try:
                own, local = self._events(path, inode)
            except OSError as error:
                if error.errno not in _GONE:
                    unreadable.add(path)
                    problems.append(f"{path}/memory.events: {error.strerror}")
                return
            except SourceError as error:
                unreadable.add(path)
                problems.append(f"{path}/memory.events: {error}")
                return
            seen.add((path, inode))
            counts.append(KillCount(path, inode, own.oom_kill, local.oom if local else 0, container_id, outermost))

        containers = self._containers()
        crowds = _crowds(containers)
        for container in containers:
            own = [place for place, level in container.places if level in {Level.PAYLOAD, Level.SERVICE}]
            own = [place for place in own if crowds[place.path] == 1]
            for position, place in enumerate(own, start=1):
                read(place.path, place.inode, container.container_id, outermost=position == len(own))
        for path, inode in self._slices_above(containers):
            read(path, inode)
        self._close_others(seen)
        self._slices_before = frozenset(count.path for count in counts if count.is_slice)
        self.problems = tuple(problems[:5])
        return KillCounts(tuple(counts), frozenset(unreadable))

    def close(self) -> None:
        """Close all files."""
        self._close_others(set())

    def _slices_above(self, containers: Iterable[FoundContainer]) -> Iterator[tuple[str, int]]:
        """Every slice above a container, told of, or read before; deepest first, as far as they exist."""
        paths = {place.path for container in containers for place, _ in container.places[1:]}
        wanted = paths | self._slices_before | {above for path in self._slices() for above in _upwards(path)}
        for path in sorted(wanted, key=lambda path: (-path.count("/"), path)):
            if path.endswith(".slice"):
                with contextlib.suppress(OSError):
                    yield path, os.stat(f"{self._root}{path}").st_ino  # noqa: PTH116 - surrogates, and one call

    def _events(self, path: str, inode: int) -> tuple[MemoryEvents, MemoryEvents | None]:
        if (path, inode) not in self._files:
            self._files[path, inode] = self._opened(path)
        events, local = self._files[path, inode]
        try:
            return (
                parse_memory_events(os.pread(events, _TEXT_BYTES, 0)),
                parse_memory_events(os.pread(local, _TEXT_BYTES, 0)) if local is not None else None,
            )
        except OSError:
            self._close(path, inode)
            raise

    def _opened(self, path: str) -> tuple[int, int | None]:
        flags = os.O_RDONLY | os.O_CLOEXEC
        events = os.open(f"{self._root}{path}/memory.events", flags)
        local: int | None = None
        with contextlib.suppress(OSError):  # kernel 5.3 and later
            local = os.open(f"{self._root}{path}/memory.events.local", flags)
        with contextlib.suppress(OSError):  # no file of the kernel's: a recorded tree
            self._poll.register(events, select.POLLPRI)
        return events, local

    def _close(self, path: str, inode: int) -> None:
        events, local = self._files.pop((path, inode))
        with contextlib.suppress(KeyError):
            self._poll.unregister(events)
        os.close(events)
        if local is not None:
            os.close(local)

    def _close_others(self, seen: set[tuple[str, int]]) -> None:
        for path, inode in self._files.keys() - seen:
            self._close(path, inode)


def _crowds(containers: Iterable[FoundContainer]) -> dict[str, int]:
    """How many containers live in or below each cgroup."""
    crowds: dict[str, int] = {}
    for container in containers:
        for place, _ in container.places:
            crowds[place.path] = crowds.get(place.path, 0) + 1
    return crowds


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
