"""Composition: builds the real sources from the configuration, and the agent from the sources."""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from exporter import __version__
from exporter.app.alerts import HostAlerts
from exporter.app.ledger import HostLedger, Neighbours
from exporter.app.lives import following_lives, has_starting_processes, logging_overdue_starts
from exporter.assess.host import Build, assess
from exporter.assess.report import Report, WaiverReport, WaiverState
from exporter.assess.storage import mounted_datasets
from exporter.assess.volumes import volumes_of
from exporter.config import Config
from exporter.facts.cgroup import ContainerCgroups, slice_of, unit_of
from exporter.facts.container import Container, full_name
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Failed, Read, Reading
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.facts.storage import Dataset
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume, VolumeMounts
from exporter.runtime.agent import Agent
from exporter.runtime.poller import Clock, Poller, no_problems, read_once
from exporter.sources.cgroup import CgroupSource, SliceSource
from exporter.sources.example import ExampleHost, load_recording
from exporter.sources.host import HostSource
from exporter.sources.nftables import NftablesSource
from exporter.sources.podman import PodmanSocket, PodmanSource
from exporter.sources.process import ProcessSource, TrafficSource
from exporter.sources.quadlet import QuadletSource
from exporter.sources.systemd import SystemdSource
from exporter.sources.volume import VolumeSource
from exporter.sources.zfs import MountedDatasetSource, ZfsSource

log = logging.getLogger("bulkhead")


T = TypeVar("T")

ZFS_DEADLINES = 3
"""How many times the others' deadline ZFS is given by those who ask once: it gives up by itself after 40 s a pool, side
by side, and what it has read by then counts."""


@dataclass(slots=True)
class Interest:
    """What the sources learn from one another: which units and datasets are worth asking about."""

    containers: Callable[[], tuple[Container, ...]] = tuple
    cgroup_paths: Callable[[], tuple[str, ...]] = tuple
    quadlets: Callable[[], tuple[Quadlet, ...]] = tuple
    processes: Callable[[], ProcessTable | None] = lambda: None
    unit_facts: Callable[[], tuple[Unit, ...]] = tuple
    remembered_units: Callable[[], Collection[str]] = tuple

    def units(self) -> frozenset[str]:
        """Every service and slice that a container of root's lives in, or is expected in."""
        paths = [path for path in self.cgroup_paths() if "/user.slice/" not in path]
        names = {unit_of(path) for path in paths} | {slice_of(path) for path in paths}
        names |= {container.unit for container in self.containers() if not container.user}
        names |= {quadlet.unit for quadlet in self.quadlets()}
        # Where one lives that is between two lives, and that no quadlet describes.
        names |= set(self.remembered_units())
        return frozenset(name for name in names if name and not name.startswith("libpod-"))

    def empty_slices(self) -> frozenset[str]:
        """Slices of units whose container is not alive now."""
        alive = {slice_of(path) for path in self.cgroup_paths()}
        return (
            frozenset(unit.slice for unit in self.unit_facts() if unit.slice and unit.name.endswith(".service")) - alive
        )

    def paths(self) -> frozenset[str]:
        """Paths of every container's cgroups."""
        return frozenset(self.cgroup_paths())

    def process_table(self) -> ProcessTable | None:
        """Every container's processes, as they were last read; not those of runtimes, which see the host's network."""
        table = self.processes()
        begun = tuple(one for one in table.containers if not one.is_runtimes) if table else ()
        return replace(table, containers=begun) if table else None

    def undescribed(self) -> frozenset[str]:
        """Ids of containers that no quadlet names: a new one may have a new quadlet."""
        described = {quadlet.container for quadlet in self.quadlets()}
        return frozenset(one.id for one in self.containers() if not one.user and one.name not in described)

    def datasets(self) -> frozenset[str]:
        """Every dataset that a container mounts."""
        return mounted_datasets(self.processes())

    def mounts(self) -> frozenset[tuple[str, int | None]]:
        """Every mount of a volume: container and mount id."""
        return frozenset((wanted.container_id, mount.mount_id) for wanted in self.volumes() for mount in wanted.mounts)

    def volumes(self) -> tuple[VolumeMounts, ...]:
        """Every volume of every container that runs."""
        table = self.processes()
        known = {container.id: container for container in self.containers()}
        found = []
        for one in table.containers if table else ():
            container = known.get(one.container_id)
            mounts = volumes_of(container, one)
            if mounts and one.processes:
                name = full_name(container.user, container.name) if container else one.container_id[:12]
                found.append(VolumeMounts(one.container_id, name, one.processes[0].pid, mounts))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Sources:
    """Every source of a real host."""

    podman: PodmanSource
    cgroup: CgroupSource
    slices: SliceSource
    process: ProcessSource
    systemd: SystemdSource
    quadlet: QuadletSource
    zfs: ZfsSource
    zfs_mounted: MountedDatasetSource
    volume: VolumeSource
    host: HostSource
    firewall: NftablesSource
    traffic: TrafficSource
    interest: Interest


def build_sources(config: Config, root: Path = Path("/")) -> Sources:
    """The sources of this host, joined through what they may ask of one another."""
    interest = Interest()
    cgroup = CgroupSource(root / "sys/fs/cgroup")
    sockets = tuple(PodmanSocket(socket.url, socket.user) for socket in config.podman_sockets)
    return Sources(
        podman=PodmanSource(sockets, timeout_seconds=20),
        cgroup=cgroup,
        slices=SliceSource(root / "sys/fs/cgroup", interest.empty_slices),
        process=ProcessSource(root / "proc", cgroup.members),
        # `systemctl set-property` is told by no signal: what was asked of a unit is never older than a minute.
        systemd=SystemdSource(
            "unix:path=/run/dbus/system_bus_socket", interest.units, timeout_seconds=10, resync_seconds=60
        ),
        quadlet=QuadletSource(root),
        zfs=ZfsSource(root / "proc/spl/kstat/zfs", leave_out=config.zfs.leave_out, keep=interest.datasets),
        zfs_mounted=MountedDatasetSource(interest.datasets, root / "proc/spl/kstat/zfs"),
        volume=VolumeSource(interest.volumes, root / "proc"),
        host=HostSource(root),
        firewall=NftablesSource(),
        traffic=TrafficSource(str(root / "proc"), interest.process_table),
        interest=interest,
    )


def build_agent(config: Config, root: Path = Path("/")) -> Agent:
    """The agent of this host, ready to start."""
    sources = build_sources(config, root)
    clocks = config.clocks

    podman = Poller("podman", sources.podman.read, Clock(clocks.podman_seconds, 150), lambda: sources.podman.problems)
    process = Poller(
        "process", sources.process.read, Clock(clocks.process_seconds, 30), is_unfinished=has_starting_processes
    )
    systemd = Poller("systemd", sources.systemd.read, Clock(clocks.systemd_seconds, 60))
    quadlet = Poller(
        "quadlet", sources.quadlet.read, Clock(clocks.quadlet_seconds, 30), lambda: sources.quadlet.problems
    )
    zfs = Poller("zfs", sources.zfs.read, Clock(clocks.zfs_seconds, 90), lambda: sources.zfs.problems)
    zfs_mounted = Poller(
        "zfs_mounted",
        sources.zfs_mounted.read,
        Clock(clocks.zfs_mounted_seconds, 60),
        lambda: sources.zfs_mounted.problems,
    )
    volume = Poller("volume", sources.volume.read, Clock(clocks.volume_seconds, 30), lambda: sources.volume.problems)
    host = Poller("host", sources.host.read, Clock(clocks.host_seconds, 30))
    firewall = Poller("firewall", sources.firewall.read, Clock(clocks.firewall_seconds, 30))
    traffic = Poller(
        "traffic", sources.traffic.read, Clock(clocks.traffic_seconds, 30), lambda: sources.traffic.problems
    )
    tree = Poller("cgroup_tree", sources.cgroup.discover, Clock(clocks.cgroup_tree_seconds, 30))

    sources.interest.containers = lambda: podman.value() or ()
    sources.interest.quadlets = lambda: quadlet.value() or ()
    sources.interest.cgroup_paths = sources.cgroup.paths
    sources.interest.processes = process.value
    sources.interest.unit_facts = lambda: systemd.value() or ()

    build = build_of(config)
    neighbours = Neighbours(podman, process, systemd, quadlet, host, tree)
    books = HostLedger(config, root, sources.cgroup, sources.podman, neighbours)
    sources.interest.remembered_units = lambda: books.ledger.units().values()
    cgroup_before: Reading[tuple[ContainerCgroups, ...]] = Failed("has not answered yet", 0.0)

    def snapshot() -> Snapshot:
        nonlocal cgroup_before
        empty_slices = sources.slices.read()
        cgroup_before = read_once(sources.cgroup.read, no_problems, cgroup_before)
        cgroup_before = _with_problems(cgroup_before, (*_trouble_of_walks(tree), *sources.slices.problems))
        return Snapshot(
            taken_at_seconds=time.time(),
            podman=podman.reading(),
            cgroup=cgroup_before,
            process=process.reading(),
            systemd=systemd.reading(),
            quadlet=quadlet.reading(),
            zfs=zfs.reading(),
            zfs_mounted=zfs_mounted.reading(),
            host=host.reading(),
            events=(
                EventCount("podman", sources.podman.events, sources.podman.events_lost),
                EventCount("systemd", sources.systemd.events, sources.systemd.events_lost),
                *books.event_counts(),
            ),
            empty_slices=empty_slices,
            totals=books.ledger.totals(),
            journal=books.journal_reading(),
            kernel_log=books.kernel_log_reading(),
            audit_log=books.audit_log_reading(),
            ledger=books.ledger_reading(),
            firewall=firewall.reading(),
            volume=volume.reading(),
            traffic=traffic.reading(),
        )

    def containers_changed() -> None:
        for poller in (tree, podman, process, systemd):
            poller.poke()

    _look_when_new(sources.interest, neighbours, volume, zfs_mounted)
    taken = following_lives(snapshot)
    judged = logging_overdue_starts(lambda: assess(taken(), config.thresholds, build, config.waivers))
    make_report = telling_waivers(judged)
    followers = [
        lambda stop: sources.podman.follow(containers_changed, stop),
        lambda stop: sources.systemd.follow(systemd.poke, stop),
        books.journal.follow,
        books.audit_log.follow,
        books.keeper.run,
    ]
    alerts = HostAlerts(config, make_report) if config.alertmanagers else None
    if alerts is not None:
        books.keeper.on_totals = alerts.notifier.see_totals
        followers += [alerts.notifier.run, lambda stop: alerts.follow(agent, stop)]
        systemd.on_answer = alerts.poke
        process.on_answer = _each(process.on_answer, alerts.poke)
    agent = Agent(
        pollers=(host, tree, quadlet, podman, process, systemd, zfs_mounted, zfs, firewall, volume, traffic),
        followers=tuple(followers),
        make_report=alerts.make_report if alerts is not None else make_report,
    )
    return agent


def _look_when_new(
    interest: Interest, near: Neighbours, volume: Poller[tuple[Volume, ...]], zfs_mounted: Poller[tuple[Dataset, ...]]
) -> None:
    """Have each source read when another has found something new for it to ask about.

    An event pokes all at once, and each asks about what it knew then: a container that has just started would be
    unknown until the clock of each comes round.
    """
    # A container that is not alive has the slice that its unit names: for a new quadlet, too, the unit is asked.
    see_units = poking_when_new(near.systemd, interest.units)
    near.quadlet.on_answer = see_units
    near.podman.on_answer = _each(see_units, poking_when_new(near.quadlet, interest.undescribed))
    # What starts is walked to first: only then its processes and its slice can be asked about. Nor do the events of
    # every user's podman reach this agent.
    near.tree.on_answer = _each(
        poking_when_new(near.process, interest.paths),
        poking_when_new(near.systemd, interest.paths),
        poking_when_new(near.podman, interest.paths),
    )
    near.process.on_answer = _each(
        poking_when_new(volume, interest.mounts), poking_when_new(zfs_mounted, interest.datasets)
    )


def _each(*calls: Callable[[], None]) -> Callable[[], None]:
    def call_all() -> None:
        for call in calls:
            call()

    return call_all


def _trouble_of_walks(tree: Poller[None]) -> tuple[str, ...]:
    """Why new containers may not be among those that are read: their files answer, and nobody finds more of them."""
    match tree.reading():
        case Failed(reason=reason) if tree.answered():
            return (f"new containers are not found: {reason}",)
        case _:
            return ()


def _with_problems(
    reading: Reading[tuple[ContainerCgroups, ...]], others: tuple[str, ...]
) -> Reading[tuple[ContainerCgroups, ...]]:
    if not isinstance(reading, Read):
        return reading
    of_files = tuple(reason for tree in reading.value for reason in tree.unreadable)
    return replace(reading, problems=(*others, *of_files)[:5])


def poking_when_new(poller: Poller[T], known: Callable[[], frozenset[object]]) -> Callable[[], None]:
    """Has `poller` ask at once when something else is `known` than the last time."""
    before: frozenset[object] = frozenset()

    def see() -> None:
        nonlocal before
        now = known()
        if now != before:
            before = now
            poller.poke()

    return see


def build_example_agent(config: Config) -> Agent:
    """The agent of the embedded example host: other facts, the same judgement and pages."""
    example = ExampleHost(load_recording(), time.time())
    build = replace(build_of(config), is_example=True)
    return Agent((), (), lambda: assess(example.snapshot(time.time()), config.thresholds, build, config.waivers))


def build_of(config: Config) -> Build:
    """This program, and how much of a host it shows."""
    return Build(
        product_version=__version__,
        python_version=platform.python_version(),
        max_containers=config.series.max_containers,
    )


_TOLD = {
    WaiverState.EXPIRED: "a waiver has expired: mend the failure or set another date",
    WaiverState.UNMATCHED: "a waiver matches no container",
}


def telling_waivers(make_report: Callable[[], Report]) -> Callable[[], Report]:
    """Logs each waiver that has expired or matches nothing, once each time that this begins."""
    told: frozenset[WaiverReport] = frozenset()

    def report() -> Report:
        nonlocal told
        made = make_report()
        ailing = [one for one in made.waivers if one.state in _TOLD]
        for waiver in ailing:
            if waiver not in told:
                subject = {"container": waiver.container or "the host", "check": waiver.check, "reason": waiver.reason}
                log.warning(_TOLD[waiver.state], extra=subject)
        told = frozenset(ailing)
        return made

    return report
