"""One process's directory /proc/PID, held open.

A held directory stays with its process: when the process has ended, its files answer ENOENT or
ESRCH, also when another process has the same pid by then.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Self

from exporter.facts.reading import Unreadable

_CHUNK = 16384
_MAX_BYTES = 4 * 1024 * 1024  # a mount namespace may hold 100,000 mounts; a process must not fill our memory


def age_seconds(start_ticks: int) -> float:
    """How long ago a process with this start time was made."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")


class Gone(Exception):
    """The process has ended."""


class ProcessDirectory:
    """/proc/PID below `proc`, as a context manager. Each method raises Gone, or OSError when denied."""

    def __init__(self, proc: str, pid: int) -> None:
        try:
            self._descriptor = os.open(f"{proc}/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError, NotADirectoryError) as error:
            raise Gone from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def owner_uid(self) -> int:
        """The effective uid of the process, as its directory shows it."""
        return os.fstat(self._descriptor).st_uid

    def text(self, name: str) -> bytes:
        """All of one file, as "status" or "attr/current". Unreadable when it is larger than any honest one."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                chunks, size = [], 0
                while chunk := os.read(descriptor, _CHUNK):
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > _MAX_BYTES:
                        raise Unreadable(f"larger than {_MAX_BYTES} bytes")
            finally:
                os.close(descriptor)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise Gone from error
        return b"".join(chunks)

    def names(self, name: str) -> list[str]:
        """What a directory holds, as "task"."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise Gone from error
        try:
            return os.listdir(descriptor)  # noqa: PTH208 - a path cannot be made of a descriptor
        finally:
            os.close(descriptor)

    def target(self, name: str) -> str:
        """Where one link points, as "ns/net"."""
        try:
            return os.readlink(name, dir_fd=self._descriptor)
        except (FileNotFoundError, ProcessLookupError) as error:
            raise Gone from error
