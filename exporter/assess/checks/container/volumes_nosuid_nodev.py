"""No volume brings in programs that change who they run as, or devices.

Declared: nosuid and nodev among the options; podman gives both to named volumes by itself. In force: both words in
/proc/PID/mountinfo. A bind mount inherits them from a source that is mounted so on the host (ZFS: setuid=off,
devices=off), so that they may be in force where nobody asked podman for them.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    asked,
    asked_of_own,
    failed,
    named,
    not_applicable,
    of_another,
    passed,
    promise,
    unknown,
    with_mounts_seen,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.volumes import asked_volumes
from exporter.facts.container import DeclaredMount
from exporter.report.findings import Outcome, Severity

_WANTED = ("nosuid", "nodev")


def _asks_for_both(mount: DeclaredMount) -> bool:
    if mount.kind == "volume":
        return not {"suid", "dev"} & set(mount.flags)
    return set(_WANTED) <= set(mount.flags)


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the options of each volume."""
    if subject.container is None or not subject.container.inspected:
        return unknown("nothing says what was asked for")
    volumes = asked_volumes(subject.container)
    if not volumes:
        return of_another(subject, "mounts") or not_applicable("no volume")
    bare = [destination for destination, one in volumes.items() if not _asks_for_both(one)]
    outcome = asked(
        "volumes are nosuid and nodev", "a volume without nosuid, nodev", stands=not bare, detail=named(bare)
    )
    return asked_of_own(outcome, subject, "mounts")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the mount of each volume."""
    return with_mounts_seen(_judged(subject), subject.unseen_mounts)


def _judged(subject: ContainerSubject) -> Outcome:
    if subject.volumes is None:
        return unknown("mounts not readable")
    if not subject.volumes:
        return not_applicable("no volume")
    wrong = []
    for one in subject.volumes:
        lacking = [word for word in _WANTED if word not in one.mount.options]
        if lacking:
            wrong.append(f"{one.mount.mount_point} is not {' and not '.join(lacking)}")
    if wrong:
        return failed(
            "a volume may hold set-user-id or devices", named(wrong), drift=promise(declared(subject)) is True
        )
    return passed("volumes are nosuid and nodev")


CHECK = Check(
    id="volumes_nosuid_nodev",
    title="Volumes are nosuid and nodev",
    severity=Severity.INFO,
    why="What a container leaves in a volume must not give whoever mounts it next more than it has itself.",
    fix_quadlet="Volume=SOURCE:DESTINATION:rw,Z,nosuid,nodev; or zfs set setuid=off devices=off DATASET",
    fix_podman="--volume SOURCE:DESTINATION:rw,Z,nosuid,nodev",
    references=("podman-run(1): --volume", "mount(8): nosuid, nodev", "zfsprops(7): setuid, devices"),
    examine=examine,
    declared=declared,
    causes=("--volume", "--mount", "--volumes-from", "[Container]"),
)
