"""Every volume carries the container's own label: no other container may touch what is in it.

Declared: Z, or z where containers share it on purpose. In force: security.selinux of the volume's root, as it is
seen in the container, against /proc/PID/attr/current. Labels below the root are not read.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    asked,
    asked_of_own,
    failed,
    label_in_force,
    named,
    not_applicable,
    of_another,
    passed,
    promise,
    unknown,
    with_mounts_seen,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.selinux import categories_of, label_kind
from exporter.assess.storage.volumes import MountedVolume, asked_volumes, may_be_relabelled
from exporter.report.container import LabelKind
from exporter.report.findings import Outcome, Severity

_WORDS = {
    LabelKind.FOREIGN: "labelled for another container",
    LabelKind.SHARED: "labelled for other containers too, which nobody asked for",
    LabelKind.UNLABELLED: "labelled for no container",
}


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked of each volume that it would label."""
    if subject.container is None or not subject.container.inspected:
        return unknown("nothing says what was asked for")
    if not categories_of(subject.container.security.selinux_process_label):
        return not_applicable("the container is not confined by a label")
    volumes = [one for one in asked_volumes(subject.container).values() if may_be_relabelled(one)]
    if not volumes:
        return of_another(subject, "mounts") or not_applicable("no volume to label")
    bare = [one.destination for one in volumes if not {"Z", "z"} & set(one.flags)]
    outcome = asked("volumes are labelled", "a volume without Z", stands=not bare, detail=named(bare))
    return asked_of_own(outcome, subject, "mounts")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the label of every volume."""
    label = label_in_force(subject)
    if isinstance(label, Outcome):
        return label
    if subject.volumes is None:
        return unknown("mounts not readable")
    volumes = [one for one in subject.volumes if one.may_be_relabelled]
    outcome = (
        _judged(volumes, label, promised=promise(declared(subject)))
        if volumes
        else not_applicable("no volume to label")
    )
    return with_mounts_seen(outcome, filter(may_be_relabelled, subject.unseen_mounts))


def _judged(volumes: list[MountedVolume], label: str, *, promised: bool | None) -> Outcome:
    wrong, unread = [], []
    for one in volumes:
        kind = label_kind(one.facts.security_label, label) if one.facts else None
        if kind is None:
            unread.append(one.mount.mount_point)
        elif kind is LabelKind.SHARED and one.asked is None and not one.sharers:
            unread.append(f"{one.mount.mount_point}: nothing says whether it is to be shared")
        elif kind is not LabelKind.PRIVATE and not (kind is LabelKind.SHARED and _is_to_be_shared(one)):
            wrong.append(f"{one.mount.mount_point} is {_WORDS[kind]}")
    if wrong:
        return failed("a volume's label is not its container's", named(wrong), drift=promised is True)
    if unread:
        return unknown("a volume's label not readable", named(unread))
    return passed("volumes are labelled", drift=promised is False)


def _is_to_be_shared(volume: MountedVolume) -> bool:
    return bool(volume.sharers) or (volume.asked is not None and "z" in volume.asked.flags)


CHECK = Check(
    id="volumes_labelled_private",
    title="Volumes carry the container's own label",
    severity=Severity.WARNING,
    why="A compromised container that somehow reaches the directory of another one still cannot read or write there.",
    fix_quadlet="Volume=SOURCE:DESTINATION:Z (z, with idmap, only where containers share it)",
    fix_podman="--volume SOURCE:DESTINATION:Z",
    references=("podman-run(1): --volume", "container_selinux(8)"),
    examine=examine,
    declared=declared,
    causes=("--volume", "--mount", "--volumes-from", "[Container]"),
)
