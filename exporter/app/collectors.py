"""The one table of sources: how each is built, when it is asked, and what `bulkhead doctor` says of it.

The agent (agent.py), the survey of `bulkhead audit` (one_shot.py), the doctor, and the clocks of the configuration all
follow this table. An entry's name is the field of its reading in facts/snapshot.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from exporter.app import diagnosis
from exporter.app.context import Context
from exporter.app.diagnosis import Amend, Words
from exporter.app.lives import has_starting_processes
from exporter.config import Config
from exporter.facts.evidence import ContainerEvent
from exporter.sources.cgroup import CgroupSource, SliceSource
from exporter.sources.host import HostSource
from exporter.sources.nftables import NftablesSource
from exporter.sources.podman import PodmanSource
from exporter.sources.process import ProcessSource, TrafficSource
from exporter.sources.quadlet import QuadletSource, UnmadeQuadletSource
from exporter.sources.systemd import SystemdSource
from exporter.sources.volume import VolumeSource
from exporter.sources.zfs import MountedDatasetSource, ZfsSource


class Source(Protocol):
    """What every source has. A source that may read a part has `problems` too, a sentence for each part it could not.

    A source with a stream of events has `follow`, `events` and `events_lost`.
    """

    def read(self) -> Any:
        """The facts now. Raises NotHere or Unreadable."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What sources are built on. The cgroup tree and podman are asked directly by others, so they are made first."""

    config: Config
    root: Path
    context: Context
    cgroup: CgroupSource
    podman: PodmanSource


@dataclass(frozen=True, slots=True)
class News:
    """Something new in the answers of these collectors is a reason to ask at once."""

    of: tuple[str, ...]
    about: Callable[[Context], frozenset[Any]]


@dataclass(frozen=True, slots=True)
class Collector:
    """One source."""

    name: str  # of its reading in the snapshot, and of its series
    build: Callable[[Ground], Source]
    interval_seconds: float  # the default of its clock
    deadline_seconds: float  # the agent takes a longer silence for a failure
    words: Words  # doctor: what was found
    remedy: str  # doctor: what to install or grant where it cannot be read
    after: tuple[str, ...] = ()  # collectors whose answers it needs to know whom to ask about
    news: tuple[News, ...] = ()
    wakes: tuple[str, ...] = ()  # collectors that are asked at once at each event of its stream
    is_unfinished: Callable[[Any], bool] = lambda _: False  # an answer after which it is asked again soon
    clock: str = ""  # the name of its clock, if other than its own
    walk: Callable[[Any], None] | None = None  # what its clock does, where the reading is made for each report
    read_again_after: str = ""  # a survey reads it once more when this collector has answered
    patience: int = 1  # how many of the others' deadlines a survey gives it
    amend: Amend = diagnosis.as_it_is  # doctor: what the answers of other collectors add

    @property
    def clock_name(self) -> str:
        """What its clock is called in the configuration, less `_seconds`."""
        return self.clock or self.name


COLLECTORS: tuple[Collector, ...] = (
    Collector(
        "host",
        build=lambda ground: HostSource(ground.root),
        interval_seconds=30,
        deadline_seconds=30,
        words=diagnosis.host_words,
        remedy="mount /proc and /sys, and let this process read them",
    ),
    Collector(
        "cgroup",
        build=lambda ground: ground.cgroup,
        interval_seconds=5,
        deadline_seconds=30,
        clock="cgroup_tree",
        walk=lambda cgroup: cgroup.discover(),
        # The runtime sets limits before the payload runs: figures count from after the payload was seen.
        read_again_after="process",
        words=diagnosis.cgroup_words,
        remedy="run as root, on the host itself and not in a container",
        amend=diagnosis.old_hierarchy,
    ),
    Collector(
        "podman",
        build=lambda ground: ground.podman,
        interval_seconds=60,
        deadline_seconds=150,
        news=(News(("cgroup",), Context.paths),),  # the events of every user's podman do not reach this agent
        wakes=("cgroup", "podman", "process", "systemd"),
        words=diagnosis.podman_words,
        remedy="systemctl enable --now podman.socket, and run as root",
        amend=diagnosis.podmans_not_asked,
    ),
    Collector(
        "process",
        build=lambda ground: ProcessSource(ground.root / "proc", ground.cgroup.members),
        interval_seconds=15,
        deadline_seconds=30,
        after=("cgroup",),
        news=(News(("cgroup",), Context.paths),),
        is_unfinished=has_starting_processes,
        words=diagnosis.process_words,
        remedy="run as root: /proc of other accounts' processes needs CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
        amend=diagnosis.processes_refused,
    ),
    Collector(
        "quadlet",
        build=lambda ground: QuadletSource(ground.root),
        interval_seconds=60,
        deadline_seconds=30,
        news=(News(("podman",), Context.undescribed),),
        words=diagnosis.quadlet_words,
        remedy="run as root",
    ),
    Collector(
        "quadlet_file",
        build=lambda ground: UnmadeQuadletSource(ground.root),
        interval_seconds=60,
        deadline_seconds=30,
        words=diagnosis.unmade_words,
        remedy="run as root",
    ),
    Collector(
        "systemd",
        # systemd sends no signal for `systemctl set-property`: what was read of a unit is never older than a minute.
        build=lambda ground: SystemdSource(
            "unix:path=/run/dbus/system_bus_socket", ground.context.units, timeout_seconds=10, resync_seconds=60
        ),
        interval_seconds=15,
        deadline_seconds=60,
        after=("cgroup", "podman", "quadlet"),
        # A stopped container lives in the slice that its unit names: the unit of a new quadlet is asked about, too.
        news=(News(("podman", "quadlet"), Context.units), News(("cgroup",), Context.paths)),
        wakes=("systemd",),
        words=diagnosis.systemd_words,
        remedy="install dbus, and let this process reach /run/dbus/system_bus_socket",
    ),
    Collector(
        "zfs",
        build=lambda ground: ZfsSource(
            ground.root / "proc/spl/kstat/zfs", leave_out=ground.config.zfs.leave_out, keep=ground.context.datasets
        ),
        interval_seconds=120,
        deadline_seconds=90,
        # It gives up by itself after 40 s a pool, all pools side by side, and what it has read by then counts.
        patience=3,
        words=diagnosis.zfs_words,
        remedy="install zfsutils-linux, and let this process use /dev/zfs",
    ),
    Collector(
        "zfs_mounted",
        build=lambda ground: MountedDatasetSource(ground.context.datasets, ground.root / "proc/spl/kstat/zfs"),
        interval_seconds=15,
        deadline_seconds=60,
        after=("process",),
        news=(News(("process",), Context.datasets),),
        words=diagnosis.mounted_words,
        remedy="install python3-pyzfs, or zfsutils-linux at least",
    ),
    Collector(
        "volume",
        build=lambda ground: VolumeSource(ground.context.volumes, ground.root / "proc"),
        interval_seconds=30,
        deadline_seconds=30,
        after=("podman", "process"),
        news=(News(("process",), Context.mounts),),
        words=diagnosis.volume_words,
        remedy="run as root: /proc/PID/root needs CAP_SYS_PTRACE",
    ),
    Collector(
        "firewall",
        build=lambda _: NftablesSource(),
        interval_seconds=60,
        deadline_seconds=30,
        words=diagnosis.firewall_words,
        remedy="run as root: nft needs CAP_NET_ADMIN",
    ),
    Collector(
        "traffic",
        build=lambda ground: TrafficSource(str(ground.root / "proc"), ground.context.begun_processes),
        interval_seconds=5,
        deadline_seconds=30,
        after=("process",),
        words=diagnosis.traffic_words,
        remedy="run as root: /proc/PID/net of other accounts needs it",
    ),
)

CLOCKS: Mapping[str, float] = {one.clock_name: one.interval_seconds for one in COLLECTORS}
"""How often each source is asked, in seconds, by the name of its clock; the configuration's table [clocks]."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Every source of a host, by the name of its collector, and what joins them."""

    by_name: Mapping[str, Source]
    ground: Ground
    slices: SliceSource

    @property
    def context(self) -> Context:
        """What they may ask of one another."""
        return self.ground.context


def build_sources(
    config: Config,
    root: Path = Path("/"),
    remembered_units: Callable[[], Collection[str]] = tuple,
    hear: Callable[[ContainerEvent], None] = lambda _: None,
) -> Sources:
    """The sources of this host. Nothing is asked yet.

    `remembered_units` are asked about too; `hear` takes each event of podman's stream.
    """
    cgroup = CgroupSource(root / "sys/fs/cgroup")
    context = Context(cgroup.paths, remembered_units)
    ground = Ground(config, root, context, cgroup, PodmanSource(config.podman_sockets, timeout_seconds=20, hear=hear))
    return Sources(
        {collector.name: collector.build(ground) for collector in COLLECTORS},
        ground,
        SliceSource(root / "sys/fs/cgroup", context.empty_slices),
    )


def problems_of(source: Source) -> Callable[[], tuple[str, ...]]:
    """What the source could not read the last time, asked when it has answered."""
    return lambda: getattr(source, "problems", ())


def clock_seconds(config: Config, collector: Collector) -> float:
    """How often the collector is asked by this configuration."""
    return config.clocks.get(collector.clock_name, collector.interval_seconds)
