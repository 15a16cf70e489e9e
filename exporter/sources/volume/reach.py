r"""From a mount in a container to its figures, through the container's own mount namespace.

/proc/4001/root            a link into the mount namespace of the process, to its root
/proc/self/fdinfo/7        mnt_id: 1127        the number of the mount that a descriptor is on
/sys/dev/block/7:0/size    131072              of a block device, in sectors of 512 bytes
struct fsxattr             xflags ... projid   FS_IOC_FSGETXATTR of linux/fs.h: of what project a directory is
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.facts.reading import Unreadable

_LABEL_LENGTH_MAX = 4096
_DEPTH_MAX = 256
_MOUNT_ID = re.compile(rb"^mnt_id:\s*([0-9]{1,10})$", re.MULTILINE)
_NO_LABEL = frozenset({errno.ENODATA, errno.EOPNOTSUPP})
_NO_PROJECTS = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS})
_FSGETXATTR = 0x801C581F
_FSXATTR = struct.Struct("=IIIII8x")  # xflags, extsize, nextents, projid, cowextsize
_PROJECT_INHERITS = 0x200
_SECTOR_BYTES = 512
# A file system tells less than its device has, the smaller it is the more: of 64 MiB ext4 keeps an eighth for itself.
_WHOLE_DEVICE = 0.75


class Gone(Exception):
    """There is no such mount any more, or it is hidden below another."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one mount says. None of the sizes: it does not tell."""

    size_bytes: int | None
    used_bytes: int | None
    available_bytes: int | None
    security_label: str | None
    is_under_project_quota: bool | None = False


def read_figures(proc: str, pid: int, mount_point: str, mount_id: int | None) -> Figures:
    """The figures of one mount of the process `pid`. Raises Gone, Unreadable, and OSError as the mount has it."""
    with _opened(proc, pid, mount_point) as descriptor:
        if mount_id is None or mount_id_of(descriptor) != mount_id:
            raise Gone
        space = os.fstatvfs(descriptor)
        label = _label(descriptor)
        quota = is_under_project_quota(descriptor, space.f_blocks * space.f_frsize)
    if not space.f_blocks:
        return Figures(None, None, None, label)
    return Figures(
        size_bytes=space.f_blocks * space.f_frsize,
        used_bytes=(space.f_blocks - space.f_bfree) * space.f_frsize,
        available_bytes=space.f_bavail * space.f_frsize,
        security_label=label,
        is_under_project_quota=quota,
    )


def is_under_project_quota(descriptor: int, size_bytes: int) -> bool | None:
    """Whether `size_bytes` is that of a project quota: what is made here is of a project, and less than the device.

    Without a limit on the project, or without enforcement, the kernel tells the size of the file system. None: it does
    not let us ask.
    """
    status = os.fstat(descriptor)
    try:
        if not stat.S_ISDIR(status.st_mode) or size_bytes >= _WHOLE_DEVICE * _device_bytes(status.st_dev):
            return False
        directory = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return is_of_a_project(fcntl.ioctl(directory, _FSGETXATTR, bytes(_FSXATTR.size)))
        finally:
            os.close(directory)
    except OSError as error:
        return False if error.errno in _NO_PROJECTS else None


def _device_bytes(number: int) -> int:
    """The size of a block device; 0 where a file system is on none, and so is never less than it."""
    try:
        sectors = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/size").read_text()
    except FileNotFoundError:
        return 0
    return int(sectors) * _SECTOR_BYTES


def is_of_a_project(fsxattr: bytes) -> bool:
    """Whether all that is made in a directory is of its project, by the struct fsxattr of that directory."""
    flags, _, _, project, _ = _FSXATTR.unpack(fsxattr)
    return bool(flags & _PROJECT_INHERITS and project)


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
