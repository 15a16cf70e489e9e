"""A container cannot write to its image: `/` is mounted read-only.

Declared: HostConfig.ReadonlyRootfs. In force: `ro` of each mount at `/` in /proc/PID/mountinfo, and of each further
mount of the same files.

    6592 6307 0:446 /    /    ro,relatime - overlay overlay rw
    6700 6592 0:446 /usr /mnt rw,relatime - overlay overlay rw        the image once more, and writable

Who was there before something was mounted over `/` stays below it, and who enters later stands on it: each counts.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.process import MountPoint
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked."""
    read_only = subject.container.security.read_only_rootfs if subject.container else None
    return asked("root file system read-only", "root file system writable", stands=read_only)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the root mounts, and every other mount of the image, as the container's first process sees them."""
    promised = promise(declared(subject))
    mounts = subject.processes.mounts if subject.processes else ()
    roots = [mount for mount in mounts if mount.mount_point == "/"]
    if not roots:
        return unknown("mounts not readable")
    # The first is the image's: whatever else is there was mounted over it.
    counting = (mount for mount in mounts if mount.mount_point == "/" or _has_files_of(mount, roots[0]))
    writable = next((mount for mount in counting if "ro" not in mount.options), None)
    if writable is not None:
        shown = f"{writable.mount_point} is {','.join(writable.options)}"
        return failed("root file system writable", shown, drift=promised is True)
    return passed("root file system read-only", drift=promised is False)


def _has_files_of(mount: MountPoint, root: MountPoint) -> bool:
    """Whether it shows files of the root: itself, a part of it, or all around it."""
    inner, outer = f"{mount.root.rstrip('/')}/", f"{root.root.rstrip('/')}/"
    return mount.device == root.device and (inner.startswith(outer) or outer.startswith(inner))


CHECK = Check(
    id="read_only_rootfs",
    title="Root file system is read-only",
    severity=Severity.WARNING,
    why="A compromised process cannot replace the programs of its image, and nothing but volumes keeps state.",
    fix_quadlet="ReadOnly=true",
    fix_podman="--read-only",
    references=("podman-run(1): --read-only", "CIS Docker 5.12"),
    examine=examine,
    declared=declared,
    causes=("--read-only", "[Container]"),
)
