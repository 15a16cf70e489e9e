"""How often the kernel killed for want of memory, in every container's own cgroups and in the slices above them.

https://docs.kernel.org/admin-guide/cgroup-v2.html: memory.events is hierarchical and tells a poll() for POLLPRI of each
change, within milliseconds; memory.events.local is of the cgroup alone. The files stay open: a container
that is killed takes its cgroup with it, and what is open can be read until the very end. As many stay open as there is
room for: slices of root's and root's containers first, then the users' in turn. The others are opened at each read, and
wake nobody.

    memory.events of services-web.slice    max 50 oom 1 oom_kill 1
    memory.events.local                    max 50 oom 1 oom_kill 0: its own limit fired, the victim lived below

Looks again: at each read for each file that was not there, as before a service has passed the memory controller down,
and within the same read when an open file was removed. The next read is never later than the keeper's tick.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from exporter.facts.cgroup import Level, MemoryEvents, owner_uid_of
from exporter.facts.evidence import KillCount, KillCounts
from exporter.facts.owners import CONTAINERS_OF_A_USER, in_turn
from exporter.facts.reading import SourceError
from exporter.sources.cgroup.parse import parse_memory_events
from exporter.sources.cgroup.tree import FoundContainer

_GONE = frozenset({errno.ENOENT, errno.ENODEV, errno.ENOTDIR})
_OWN = frozenset({Level.PAYLOAD, Level.SERVICE})
_TEXT_BYTES = 4096
_MILLISECONDS = 1000
_OF_OPEN_FILES = 4  # half of them are the figures', a quarter is for podman, D-Bus, connections and children
_FILES_OF_A_CGROUP = 2
_SLICES_OF_A_USER = 2 * CONTAINERS_OF_A_USER  # a slice is read for as long as it exists, and may have been left empty


class KillCountSource:
    """Reads the counts of `containers()`, of `slices()` (paths) and of every slice above; one thread's own.

    `open_files_max`: how many files may stay open; None is a quarter of RLIMIT_NOFILE, asked at each read.
    """

    def __init__(
        self,
        root: Path,
        containers: Callable[[], tuple[FoundContainer, ...]],
        slices: Callable[[], frozenset[str]],
        open_files_max: int | None = None,
    ) -> None:
        self._root = root
        self._open_files_max = open_files_max
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

    def wake_no_more(self, descriptor: int) -> None:
        """Forget a descriptor of `wake_on`, before it is closed: its number may be another file's next."""
        self._wakers.pop(descriptor, None)
        with contextlib.suppress(KeyError):
            self._poll.unregister(descriptor)

    def wait(self, timeout_seconds: float) -> bool:
        """Until a count changed or a waker woke, at most so long; whether one did."""
        events = self._poll.poll(timeout_seconds * _MILLISECONDS)
        for descriptor, told in events:
            if told & select.POLLNVAL:
                self._poll.unregister(descriptor)
            elif descriptor in self._wakers:
                self._wakers[descriptor]()
        return bool(events)

    def read(self) -> KillCounts:
        """The counts now: slices first, each before those below it, so that it never seems to have more than they.

        Never raises: what could not be read is in `problems`.
        """
        trouble: dict[str, str] = {}
        counts: dict[tuple[str, int], KillCount] = {}

        def read(path: str, inode: int | None = None, container_id: str = "", *, outermost: bool = True) -> bool:
            try:
                inode = inode or os.stat(f"{self._root}{path}").st_ino  # noqa: PTH116 - surrogates, and one call
                if (path, inode) not in counts:
                    own, local = self._events(path, inode, is_kept=path in kept)
                    fired = local.oom if local else 0
                    counts[path, inode] = KillCount(
                        _printable(path), inode, own.oom_kill, fired, container_id, outermost
                    )
            except OSError as error:
                if error.errno in _GONE:
                    return False
                trouble[_printable(path)] = str(error.strerror)
            except SourceError as error:
                trouble[_printable(path)] = str(error)
            return True

        began_us = time.monotonic_ns() // 1000
        containers = self._containers()
        # Outermost first, of root and of each user.
        asked, _ = in_turn(self._slices_above(containers), owner_uid_of, _SLICES_OF_A_USER)
        kept = self._kept(asked, containers)
        self._close_others({key for key in self._files if key[0] in kept})
        self._slices_before = frozenset([path for path in asked if read(path)])
        crowds = _crowds(containers)
        for container in containers:
            own = [place for place, level in container.places if level in _OWN]
            own = [place for place in own if crowds[place.path] == 1]
            for position, place in enumerate(own, start=1):
                read(place.path, place.inode, container.container_id, outermost=position == len(own))
        self._close_others(set(counts))
        self.problems = tuple(f"{path}/memory.events: {reason}" for path, reason in trouble.items())[:5]
        absent = frozenset([_printable(path) for path in asked if path not in self._slices_before])
        return KillCounts(tuple(counts.values()), frozenset(trouble), absent, began_us)

    def close(self) -> None:
        """Close all files."""
        self._close_others(set())

    def _slices_above(self, containers: Iterable[FoundContainer]) -> Iterator[str]:
        """Every slice above a container, told of, or read before; the outermost first, as far as they exist."""
        paths = {place.path for container in containers for place, _ in container.places[1:]}
        wanted = paths | self._slices_before | {above for path in self._slices() for above in _upwards(path)}
        for path in sorted(wanted, key=lambda path: (path.count("/"), path)):
            if path.endswith(".slice"):
                yield path

    def _kept(self, asked: tuple[str, ...], containers: tuple[FoundContainer, ...]) -> frozenset[str]:
        """The cgroups whose files stay open: with the first of root's, a kill is noticed and given to its container."""
        limit = self._open_files_max
        if limit is None:
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _OF_OPEN_FILES
        places = [place.path for container in containers for place, level in container.places if level in _OWN]
        by_need = dict.fromkeys([*(path for path in asked if not owner_uid_of(path)), *places, *asked])
        return frozenset(islice(by_need, limit // _FILES_OF_A_CGROUP))

    def _events(self, path: str, inode: int, *, is_kept: bool) -> tuple[MemoryEvents, MemoryEvents | None]:
        was_open = (path, inode) in self._files
        try:
            return self._texts_of(path, inode)
        except OSError as error:
            if not was_open or error.errno not in _GONE:
                raise
            # With the memory controller its files go, and come anew when it is back in the same cgroup.
            return self._texts_of(path, inode)
        finally:
            if not is_kept and (path, inode) in self._files:
                self._close(path, inode)

    def _texts_of(self, path: str, inode: int) -> tuple[MemoryEvents, MemoryEvents | None]:
        events, local = self._opened(path, inode)
        try:
            return (
                parse_memory_events(os.pread(events, _TEXT_BYTES, 0)),
                parse_memory_events(os.pread(local, _TEXT_BYTES, 0)) if local is not None else None,
            )
        except OSError:
            self._close(path, inode)
            raise

    def _opened(self, path: str, inode: int) -> tuple[int, int | None]:
        """The two files; the second is of kernel 5.3 and later."""
        events, local = self._files.get((path, inode), (None, None))
        if events is not None and local is not None:
            return events, local
        directory = os.open(f"{self._root}{path}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if os.fstat(directory).st_ino != inode:
                raise OSError(errno.ENOENT, "another cgroup has its name now")
            if events is None:
                events = _open_in(directory, "memory.events")
                with contextlib.suppress(OSError):  # no file of the kernel's: a recorded tree
                    self._poll.register(events, select.POLLPRI)
            with contextlib.suppress(OSError):
                local = _open_in(directory, "memory.events.local")
        finally:
            os.close(directory)
        self._files[path, inode] = events, local
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


def _open_in(directory: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)


def _printable(path: str) -> str:
    """The path as text: whoever may make cgroups may call them what he likes."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


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
