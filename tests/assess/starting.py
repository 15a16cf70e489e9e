"""A container that starts, answer by answer: what each source says of it before, while and after the runtime works."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from exporter.assess.assessment import Build, assess
from exporter.facts.container import IdRange
from exporter.facts.process import Conmon, ContainerProcesses, ProcessTable
from exporter.facts.reading import Read
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import Storage
from exporter.report.container import ContainerReport
from exporter.report.findings import Verdict
from exporter.report.thresholds import Thresholds
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    DATA,
    DATASET,
    HOST_MOUNTS,
    HOST_NAMESPACES,
    ID,
    PROCESS,
    PROCESSES,
    QUADLET,
    SLICE,
    UNIT,
    VOLUME,
)
from tests.assess.snapshots import CONMON, NOW, SNAPSHOT

T = TypeVar("T")

FORMER_ID = "e" * 64
TWIN_ID = "f" * 64

FORMER = replace(CONTAINER, id=FORMER_ID, started_at_seconds=NOW - 3600)
FORMER_PROCESSES = replace(PROCESSES, container_id=FORMER_ID, started_at_seconds=NOW - 3600)
FORMER_CGROUPS = replace(
    CGROUPS,
    container_id=FORMER_ID,
    levels=(
        replace(CGROUPS.levels[0], inode=29, path=CGROUPS.levels[0].path.replace(ID, FORMER_ID)),
        *CGROUPS.levels[1:],
    ),
)
STARTED = replace(CONTAINER, started_at_seconds=NOW)
PAYLOAD = replace(PROCESSES, started_at_seconds=NOW)

# crun's clone, before it has set anything.
CLONE = replace(
    PROCESS,
    comm="crun",
    no_new_privileges=False,
    seccomp_mode=0,
    effective_capabilities=2**41 - 1,
    permitted_capabilities=2**41 - 1,
    bounding_capabilities=2**41 - 1,
    uid_map=(IdRange(0, 0, 2**32 - 1),),
    gid_map=(IdRange(0, 0, 2**32 - 1),),
    security_label="unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
    namespaces=HOST_NAMESPACES,
    has_executed=False,
)
RUNTIME = ContainerProcesses(ID, (CLONE,), (), started_at_seconds=NOW, is_runtimes=True)
UNLIMITED = replace(
    CGROUPS,
    levels=(
        replace(
            CGROUPS.levels[0],
            memory_max_bytes=None,
            memory_swap_max_bytes=None,
            cpu_max_cores=None,
            pids_max=None,
        ),
        *CGROUPS.levels[1:],
    ),
)

# Another container with walls of its own, which nothing of this may touch.
_SLICE = "/services.slice/services-twin.slice"
_LABEL = "system_u:system_r:container_t:s0:c1,c2"
_IDS = (IdRange(0, 2147500000, 1024),)
_MOUNT = replace(DATA, source="tank/containers/twin", device="0:62", mount_id=2000)
TWIN_CGROUPS = replace(
    CGROUPS,
    container_id=TWIN_ID,
    levels=tuple(
        replace(level, inode=level.inode + 100, path=path)
        for level, path in zip(
            CGROUPS.levels[:3],
            (f"{_SLICE}/twin.service/libpod-payload-{TWIN_ID}", f"{_SLICE}/twin.service", _SLICE),
            strict=True,
        )
    ),
)
TWIN = replace(
    CONTAINER,
    id=TWIN_ID,
    name="twin",
    unit="twin.service",
    pid=5001,
    started_at_seconds=NOW - 7200,
    mounts=(replace(CONTAINER.mounts[0], source="/data/containers/twin"),),
    networks=(replace(CONTAINER.networks[0], ip_addresses=("10.10.0.3",), mac_address="02:00:00:00:00:03"),),
    security=replace(CONTAINER.security, selinux_process_label=_LABEL, uid_map=_IDS, gid_map=_IDS),
)
TWIN_PROCESSES = ContainerProcesses(
    TWIN_ID,
    (replace(PROCESS, pid=5001, uid_map=_IDS, gid_map=_IDS, security_label=_LABEL),),
    tuple(_MOUNT if mount is DATA else mount for mount in PROCESSES.mounts),
    started_at_seconds=NOW - 7200,
)
TWIN_UNITS = (
    replace(UNIT, name="twin.service", slice="services-twin.slice"),
    replace(SLICE, name="services-twin.slice"),
)
TWIN_VOLUME = replace(
    VOLUME,
    container_id=TWIN_ID,
    mount_id=2000,
    security_label="system_u:object_r:container_file_t:s0:c1,c2",
)
TWIN_DATASET = replace(DATASET, name="tank/containers/twin", mountpoint="/data/containers/twin")
_TWIN_QUADLET = replace(QUADLET, unit="twin.service", container="twin")
_TWIN_CONMON = Conmon(TWIN_ID, "twin", 5000, 0)


def asked(value: T, at_seconds: float) -> Read[T]:
    """An answer of a source that was asked at this moment."""
    return Read(value, at_seconds + 0.01, 0.01)


def table(*containers: ContainerProcesses, conmon: Conmon = CONMON) -> ProcessTable:
    """What /proc shows, beside the other container's processes."""
    return ProcessTable((TWIN_PROCESSES, *containers), (_TWIN_CONMON, conmon), HOST_NAMESPACES, HOST_MOUNTS)


def before(at_seconds: float) -> Snapshot:
    """The host when the life before this one was alive; every source was asked at this moment."""
    return replace(
        SNAPSHOT,
        taken_at_seconds=at_seconds + 0.1,
        podman=asked((TWIN, FORMER), at_seconds),
        cgroup=asked((TWIN_CGROUPS, FORMER_CGROUPS), at_seconds + 0.02),
        process=asked(table(FORMER_PROCESSES, conmon=replace(CONMON, container_id=FORMER_ID)), at_seconds),
        systemd=asked((*TWIN_UNITS, UNIT, SLICE), at_seconds),
        quadlet=asked((QUADLET, _TWIN_QUADLET), at_seconds),
        zfs=asked(Storage((DATASET, TWIN_DATASET), ()), at_seconds),
        zfs_mounted=asked((DATASET, TWIN_DATASET), at_seconds),
        volume=asked((TWIN_VOLUME, replace(VOLUME, container_id=FORMER_ID)), at_seconds),
    )


def after(at_seconds: float) -> Snapshot:
    """The host once this life has begun; every source was asked at this moment."""
    return replace(
        before(at_seconds),
        podman=asked((TWIN, STARTED), at_seconds),
        cgroup=asked((TWIN_CGROUPS, CGROUPS), at_seconds + 0.02),
        process=asked(table(PAYLOAD), at_seconds),
        volume=asked((TWIN_VOLUME, VOLUME), at_seconds),
    )


def judged(snapshot: Snapshot, name: str = "objects02") -> ContainerReport:
    """What a report says of one container."""
    report = assess(snapshot, Thresholds(), Build())
    return next(one for one in report.containers if one.name == name)


def verdicts(one: ContainerReport) -> dict[str, Verdict]:
    """The verdict of each check that was made."""
    return {finding.check: finding.outcome.verdict for finding in one.findings}


def complaints(one: ContainerReport) -> list[str]:
    """What says of a container that a wall does not stand, or that nobody knows."""
    wrong = {Verdict.FAIL, Verdict.UNKNOWN}
    found = [f"{one.name}: {finding.check}" for finding in one.findings if finding.outcome.verdict in wrong]
    found += [f"{one.name}: drift of {finding.check}" for finding in one.findings if finding.outcome.drift]
    return found + [
        f"{one.name}: limit of {drift.resource}"
        for drift in one.limit_drifts
        if drift.kind == "not_applied" and drift.holds
    ]
