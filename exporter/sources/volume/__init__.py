"""Volumes of containers: how large and how full each is, and which SELinux label it carries.

**Names inside a container are hostile, and no name leads out of it.** A volume is reached through /proc/PID/root, one
component of its mount point at a time, and no symbolic link is followed on the way; what is reached counts only if it
is the mount that /proc/PID/mountinfo told of, by the kernel's own number of it (`reach`).

**A mount that hangs costs its own figures and nothing else.** statvfs(3) of a dead network mount or of a FUSE daemon
that does not answer may sleep for ever. Mounts are asked by a worker with a deadline. A worker that is late is left
behind, its device is not asked again until it has come back, and only so many are left behind at all (`workers`).

**A source that many containers share is asked once**, by device and by what of the device is mounted (`source`).

**Project quotas.** For a directory that inherits a project under an enforced quota, XFS (xfs_qm_statvfs) and ext4
(ext4_statfs_project) answer statvfs with the quota's limit as the size and the project's use as what is used: the
figures are then the quota's own, as `df` shows them, and nothing else has to be asked. Seen on Linux 6.12 with a limit
of 16 MiB and 4 MiB written: size 16777216 on both, used 4194304 on XFS and 4195328 on ext4. That they are a quota's is
known from the directory, which is of a project, and from the device, which is larger (`reach`).
"""

from exporter.sources.volume.source import VolumeSource

__all__ = ["VolumeSource"]
