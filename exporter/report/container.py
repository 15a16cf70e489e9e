"""What is known and judged of a container: facts of every source, its limits, volumes and findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.facts.cgroup import ContainerCgroups, Level, MemoryEvents
from exporter.facts.container import Container, ContainerNetwork
from exporter.facts.counts import Counts
from exporter.facts.network import Interface
from exporter.facts.unit import Unit
from exporter.report.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class MemoryJudgement:
    """How near a container is to its limit. None: nothing limits it, or it could not be read."""

    usage_bytes: int | None = None  # of the payload
    working_set_bytes: int | None = None  # of the payload
    limit_bytes: int | None = None  # the limit that binds: the smallest on the way up
    limit_level: Level | None = None
    high_bytes: int | None = None  # the smallest memory.high on the way up
    ratio: float | None = None  # working set over limit at the level nearest to its limit
    ratio_level: Level | None = None  # which level that is: the neighbours' use counts at a slice that they share
    recommended_limit_bytes: int | None = None  # peak over the target ratio


@dataclass(frozen=True, slots=True)
class MountedDataset:
    """A dataset that a container mounts."""

    dataset: str
    destination: str
    writable: bool


class LabelKind(StrEnum):
    """Which containers a volume's SELinux label lets in."""

    PRIVATE = "private"  # the container's own categories
    SHARED = "shared"  # every container
    FOREIGN = "foreign"  # another container, and not this one
    UNLABELLED = "unlabelled"  # no container that is confined


@dataclass(frozen=True, slots=True)
class VolumeReport:
    """One bind or volume mount of a container, as it was read last."""

    destination: str
    filesystem: str
    size_bytes: int | None = None  # None: the file system does not report it
    used_bytes: int | None = None
    available_bytes: int | None = None
    label: LabelKind | None = None  # None: no SELinux to label it for


class LimitSource(StrEnum):
    """Where a limit was asked for, the innermost cgroup first."""

    PODMAN = "podman"
    UNIT = "unit"
    SLICE = "slice"


class Drift(StrEnum):
    """How limits that were asked for may be wrong."""

    NOT_APPLIED = "not_applied"  # asked for, and not in force
    MISMATCH = "mismatch"  # two sources ask for different limits
    SINGLE = "single"  # asked for in one place only
    NONE = "none"  # asked for nowhere


@dataclass(frozen=True, slots=True)
class LimitDeclared:
    """A limit as one source was asked for it."""

    resource: str  # memory_bytes, memory_high_bytes, memory_swap_bytes (swap alone), cpu_cores, pids
    source: LimitSource
    figure: float


@dataclass(frozen=True, slots=True)
class LimitInForce:
    """The limit that the kernel enforces at one level; of several ancestors the smallest."""

    resource: str
    level: Level
    figure: float


@dataclass(frozen=True, slots=True)
class LimitDrift:
    """Whether a resource's limits are wrong in one way."""

    resource: str
    kind: Drift
    holds: bool


@dataclass(frozen=True, slots=True)
class ContainerReport:
    """One container, joined from every source that knows it."""

    name: str  # NAME, or USER/NAME for a rootless one
    state: str  # created, running, paused, stopping, exited, dead, missing; "" when nobody said
    container: Container | None = None  # podman's word; None when podman was not asked or has none
    cgroups: ContainerCgroups | None = None
    unit: Unit | None = None
    id: str = ""
    slice: str = ""
    memory: MemoryJudgement = MemoryJudgement()
    oom_kills: int | None = None  # the ledger's total; without one as the kernel counts at the outermost own cgroup
    restarts: int | None = None  # the ledger's total; without one as systemd or podman's policy counts them now
    counts: Counts | None = None  # all that the ledger has counted; None: there is no ledger
    restart_loop: bool | None = None  # None: not known without a ledger
    memory_events: MemoryEvents | None = None  # of that same outermost own cgroup
    datasets: tuple[MountedDataset, ...] = ()
    volumes: tuple[VolumeReport, ...] = ()
    selinux: tuple[str, str] | None = None  # type and level of its first process; None: no label of SELinux
    findings: tuple[Finding, ...] = ()
    limits_declared: tuple[LimitDeclared, ...] = ()
    limits_in_force: tuple[LimitInForce, ...] = ()
    limit_drifts: tuple[LimitDrift, ...] = ()  # of the kinds that could be judged
    networks: tuple[ContainerNetwork, ...] = ()  # its own: of one that joins another's namespace, none
    interfaces: tuple[Interface, ...] = ()  # of its network namespace, without lo; shared ones with one container alone
    is_starting: bool = False  # it is not judged yet: no findings, no drift of limits
    lacks: str = ""  # what has to be known before it has begun, in words; it is judged without after a minute


@dataclass(frozen=True, slots=True)
class RankedContainer:
    """One container with how grave each thing is that happens to it; None: nothing grave, or nothing to compare."""

    container: ContainerReport
    quota_ratio: float | None  # of its fullest dataset
    state_severity: Severity | None
    memory_severity: Severity | None
    quota_severity: Severity | None
    oom_severity: Severity | None  # of kills within a day: totals are for ever
    restarts_severity: Severity | None
    failed: tuple[Finding, ...]  # gravest first
    unknown: tuple[Finding, ...]  # gravest first
