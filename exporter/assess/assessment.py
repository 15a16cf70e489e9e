"""One snapshot in, one report out: the only function that sees everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.assess.checks.subject import ContainerSubject, HostSubject, Sharers
from exporter.assess.inventory import KnownContainer, known_containers
from exporter.assess.isolation.ids import id_use
from exporter.assess.isolation.networks import networks, own_networks, traffic_by_container
from exporter.assess.isolation.selinux import process_label, type_and_level
from exporter.assess.isolation.sharers import claim_declared, claim_in_force, sharers_of_ids, sharers_of_labels
from exporter.assess.kernel_counts import (
    memory_events_of_the_dead,
    occupants,
    own_memory_events,
    restart_loop,
    restarts,
)
from exporter.assess.limits.drift import declared_limits, limit_drifts
from exporter.assess.limits.memory import judge_memory
from exporter.assess.limits.resources import limits_in_force
from exporter.assess.lives import AWAKE_STATES, lives_after
from exporter.assess.storage.datasets import datasets_of, merged_datasets
from exporter.assess.storage.volumes import (
    AskedSources,
    MountedSources,
    MountedVolume,
    VolumeHolder,
    holder_of,
    volume_reports,
)
from exporter.assess.thresholds import Thresholds
from exporter.assess.waivers import Waiver, waiver_reports, with_waivers
from exporter.facts.cgroup import ContainerCgroups, Level, slice_of
from exporter.facts.counts import Counts
from exporter.facts.life import Life
from exporter.facts.network import Interface
from exporter.facts.process import MountPoint, ProcessTable
from exporter.facts.reading import Absent, Failed, Read, Reading, fresh, last_read, latest
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.facts.storage import Dataset
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume
from exporter.report.collectors import CollectorReport
from exporter.report.container import ContainerReport
from exporter.report.findings import Finding
from exporter.report.host import Report


@dataclass(frozen=True, slots=True)
class Build:
    """What program made the report."""

    product_version: str = ""
    revision: str = ""
    python_version: str = ""
    is_example: bool = False
    max_containers: int = 2000


def assess(snapshot: Snapshot, thresholds: Thresholds, build: Build, waivers: tuple[Waiver, ...] = ()) -> Report:
    """The report of one snapshot."""
    everyone, lives = _everyone(snapshot)
    house = _house(snapshot, thresholds, waivers, everyone, lives)
    # Whoever has no cgroup, or not yet, has freed what podman still names.
    present = tuple(one for one in everyone if one.id not in house.starting or one.cgroups is not None)
    shown = everyone[: build.max_containers]
    storage = latest(snapshot.zfs)
    containers = tuple(_container_report(resident, house) for resident in shown)
    host_findings = _host_findings(snapshot, everyone, waivers)
    judged = {"": host_findings} | {container.name: container.findings for container in containers}
    names = frozenset(resident.name for resident in everyone) if isinstance(snapshot.podman, Read) else None
    return Report(
        taken_at_seconds=snapshot.taken_at_seconds,
        containers=containers,
        collectors=_collector_reports(snapshot),
        datasets=merged_datasets(storage.datasets if storage else (), _quick_datasets(snapshot)),
        pools=storage.pools if storage else (),
        dataset_io=storage.io if storage else (),
        host=latest(snapshot.host),
        gone=_gone(house, everyone, build.max_containers - len(shown)),
        totals=replace(snapshot.totals, containers=()) if snapshot.totals else None,
        checks=(*(check.info for check in CHECKS), *(check.info for check in HOST_CHECKS)),
        host_findings=host_findings,
        id_use=id_use(present, latest(snapshot.host), podman_told=latest(snapshot.podman) is not None),
        networks=networks(present, latest(snapshot.host)),
        waivers=waiver_reports(waivers, judged, names, snapshot.taken_at_seconds),
        thresholds=thresholds.as_pairs(),
        dropped_containers=len(everyone) - len(shown),
        product_version=build.product_version,
        revision=build.revision,
        python_version=build.python_version,
        is_example=build.is_example,
    )


@dataclass(frozen=True, slots=True)
class _House:
    """What the judgement of one container needs to know of all."""

    snapshot: Snapshot
    thresholds: Thresholds
    waivers: tuple[Waiver, ...]
    living: Mapping[str, frozenset[str]]  # cgroup path -> container ids
    names: Mapping[str, str]  # container id -> name
    counts: Mapping[str, Counts]  # name -> what the ledger has counted
    units: Mapping[str, Unit]  # name -> unit, of systemd as it answers now
    quadlets: Mapping[str, tuple[Quadlet, ...]] | None  # container's name -> those that name it, as they are now
    host_mounts: Mapping[str, tuple[MountPoint, ...]]  # device -> mounts of pid 1
    ids_shared_with: Mapping[str, Sharers]  # name -> who has the same
    labels_shared_with: Mapping[str, Sharers]
    lodgers: Mapping[str, VolumeHolder]  # name -> the container as a user of volumes
    mounted: MountedSources
    asked: AskedSources
    datasets: Mapping[str, Dataset] | None  # name -> dataset, of ZFS as it answers now
    volumes: Mapping[tuple[str, str], Volume]  # container id and destination -> what was read of it last
    interfaces: Mapping[str, tuple[Interface, ...]]  # container id -> of its network namespace
    lives: Mapping[str, Life]  # container id -> the life that it lives now
    starting: frozenset[str]  # ids of containers that are not judged yet


def _house(
    snapshot: Snapshot,
    thresholds: Thresholds,
    waivers: tuple[Waiver, ...],
    everyone: tuple[KnownContainer, ...],
    lives: Mapping[str, Life],
) -> _House:
    now_seconds = snapshot.taken_at_seconds
    starting = frozenset(one.id for one in everyone if one.id in lives and lives[one.id].is_starting(now_seconds))
    # What is half made says nothing of its neighbours: only who has begun is held against others.
    settled = tuple(one for one in everyone if one.id not in starting)
    lodgers = {one.name: holder_of(one.name, one.container, one.processes) for one in everyone}
    traffic = fresh(snapshot.traffic)
    return _House(
        snapshot,
        thresholds,
        waivers,
        living=occupants(fresh(snapshot.cgroup) or ()),
        names={resident.id: resident.name for resident in everyone},
        counts={counts.name: counts for counts in snapshot.totals.containers} if snapshot.totals else {},
        units={unit.name: unit for unit in fresh(snapshot.systemd) or ()},
        quadlets=_by_container(fresh(snapshot.quadlet)),
        host_mounts=_by_device(fresh(snapshot.process)),
        **_sharers(snapshot, settled),
        lodgers=lodgers,
        mounted=MountedSources(lodgers[one.name] for one in settled),
        asked=AskedSources(lodgers[one.name] for one in settled),
        datasets=_datasets_now(snapshot),
        volumes={(one.container_id, one.destination): one for one in latest(snapshot.volume) or ()},
        interfaces=traffic_by_container(everyone, traffic or ()),
        lives=lives,
        starting=starting,
    )


def _everyone(snapshot: Snapshot) -> tuple[tuple[KnownContainer, ...], Mapping[str, Life]]:
    """Who lives on the host, and the life of each. A runtime's processes are not the container's: they are left out."""
    everyone = known_containers(snapshot)
    lives = lives_after(None, snapshot, everyone) if snapshot.lives is None else snapshot.lives
    return tuple(replace(one, processes=None) if _is_runtimes(one) else one for one in everyone), lives


def _is_runtimes(resident: KnownContainer) -> bool:
    return resident.processes is not None and resident.processes.is_runtimes


def _quick_datasets(snapshot: Snapshot) -> tuple[Dataset, ...]:
    """Those of the quick clock, unless it has failed and the slow one has read since."""
    slow, quick = last_read(snapshot.zfs), last_read(snapshot.zfs_mounted)
    is_stale = (
        isinstance(snapshot.zfs_mounted, Failed) and slow and quick and slow.read_at_seconds > quick.read_at_seconds
    )
    return quick.value if quick and not is_stale else ()


def _datasets_now(snapshot: Snapshot) -> Mapping[str, Dataset] | None:
    storage, mounted = fresh(snapshot.zfs), fresh(snapshot.zfs_mounted)
    if storage is None and mounted is None:
        return None
    return {one.name: one for one in merged_datasets(storage.datasets if storage else (), mounted or ())}


def _gone(house: _House, everyone: tuple[KnownContainer, ...], room: int) -> tuple[Counts, ...]:
    here = {resident.name for resident in everyone}
    return tuple(counts for name, counts in house.counts.items() if name not in here)[: max(0, room)]


def _container_report(resident: KnownContainer, house: _House) -> ContainerReport:
    if resident.cgroups is not None:
        events = own_memory_events(resident.cgroups, house.living)
    else:
        events = memory_events_of_the_dead(resident.unit, house.snapshot)
    counts = house.counts.get(resident.name)
    # Where totals are kept, a number of now would look like a fall or a rise.
    has_ledger = house.snapshot.totals is not None
    volumes = house.mounted.volumes(house.lodgers[resident.name], house.volumes)
    subject = _subject(resident, house, volumes)
    label = process_label(resident.processes)
    is_starting = resident.id in house.starting
    life = house.lives.get(resident.id)
    return ContainerReport(
        name=resident.name,
        state=resident.state,
        container=resident.container,
        cgroups=resident.cgroups,
        unit=resident.unit,
        id=resident.id,
        slice=_slice_name(resident),
        memory=judge_memory(resident.cgroups, house.thresholds),
        oom_kills=counts.oom_kills if counts else events.oom_kill if events and not has_ledger else None,
        memory_events=events,
        restarts=counts.restarts if counts else None if has_ledger else restarts(resident),
        counts=counts,
        restart_loop=restart_loop(counts, resident.unit, house.snapshot.totals, house.thresholds),
        datasets=datasets_of(resident.processes),
        volumes=volume_reports(volumes, label),
        selinux=type_and_level(label) if all(type_and_level(label)) else None,
        findings=with_waivers(
            resident.name,
            () if is_starting else _findings(subject, is_known=resident.container is not None),
            house.waivers,
            house.snapshot.taken_at_seconds,
        ),
        limits_declared=declared_limits(subject),
        limits_in_force=limits_in_force(resident.cgroups),
        limit_drifts=() if is_starting else limit_drifts(subject),
        networks=own_networks(resident, latest(house.snapshot.host)),
        interfaces=house.interfaces.get(resident.id, ()),
        is_starting=is_starting,
        lacks=life.lacks if life else "",
    )


def _subject(resident: KnownContainer, house: _House, volumes: tuple[MountedVolume, ...] | None) -> ContainerSubject:
    # A source that fails now decides nothing: its last answer names and shows, and never passes a check.
    snapshot = house.snapshot
    processes_now, podman_now = isinstance(snapshot.process, Read), isinstance(snapshot.podman, Read)
    if volumes is not None and not isinstance(snapshot.volume, Read):
        volumes = tuple(replace(volume, facts=None) for volume in volumes)
    neighbours = house.living.get(_slice_path(resident.cgroups), frozenset()) - {resident.id} - house.starting
    return ContainerSubject(
        name=resident.name,
        user=resident.user,
        container=resident.container if podman_now else None,
        processes=resident.processes if processes_now else None,
        cgroups=resident.cgroups,
        unit=resident.unit if isinstance(snapshot.systemd, Read) else None,
        host=fresh(snapshot.host),
        running=resident.state in AWAKE_STATES,
        neighbours_in_slice=tuple(sorted(house.names.get(neighbour, neighbour[:12]) for neighbour in neighbours)),
        slice_unit=house.units.get(_slice_name(resident)),
        host_namespaces=snapshot.process.value.host_namespaces if isinstance(snapshot.process, Read) else (),
        host_mounts=house.host_mounts,
        quadlets=None if house.quadlets is None or resident.user else house.quadlets.get(resident.name, ()),
        ids_shared_with=house.ids_shared_with.get(resident.name, Sharers()),
        label_shared_with=house.labels_shared_with.get(resident.name, Sharers()),
        volumes=volumes if processes_now else None,
        asked_by_others=house.asked.of_others(house.lodgers[resident.name]),
        datasets=house.datasets,
    )


def _sharers(snapshot: Snapshot, everyone: tuple[KnownContainer, ...]) -> dict[str, Mapping[str, Sharers]]:
    """Who has the same ids and labels as whom, of what is in force now and of what podman says now."""
    host = fresh(snapshot.host)
    awake = [one for one in everyone if one.state in AWAKE_STATES]
    in_force = [
        claim_in_force(one.name, one.user, one.container.pod if one.container else "", one.processes.processes)
        for one in awake
        if one.processes and isinstance(snapshot.process, Read)
    ]
    declared = [
        claim_declared(one.name, one.container) for one in awake if one.container and isinstance(snapshot.podman, Read)
    ]
    return {
        "ids_shared_with": _joined(sharers_of_ids(in_force, host), sharers_of_ids(declared, host)),
        "labels_shared_with": _joined(sharers_of_labels(in_force), sharers_of_labels(declared)),
    }


def _joined(in_force: Mapping[str, tuple[str, ...]], declared: Mapping[str, tuple[str, ...]]) -> Mapping[str, Sharers]:
    return {name: Sharers(in_force.get(name, ()), declared.get(name, ())) for name in in_force.keys() | declared.keys()}


def _by_container(quadlets: tuple[Quadlet, ...] | None) -> Mapping[str, tuple[Quadlet, ...]] | None:
    if quadlets is None:
        return None
    found: defaultdict[str, tuple[Quadlet, ...]] = defaultdict(tuple)
    for quadlet in quadlets:
        found[quadlet.container] += (quadlet,)
    return found


def _by_device(table: ProcessTable | None) -> Mapping[str, tuple[MountPoint, ...]]:
    found: defaultdict[str, list[MountPoint]] = defaultdict(list)
    for mount in table.host_mounts if table else ():
        found[mount.device].append(mount)
    return {device: tuple(mounts) for device, mounts in found.items()}


def _findings(subject: ContainerSubject, *, is_known: bool) -> tuple[Finding, ...]:
    return tuple(check.judge(subject) for check in CHECKS if subject.running or (check.judges_stopped and is_known))


def _slice_name(resident: KnownContainer) -> str:
    inside = slice_of(resident.cgroups.levels[0].path) if resident.cgroups and resident.cgroups.levels else ""
    return inside or (resident.unit.slice if resident.unit else "")


def _host_findings(
    snapshot: Snapshot, everyone: tuple[KnownContainer, ...], waivers: tuple[Waiver, ...]
) -> tuple[Finding, ...]:
    subject = HostSubject(
        now_seconds=snapshot.taken_at_seconds,
        host=fresh(snapshot.host),
        storage=snapshot.zfs,
        firewall=snapshot.firewall,
        containers=sum(1 for resident in everyone if not resident.user),
        waivers=waivers,
    )
    findings = tuple(check.judge(subject) for check in HOST_CHECKS)
    return with_waivers("", findings, waivers, snapshot.taken_at_seconds)


def _slice_path(cgroups: ContainerCgroups | None) -> str:
    for level in cgroups.levels if cgroups else ():
        if level.level is Level.SLICE:
            return level.path
    return ""


def _collector_reports(snapshot: Snapshot) -> tuple[CollectorReport, ...]:
    counts = {count.collector: count for count in snapshot.events}
    reports = []
    for field in fields(Snapshot):
        reading = getattr(snapshot, field.name)
        if isinstance(reading, Read | Absent | Failed):
            report = _collector_report(field.name, reading, snapshot.taken_at_seconds)
            count = counts.get(field.name, EventCount(field.name, 0, 0))
            reports.append(replace(report, events=count.seen, events_lost=count.lost))
    return tuple(reports)


def _collector_report(name: str, reading: Reading[object], now_seconds: float) -> CollectorReport:
    match reading:
        case Read():
            return CollectorReport(
                name=name,
                present=True,
                success=not reading.problems,
                duration_seconds=reading.duration_seconds,
                age_seconds=max(0.0, now_seconds - reading.read_at_seconds),
                reason="; ".join(reading.problems),
            )
        case Absent():
            return CollectorReport(name, False, False, reading.duration_seconds, None, reading.reason)
        case Failed():
            age = max(0.0, now_seconds - reading.last.read_at_seconds) if reading.last else None
            return CollectorReport(name, True, False, reading.duration_seconds, age, reading.reason)
