"""What a container writes to has a quota: the dataset of each volume that it writes to has a quota or a refquota.

In force: zfsprops(7). An ancestor's quota is not enough: what has one together fills up together.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, named, not_applicable, passed, unknown, with_mounts_seen
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the dataset of each volume that the container may write to."""
    return with_mounts_seen(_judged(subject), (one for one in subject.unseen_mounts if one.writable))


def _judged(subject: ContainerSubject) -> Outcome:
    if subject.volumes is None:
        return unknown("mounts not readable")
    written = [one for one in subject.volumes if one.writable and one.mount.filesystem == "zfs"]
    if not written:
        return not_applicable("no dataset is written to")
    if subject.datasets is None:
        return unknown("datasets not readable")
    without, unread = [], []
    for one in written:
        dataset = subject.datasets.get(one.mount.source)
        if dataset is None:
            unread.append(one.mount.source)
        elif not dataset.quota_bytes and not dataset.refquota_bytes:
            without.append(f"{one.mount.mount_point} is on {one.mount.source}")
    if without:
        return failed("a dataset without a quota", named(without))
    if unread:
        return unknown("a dataset not readable", named(unread))
    return passed("datasets have quotas")


CHECK = Check(
    id="dataset_quota",
    title="Datasets of volumes have a quota",
    severity=Severity.WARNING,
    why="Without one a container that runs away fills the pool, and every neighbour stops with it.",
    fix_quadlet="zfs set quota=10G POOL/CONTAINER",
    fix_podman="zfs set quota=10G POOL/CONTAINER",
    references=("zfsprops(7): quota, refquota",),
    examine=examine,
)
