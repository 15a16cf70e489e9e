"""What the judgement of one container needs to know of all containers, indexed once for each report.

A container that has not begun is left out wherever containers are held against each other: what is half made shares
nothing on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.assess.checks.subject import Sharers
from exporter.assess.inventory import KnownContainer
from exporter.assess.isolation.networks import traffic_by_container
from exporter.assess.isolation.sharers import Claim, claim_declared, claim_in_force, sharers_of_ids, sharers_of_labels
from exporter.assess.kernel_counts import occupants_by_path
from exporter.assess.lives import is_running
from exporter.assess.storage.datasets import merged_datasets
from exporter.assess.storage.volumes import AskedSources, MountedSources, VolumeHolder, holder_of
from exporter.facts.counts import Counts
from exporter.facts.life import Life
from exporter.facts.network import Interface
from exporter.facts.process import MountPoint, ProcessTable
from exporter.facts.reading import Read, fresh, latest
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import Dataset
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver


@dataclass(frozen=True, slots=True)
class Overview:
    """All containers of a snapshot, indexed by what the judgement of one of them asks for."""

    snapshot: Snapshot
    thresholds: Thresholds
    waivers: tuple[Waiver, ...]
    occupants: Mapping[str, frozenset[str]]  # cgroup path -> container ids
    names: Mapping[str, str]  # container id -> name
    counts: Mapping[str, Counts]  # name -> what the ledger has counted
    units: Mapping[str, Unit]  # name -> unit, of systemd as it answers now
    quadlets: Mapping[str, tuple[Quadlet, ...]] | None  # container's name -> the quadlets that name it, as they are now
    host_mounts: Mapping[str, tuple[MountPoint, ...]]  # device -> mounts of pid 1
    ids_shared_with: Mapping[str, Sharers]  # name -> containers that have the same ids
    labels_shared_with: Mapping[str, Sharers]
    volume_holders: Mapping[str, VolumeHolder]  # by name
    mounted: MountedSources
    asked: AskedSources
    datasets: Mapping[str, Dataset] | None  # name -> dataset, of ZFS as it answers now
    volumes: Mapping[tuple[str, str], Volume]  # container id and destination -> what was read of it last
    interfaces: Mapping[str, tuple[Interface, ...]]  # container id -> of its network namespace
    lives: Mapping[str, Life]  # container id -> the life that it lives now
    starting: frozenset[str]  # ids of containers that are not judged yet


def overview_of(
    snapshot: Snapshot,
    containers: tuple[KnownContainer, ...],
    lives: Mapping[str, Life],
    thresholds: Thresholds,
    waivers: tuple[Waiver, ...],
) -> Overview:
    """The containers of a snapshot, indexed."""
    now_seconds = snapshot.taken_at_seconds
    starting = frozenset(one.id for one in containers if one.id in lives and lives[one.id].is_starting(now_seconds))
    begun = tuple(one for one in containers if one.id not in starting)
    traffic = fresh(snapshot.traffic)
    holders = {one.name: holder_of(one.name, one.container, one.processes) for one in containers}
    return Overview(
        snapshot,
        thresholds,
        waivers,
        occupants=occupants_by_path(latest(snapshot.cgroup) or ()),
        names={one.id: one.name for one in containers},
        counts={counts.name: counts for counts in snapshot.totals.containers} if snapshot.totals else {},
        units={unit.name: unit for unit in fresh(snapshot.systemd) or ()},
        quadlets=_by_container(fresh(snapshot.quadlet)),
        host_mounts=_by_device(fresh(snapshot.process)),
        **_sharers(snapshot, begun),
        volume_holders=holders,
        mounted=MountedSources(holders[one.name] for one in begun),
        asked=AskedSources(holders[one.name] for one in begun),
        datasets=_datasets_now(snapshot),
        volumes={(one.container_id, one.destination): one for one in latest(snapshot.volume) or ()},
        interfaces=traffic_by_container(containers, traffic or ()),
        lives=lives,
        starting=starting,
    )


def _datasets_now(snapshot: Snapshot) -> Mapping[str, Dataset] | None:
    storage, mounted = fresh(snapshot.zfs), fresh(snapshot.zfs_mounted)
    if storage is None and mounted is None:
        return None
    return {one.name: one for one in merged_datasets(storage.datasets if storage else (), mounted or ())}


def _sharers(snapshot: Snapshot, containers: tuple[KnownContainer, ...]) -> dict[str, Mapping[str, Sharers]]:
    """Which containers share ids and labels: those in force now, and those that podman declares now."""
    host = fresh(snapshot.host)
    awake = [one for one in containers if is_running(one, snapshot)]
    in_force = [
        claim_in_force(one.name, one.user, one.container.pod if one.container else "", one.processes.processes)
        for one in awake
        if one.processes and isinstance(snapshot.process, Read)
    ]
    declared = _declared_by_user(awake) if isinstance(snapshot.podman, Read) else ()
    declared_ids = {name: others for claims in declared for name, others in sharers_of_ids(claims, host).items()}
    declared_labels = {name: others for claims in declared for name, others in sharers_of_labels(claims).items()}
    return {
        "ids_shared_with": _joined(sharers_of_ids(in_force, host), declared_ids),
        "labels_shared_with": _joined(sharers_of_labels(in_force), declared_labels),
    }


def _declared_by_user(containers: Iterable[KnownContainer]) -> tuple[tuple[Claim, ...], ...]:
    """What each podman declares, apart: a user's own may declare anything, and its ids are not the host's."""
    found: defaultdict[str, list[Claim]] = defaultdict(list)
    for one in containers:
        if one.container:
            found[one.user].append(claim_declared(one.name, one.container))
    return tuple(tuple(claims) for claims in found.values())


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
