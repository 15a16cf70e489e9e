"""What a container may fill up is its own: each volume that it writes to is on a file system of its own.

In force: /proc/PID/mountinfo. A ZFS dataset, or a whole file system of another kind, to which no other container
writes, and which is not the host's own (a dataset that is mounted at one of the host's directories). A directory under
a project quota (XFS, ext4) is bounded as a dataset is: it passes if no other container writes to that directory.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, named, not_applicable, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.volumes import NEVER_RELABELLED, MountedVolume
from exporter.facts.storage import Dataset
from exporter.report.findings import Outcome, Severity

_WITH_PROJECTS = frozenset({"ext4", "xfs"})


def examine(subject: ContainerSubject) -> Outcome:
    """Judge where each volume lies that the container may write to."""
    if subject.volumes is None:
        return unknown("mounts not readable")
    written = [one for one in subject.volumes if one.writable and one.is_on_disk]
    if not written:
        return not_applicable("no volume is written to")
    undecided = [one for one in written if _may_be_under_a_quota(one)]
    wrong = [
        f"{one.mount.mount_point} {why}"
        for one in written
        if one not in undecided and (why := _why_not_its_own(one, subject.datasets or {}))
    ]
    if wrong:
        return failed("a volume is on no dataset of its own", named(wrong))
    if undecided:
        return unknown("a volume was not read", named([one.mount.mount_point for one in undecided]))
    return passed("volumes are on datasets of their own")


def _may_be_under_a_quota(volume: MountedVolume) -> bool:
    mount, facts = volume.mount, volume.facts
    is_part = mount.filesystem in _WITH_PROJECTS and mount.root != "/"
    return is_part and (facts is None or facts.is_under_project_quota is None)


def _why_not_its_own(volume: MountedVolume, datasets: Mapping[str, Dataset]) -> str:
    mount, writers = volume.mount, volume.writers
    if mount.filesystem == "zfs":
        dataset = datasets.get(mount.source)
        if dataset is not None and dataset.mountpoint in NEVER_RELABELLED:
            return f"is on the host's own dataset {mount.source}"
    elif volume.facts is not None and volume.facts.is_under_project_quota:
        writers = tuple(one.name for one in volume.sharers if one.writable)
    elif mount.root != "/" or mount.filesystem == "overlay":
        return f"is a part of another file system ({mount.filesystem})"
    return f"is also written to by {', '.join(writers[:3])}" if writers else ""


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
