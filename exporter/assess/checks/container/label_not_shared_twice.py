"""No two containers claim the same source for themselves: Z in one locks the other out.

Declared: Z in a container whose source another one asks for too. In force: the categories of the source's label are
not those of every container that mounts it. The containers of one pod have one label, and are one here.
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
    passed,
    promise,
    unknown,
    with_mounts_seen,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.selinux import categories_of
from exporter.assess.storage.volumes import MountedVolume, asked_volumes
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the Z of each source that another container asks for too."""
    if subject.container is None or not subject.container.inspected:
        return unknown("nothing says what was asked for")
    if not categories_of(subject.container.security.selinux_process_label):
        return not_applicable("the container is not confined by a label")
    twice = [
        f"{one.source}, with {', '.join(sharer.name for sharer in others[:3])}"
        for one in asked_volumes(subject.container).values()
        if (others := subject.asked_by_others.get(one.source, ()))
        and ("Z" in one.flags or any("Z" in sharer.flags for sharer in others))
    ]
    outcome = asked("no shared volume with Z", "a shared volume with Z", stands=not twice, detail=named(twice))
    return asked_of_own(outcome, subject, "mounts")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the label of each source that another container mounts too."""
    label = label_in_force(subject)
    if isinstance(label, Outcome):
        return label
    if subject.volumes is None:
        return unknown("mounts not readable")
    own = categories_of(label)
    promised = promise(declared(subject))
    shared = [one for one in subject.volumes if one.sharers]
    claimed = [one for one in shared if _locks_one_out(one, own)]
    if claimed:
        places = (f"{one.mount.mount_point}, with {', '.join(who.name for who in one.sharers[:3])}" for one in claimed)
        # What a container asked for is not known where another user's podman made it, or podman did not.
        all_asked = all(one.asked and subject.asked_by_others.get(one.asked.source) for one in claimed)
        return failed("a shared volume is one container's", named(places), drift=promised is True and all_asked)
    if unread := [one.mount.mount_point for one in shared if one.facts is None]:
        return unknown("a volume's label not readable", named(unread))
    outcome = passed("no shared volume is one container's", drift=promised is False)
    return with_mounts_seen(outcome, subject.unseen_mounts)


def _locks_one_out(volume: MountedVolume, own: frozenset[int] | None) -> bool:
    label = categories_of(volume.facts.security_label) if volume.facts else None
    sharing = (own, *(sharer.categories for sharer in volume.sharers))
    return bool(label) and any(one is None or not one.issuperset(label or ()) for one in sharing)


CHECK = Check(
    id="label_not_shared_twice",
    title="No shared volume is labelled for one container",
    severity=Severity.WARNING,
    why="Each start of a container with Z takes the volume's label away from the others, which then fail to read it.",
    fix_quadlet="Volume=SOURCE:DESTINATION:z,idmap in each container that shares it, or a source for each",
    fix_podman="--volume SOURCE:DESTINATION:z,idmap",
    references=("podman-run(1): --volume", "container_selinux(8)"),
    examine=examine,
    declared=declared,
    causes=("--volume", "--mount", "--volumes-from", "[Container]"),
)
