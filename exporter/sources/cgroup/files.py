"""The files of one cgroup, kept open between reads.

Reading a kept-open file with pread(2) at offset 0 makes the kernel write its text anew, and costs a
fraction of open, read, close. A file that was removed, with its cgroup or with its controller,
answers ENODEV for ever, also when the same path comes back: hence the inode, and opening anew.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

_READ_SIZE = 16384  # memory.stat is 2 KiB, io.stat 100 bytes a device
_ALIVE = "cgroup.controllers"  # no controller brings it, so it lives as long as its cgroup
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
        self._controllers: bytes | None = None
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
        """Whether a new one would be no better: the same cgroup and files, none come or gone, open if they may be."""
        same = self.inode == inode and set(names) <= set(self.names)
        return same and not self._stale and self._kept is (open_files_max >= len(self.names))

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
        failures = dict(self._denied)
        for name, descriptor in self._descriptors.items():
            try:
                found[name] = _text(descriptor)
            except OSError as error:
                if error.errno in _REMOVED:
                    self._stale = True
                elif error.errno not in _ABSENT:
                    failures[name] = os.strerror(error.errno or 0)
        if _ALIVE not in found and _ALIVE not in failures:
            raise Vanished(self._directory)
        # A controller that was switched on brought files that were not there to be opened.
        controllers = found.get(_ALIVE)
        self._stale |= self._controllers not in {None, controllers}
        self._controllers = controllers
        return Texts(found, failures)

    def _open(self) -> None:
        self._denied = {}
        try:
            directory = os.open(self._directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Vanished(self._directory) from error
        try:
            if os.fstat(directory).st_ino != self.inode:
                raise Vanished(self._directory)
            for name in self.names:
                self._open_one(directory, name)
        except OSError:
            self.close()
            raise
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
