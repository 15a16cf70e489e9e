"""The files of one cgroup, kept open between reads.

Reading a kept-open file with pread(2) at offset 0 makes the kernel write its text anew, and costs a
fraction of open, read, close. A file that was removed, with its cgroup or with its controller,
answers ENODEV for ever, also when the same path comes back: hence the inode, and opening anew.

Files come after their cgroup: a service passes its controllers down when its payload's cgroup is there already, and
the kernel names a controller in cgroup.controllers before it shows the files of it, one after the other. So what
cgroup.controllers says is compared with what it said when the missing files were last looked for.

Looks again: for the files that were missing, in the same read, when cgroup.controllers has changed, when a file was
removed, while a file is missing that its controller always brings, and once more after each look that found a file.
For all others (no kernel has every file, and a cgroup may switch pressure off) at each walk of the tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass

_READ_SIZE = 16384  # memory.stat is 2 KiB, io.stat 100 bytes a device
_ALIVE = "cgroup.controllers"  # no controller brings it, so it lives as long as its cgroup
_SURE = (
    *("memory.current", "memory.stat", "memory.max", "memory.high", "memory.events"),
    *("cpu.max", "io.stat", "pids.max", "pids.current"),
)
"""Files that every kernel has where their controller is on."""
_REMOVED = frozenset({errno.ENODEV, errno.ENOENT})
# EOPNOTSUPP: pressure files of a kernel with psi=0, or of a cgroup with cgroup.pressure=0.
_ABSENT = frozenset({errno.ENOENT, errno.EOPNOTSUPP})
_TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})


class Vanished(Exception):
    """The cgroup was removed, or another one has its path now."""


@dataclass(frozen=True, slots=True)
class Texts:
    """One read of a cgroup: what its files say, and why those that are there and did not answer did not."""

    found: dict[str, bytes]
    failures: dict[str, str]


class CgroupFiles:
    """The named files of the cgroup in one directory. Not thread-safe: its owner holds a lock.

    `open_files_max` is how many files may stay open; with fewer than it has, each read opens and closes them.
    Raises Vanished when the directory is not there, or is another cgroup than `inode`.
    """

    def __init__(self, directory: str, inode: int, names: tuple[str, ...], open_files_max: int) -> None:
        self.inode = inode
        self.names = (*(name for name in names if name != _ALIVE), _ALIVE)  # last: alive after all the others
        self._directory = directory
        self._stale = False
        self._look_is_due = False
        self._controllers: bytes | None = None  # before the missing files were last looked for
        self._denied: dict[str, str] = {}
        self._descriptors: dict[str, int] = {}
        self._kept = open_files_max >= len(self.names)
        if not self._kept:
            return
        try:
            self._open()
        except OSError as error:
            if error.errno not in _TOO_MANY_FILES:
                raise
            self._kept = False

    @property
    def open_count(self) -> int:
        """How many file descriptors it holds."""
        return len(self._descriptors)

    def serves(self, inode: int, names: tuple[str, ...], open_files_max: int) -> bool:
        """Whether a new one would be no better: the same cgroup and files, none removed, open if they may be."""
        same = self.inode == inode and set(names) <= set(self.names)
        return same and not self._stale and self._kept is (open_files_max >= len(self.names))

    def look_again(self) -> None:
        """Have the next read look for the files that were missing. May be called from any thread."""
        self._look_is_due = True

    def read(self) -> Texts:
        """What each file that is there says now. Raises Vanished; OSError when this process has no file left."""
        if self._kept:
            return self._read()
        try:
            self._open()
            return self._read()
        finally:
            self.close()

    def close(self) -> None:
        """Give the file descriptors back."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors = {}

    def _read(self) -> Texts:
        found: dict[str, bytes] = {}
        failures: dict[str, str] = {}
        self._take(tuple(self._descriptors), found, failures)
        controllers = found.get(_ALIVE, b"")
        if len(self._descriptors) < len(self.names) and (self._look_is_due or self._may_have_more(controllers)):
            self._controllers = controllers
            late = self._look(failures)
            # A removed cgroup loses its files one by one: that it is alive counts when it is read after the others.
            found.pop(_ALIVE, None)
            self._take((*(name for name in late if name != _ALIVE), _ALIVE), found, failures)
        failures |= self._denied
        if _ALIVE not in found and _ALIVE not in failures:
            raise Vanished(self._directory)
        return Texts(found, failures)

    def _take(self, names: Iterable[str], found: dict[str, bytes], failures: dict[str, str]) -> None:
        """Read the named files, as far as they are open."""
        for name in names:
            descriptor = self._descriptors.get(name)
            if descriptor is None:
                continue
            try:
                found[name] = _text(descriptor)
            except OSError as error:
                if error.errno in _REMOVED:
                    os.close(self._descriptors.pop(name))
                    self._stale = self._look_is_due = True
                elif error.errno not in _ABSENT:
                    failures[name] = os.strerror(error.errno or 0)

    def _may_have_more(self, controllers: bytes) -> bool:
        """Whether a file that was missing at the last look may be there now."""
        if controllers != self._controllers:
            return True
        on = controllers.decode(errors="replace").split()
        missing = (name for name in _SURE if name in self.names and name not in self._descriptors)
        return any(name.partition(".")[0] in on for name in missing)

    def _look(self, failures: dict[str, str]) -> tuple[str, ...]:
        """Open the missing files that are there by now, and say which."""
        self._look_is_due = False
        before = frozenset(self._descriptors)
        try:
            self._open_missing()
        except OSError as error:
            if not self._kept or error.errno not in _TOO_MANY_FILES:
                raise
            failures[next(name for name in self.names if name not in before)] = os.strerror(error.errno)
            self._stale = True  # the next walk knows how many files may be open now
        late = tuple(name for name in self._descriptors if name not in before)
        self._look_is_due |= bool(late)
        if _ALIVE in before:
            self._descriptors[_ALIVE] = self._descriptors.pop(_ALIVE)  # last, as in `names`
        return late

    def _open(self) -> None:
        """Open all that is there by now."""
        try:
            self._open_missing()
        except OSError:
            self.close()
            raise

    def _open_missing(self) -> None:
        try:
            directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Vanished(self._directory) from error
        try:
            if os.fstat(directory).st_ino != self.inode:
                raise Vanished(self._directory)
            self._denied = {}
            for name in self.names:
                if name not in self._descriptors:
                    self._open_one(directory, name)
        finally:
            os.close(directory)

    def _open_one(self, directory: int, name: str) -> None:
        try:
            self._descriptors[name] = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except OSError as error:
            if error.errno in _TOO_MANY_FILES:
                raise
            if error.errno not in _ABSENT | _REMOVED:
                self._denied[name] = os.strerror(error.errno or 0)
                self._stale = True  # to be tried again at the next walk


def _text(descriptor: int) -> bytes:
    # One pread writes the whole text at once; a second one at an offset could see another moment.
    size = _READ_SIZE
    while len(text := os.pread(descriptor, size, 0)) == size:
        size *= 4
    return text
