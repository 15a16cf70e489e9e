"""A directory that containers share is idmapped in each of them.

Declared: the option idmap. In force: the word `idmapped` in /proc/PID/mountinfo. What is written by none of them, and
what the containers of one pod have in common, is not meant: there the ids are the same, or do not matter.
That it is labelled for all of them is what label_not_shared_twice and volumes_labelled_private say.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    asked,
    asked_of_own,
    failed,
    named,
    not_applicable,
    passed,
    unknown,
    with_mounts_seen,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.volumes import MountedVolume, Sharer, asked_volumes
from exporter.report.findings import Outcome, Severity


def _are_shared(*, writable: bool, sharers: Iterable[Sharer]) -> bool:
    others = tuple(sharers)
    return bool(others) and (writable or any(one.writable for one in others))


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked of each source that another container asks for too."""
    if subject.container is None or not subject.container.inspected:
        return unknown("nothing says what was asked for")
    security = subject.container.security
    if security.userns_auto is False and not security.uid_map and security.userns_mode in ("", "host"):
        return not_applicable("its ids are the host's")
    bare = [
        f"{one.source}, with {', '.join(sharer.name for sharer in others[:3])}"
        for one in asked_volumes(subject.container).values()
        if (others := subject.asked_by_others.get(one.source, ()))
        and _are_shared(writable=one.writable, sharers=others)
        and "idmap" not in one.flags
    ]
    outcome = asked(
        "no shared volume without idmap", "a shared volume without idmap", stands=not bare, detail=named(bare)
    )
    return asked_of_own(outcome, subject, "mounts")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the mount of each source that another container mounts too."""
    if subject.volumes is None or subject.processes is None or not subject.processes.processes:
        return unknown("mounts not readable")
    uid_map = subject.processes.processes[0].uid_map
    if not uid_map:
        return unknown("ids of the first process not readable")
    if all(line.inside == line.outside for line in uid_map):
        return not_applicable("its ids are the host's")
    shared = [one for one in subject.volumes if _are_shared(writable=one.writable, sharers=one.sharers)]
    bare = [one for one in shared if not _is_idmapped(one)]
    if bare:
        places = (f"{one.mount.mount_point}, with {', '.join(who.name for who in one.sharers[:3])}" for one in bare)
        return failed("a shared volume is not idmapped", named(places), drift=any(map(_differs, bare)))
    outcome = passed("no shared volume without idmap", drift=any(map(_differs, shared)))
    return with_mounts_seen(outcome, subject.unseen_mounts)


def _is_idmapped(volume: MountedVolume) -> bool:
    return "idmapped" in volume.mount.options


def _differs(volume: MountedVolume) -> bool:
    """Whether what was asked of this volume is not in force, or the other way round."""
    return volume.asked is not None and ("idmap" in volume.asked.flags) is not _is_idmapped(volume)


CHECK = Check(
    id="shared_volumes_idmapped",
    title="Shared volumes are idmapped",
    severity=Severity.WARNING,
    why="Without it containers with private ids can share files only by opening them to everybody on the host.",
    fix_quadlet="Volume=SOURCE:DESTINATION:z,idmap in each container that shares it",
    fix_podman="--volume SOURCE:DESTINATION:z,idmap",
    references=("podman-run(1): --volume", "mount_setattr(2): idmapped mounts"),
    examine=examine,
    declared=declared,
    causes=("--volume", "--mount", "--volumes-from", "[Container]"),
)
