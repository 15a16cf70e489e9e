r"""From a mount in a container to its figures, through the container's own mount namespace.

/proc/4001/root            a link into the mount namespace of the process, to its root
/proc/self/fdinfo/7        mnt_id: 1127        the number of the mount that a descriptor is on
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.facts.reading import Unreadable

_LABEL_LENGTH_MAX = 4096
_DEPTH_MAX = 256
_MOUNT_ID = re.compile(rb"^mnt_id:\s*([0-9]{1,10})$", re.MULTILINE)
_NO_LABEL = frozenset({errno.ENODATA, errno.EOPNOTSUPP})


class Gone(Exception):
    """There is no such mount any more, or it is hidden below another."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one mount says. None of the sizes: it does not tell."""

    size_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    security_label: str | None


def read_figures(proc: str, pid: int, mount_point: str, mount_id: int | None) -> Figures:
    """The figures of one mount of the process `pid`. Raises Gone, Unreadable, and OSError as the mount has it."""
    with _opened(proc, pid, mount_point) as descriptor:
        if mount_id is None or mount_id_of(descriptor) != mount_id:
            raise Gone
        space = os.fstatvfs(descriptor)
        label = _label(descriptor)
    if not space.f_blocks:
        return Figures(None, None, None, label)
    return Figures(
        size_bytes=space.f_blocks * space.f_frsize,
        used_bytes=(space.f_blocks - space.f_bfree) * space.f_frsize,
        available_bytes=space.f_bavail * space.f_frsize,
        security_label=label,
    )


def mount_id_of(descriptor: int) -> int:
    """The kernel's number of the mount that `descriptor` is on."""
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:  # noqa: PTH123 - no path of the host's
        found = _MOUNT_ID.search(file.read(_LABEL_LENGTH_MAX))
    if not found:
        raise Unreadable("this kernel does not tell the mount of a descriptor: Linux 3.15 is needed")
    return int(found[1])


@contextlib.contextmanager
def _opened(proc: str, pid: int, mount_point: str) -> Iterator[int]:
    """A descriptor that can neither read nor write, of what lies at `mount_point` of the process."""
    names = [name for name in mount_point.split("/") if name]
    if len(names) > _DEPTH_MAX or ".." in names:
        raise Unreadable("its path is not one that the kernel writes")
    try:
        descriptor = os.open(f"{proc}/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                # A mount point as the kernel tells it has no link in it: one that is there now was put there since.
                below = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError) as error:
        raise Gone from error


def _label(descriptor: int) -> str | None:
    """security.selinux; where SELinux is on, the kernel answers for every file system and asks none."""
    try:
        # An attribute of a descriptor that can only point is read through its link in /proc.
        raw = os.getxattr(f"/proc/self/fd/{descriptor}", "security.selinux")
    except OSError as error:
        if error.errno in _NO_LABEL:
            return None
        raise
    return raw.split(b"\0", 1)[0][:_LABEL_LENGTH_MAX].decode("utf-8", "replace") or None
