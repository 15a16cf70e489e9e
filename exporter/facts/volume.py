"""What a container's volumes are: file systems that it shares with the host or with its neighbours.

statvfs(3), selinux(8). Of a directory under a project quota (XFS, ext4) statvfs tells the quota's figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.facts.process import MountPoint


@dataclass(frozen=True, slots=True)
class VolumeMounts:
    """Where to look: the volumes among one container's mounts, and a process through whose /proc they are reached."""

    container_id: str
    container: str  # its name, for messages
    pid: int
    mounts: tuple[MountPoint, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """One bind or volume mount of one container. None of the sizes: the file system does not tell (blocks are 0)."""

    container_id: str
    destination: str  # mount point inside the container
    mount_id: int
    filesystem: str  # zfs, ext4, xfs, nfs4, fuse.sshfs
    size_bytes: int | None  # f_blocks
    used_bytes: int | None  # f_blocks - f_bfree
    available_bytes: int | None  # f_bavail: for who is not root
    security_label: str | None  # security.selinux of its root; None: nothing has one there
    is_under_project_quota: bool | None = False  # the sizes are those of a quota of its own; None: not told
