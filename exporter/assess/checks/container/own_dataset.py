"""What a container may fill up is its own: each volume that it writes to is on a file system of its own.

In force: /proc/PID/mountinfo. A ZFS dataset, or a whole file system of another kind, to which no other container
writes, and which is not the host's own (a dataset that is mounted at one of the host's directories). A directory under
a project quota (XFS, ext4) is bounded as a dataset is: it passes if no other container writes to that directory.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, named, not_applicable, passed, unknown, with_mounts_seen
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.volumes import NEVER_RELABELLED, MountedVolume
from exporter.facts.process import MountPoint
from exporter.report.findings import Outcome, Severity

_WITH_PROJECTS = frozenset({"ext4", "xfs"})


def examine(subject: ContainerSubject) -> Outcome:
    """Judge where each volume lies that the container may write to."""
    return with_mounts_seen(_judged(subject), (one for one in subject.unseen_mounts if one.writable))


def _judged(subject: ContainerSubject) -> Outcome:
    if subject.volumes is None:
        return unknown("mounts not readable")
    written = [one for one in subject.volumes if one.writable and one.is_on_disk]
    if not written:
        return not_applicable("no volume is written to")
    wrong, unread = [], []
    for one in written:
        why = _why_not_its_own(one, _points_on_host(subject, one.mount))
        if why is None:
            unread.append(one.mount.mount_point)
        elif why:
            wrong.append(f"{one.mount.mount_point} {why}")
    if wrong:
        return failed("a volume is on no dataset of its own", named(wrong))
    if unread:
        return unknown("a volume was not read", named(unread))
    return passed("volumes are on datasets of their own")


def _points_on_host(subject: ContainerSubject, mount: MountPoint) -> frozenset[str] | None:
    """Where the host has the whole of a dataset, as ZFS or the mounts of pid 1 say; None: neither was read."""
    dataset = (subject.datasets or {}).get(mount.source)
    if dataset is None and not subject.host_mounts:
        return None
    mounted = (one.mount_point for one in subject.host_mounts.get(mount.device, ()) if one.root == "/")
    return frozenset((*mounted, dataset.mountpoint) if dataset else mounted)


def _why_not_its_own(volume: MountedVolume, points_on_host: frozenset[str] | None) -> str | None:
    """Why another may fill it up; "" where none may, None where that was not read."""
    mount, writers = volume.mount, volume.writers
    if mount.filesystem == "zfs":
        if points_on_host and points_on_host & NEVER_RELABELLED:
            return f"is on the host's own dataset {mount.source}"
        if points_on_host is None and not writers:
            return None
    elif _may_be_under_a_quota(volume):
        return None
    elif volume.facts is not None and volume.facts.is_under_project_quota:
        writers = tuple(one.name for one in volume.sharers if one.writable)
    elif mount.root != "/" or mount.filesystem == "overlay":
        return f"is a part of another file system ({mount.filesystem})"
    return f"is also written to by {', '.join(writers[:3])}" if writers else ""


def _may_be_under_a_quota(volume: MountedVolume) -> bool:
    mount, facts = volume.mount, volume.facts
    is_part = mount.filesystem in _WITH_PROJECTS and mount.root != "/"
    return is_part and (facts is None or facts.is_under_project_quota is None)


CHECK = Check(
    id="own_dataset",
    title="Volumes are on datasets of their own",
    severity=Severity.WARNING,
    why="A container that runs away fills its own file system, and neither the host's nor a neighbour's.",
    fix_quadlet="zfs create POOL/CONTAINER, and Volume= with a directory in it",
    fix_podman="zfs create POOL/CONTAINER, and --volume with a directory in it",
    references=("zfs-create(8)",),
    examine=examine,
)
