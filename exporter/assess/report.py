"""What is known and judged of one host: plain, versioned, serialisable data.

Nothing in here is a union of classes, so any typed JSON codec carries it across a process
boundary. The facts ride along unchanged; the judgements stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.facts.cgroup import ContainerCgroups, Level, MemoryEvents
from exporter.facts.container import Container, ContainerNetwork
from exporter.facts.counts import Counts, Totals
from exporter.facts.host import Host
from exporter.facts.network import Interface
from exporter.facts.storage import Dataset, DatasetIo, Pool
from exporter.facts.unit import Unit

REPORT_VERSION = 1


class Verdict(StrEnum):
    """What a check says. Unknown is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"
    WAIVED = "waived"  # it fails, and the configuration accepts that with a reason


class Severity(StrEnum):
    """How much a failed check matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's answer for one subject. The reason is short and fit for a label; the detail names names."""

    verdict: Verdict
    reason: str
    detail: str = ""
    drift: bool = False  # what was declared and what is in force differ


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's outcome, by the check's id."""

    check: str
    severity: Severity
    outcome: Outcome
    waiver: str = ""  # the reason of the waiver for this failure, "" for none; an expired one leaves it failed
    waiver_ends_at_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """The catalogue entry of a check: all that a page needs to show it."""

    id: str
    severity: Severity
    title: str
    why: str
    fix_quadlet: str
    fix_podman: str
    references: tuple[str, ...]
    fix_host: str = ""  # of a check of the host itself, which has neither of the two above

    @property
    def fix(self) -> str:
        """How to mend what fails, in the way that is kept: of a container in its quadlet."""
        return self.fix_host or self.fix_quadlet


class WaiverState(StrEnum):
    """What becomes of a waiver."""

    ACTIVE = "active"  # it waives a failure now
    IDLE = "idle"  # its check does not fail
    UNMATCHED = "unmatched"  # no container has such a name
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class WaiverReport:
    """One waiver of the configuration."""

    container: str  # pattern of names; "" is the host
    check: str  # pattern of ids
    reason: str
    ends_at_seconds: float | None
    state: WaiverState


@dataclass(frozen=True, slots=True)
class MemoryJudgement:
    """How near a container is to its limit. None: nothing limits it, or it could not be read."""

    usage_bytes: int | None = None  # of the payload
    working_set_bytes: int | None = None  # of the payload
    limit_bytes: int | None = None  # the limit that binds: the smallest on the way up
    limit_level: Level | None = None
    high_bytes: int | None = None  # the smallest memory.high on the way up
    ratio: float | None = None  # working set over limit at the level nearest to its limit
    ratio_level: Level | None = None
    recommended_limit_bytes: int | None = None  # peak over the target ratio


@dataclass(frozen=True, slots=True)
class MountedDataset:
    """A dataset that a container mounts."""

    dataset: str
    destination: str
    writable: bool


class LabelKind(StrEnum):
    """Whom a volume's label of SELinux lets in."""

    PRIVATE = "private"  # the container's own categories
    SHARED = "shared"  # every container
    FOREIGN = "foreign"  # another container, and not this one
    UNLABELLED = "unlabelled"  # no container that is confined


@dataclass(frozen=True, slots=True)
class VolumeReport:
    """One bind or volume mount of a container, as it was read last."""

    destination: str
    filesystem: str
    size_bytes: int | None = None  # None: the file system does not tell
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
    limit_drifts: tuple[LimitDrift, ...] = ()  # of the kinds that could be judged
    networks: tuple[ContainerNetwork, ...] = ()  # its own: of one that joins another's namespace, none
    interfaces: tuple[Interface, ...] = ()  # of its network namespace, without lo; shared ones with one container alone
    is_starting: bool = False  # it is not judged yet: no findings, no drift of limits
    lacks: str = ""  # what has to be known before it has begun, in words; it is judged without after a minute


@dataclass(frozen=True, slots=True)
class IdUse:
    """How the ids of the account `containers` are used. None: podman has never answered."""

    kind: str  # uid, gid
    total: int
    used: int | None = None  # in the map of a container, running or not
    largest_free_block: int | None = None
    containers_left: int | None = None  # how many more of the usual size can start
    overlaps: int | None = None  # pairs of containers, accounts and owners of ranges that have an id in common


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Addresses of one subnet that podman may give out by itself, and those that containers have of them."""

    subnet: str
    total: int
    used: int


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """One network that containers are in."""

    name: str  # NAME, or USER/NAME of a rootless one
    parent: str  # the host's interface that it stands on
    parent_is_up: bool | None  # None: it needs none, or the host does not tell
    duplicates: int  # of its IP and MAC addresses, those that two containers on the same segment have
    pools: tuple[PoolUse, ...] = ()


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """How one source is doing."""

    name: str
    present: bool  # False: the thing is not on this host
    success: bool
    duration_seconds: float
    age_seconds: float | None  # of what is shown; None when nothing ever was
    reason: str = ""  # why not, one sentence
    events: int = 0
    events_lost: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many alerts went to one Alertmanager with one result."""

    alertmanager: str  # its address, without credentials
    result: str  # accepted, rejected, failed
    count: int


@dataclass(frozen=True, slots=True)
class LatencyHistogram:
    """Times from event to acceptance. `counts` has one more entry than bounds: what took longer than the last."""

    bounds_seconds: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
    counts: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # of each bucket alone, not cumulative
    sum_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Notifications:
    """How delivery to Alertmanagers is doing. The default is the truth where none is configured."""

    deliveries: tuple[DeliveryCount, ...] = ()
    queued: int = 0
    latency: LatencyHistogram = LatencyHistogram()
    problem: str = ""  # why what waits is kept in memory alone; "" when it is on disk


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known and judged of one host at one moment."""

    taken_at_seconds: float
    containers: tuple[ContainerReport, ...]
    collectors: tuple[CollectorReport, ...]
    datasets: tuple[Dataset, ...] = ()
    pools: tuple[Pool, ...] = ()
    dataset_io: tuple[DatasetIo, ...] = ()
    host: Host | None = None
    gone: tuple[Counts, ...] = ()  # of containers that are no longer there, until they are forgotten
    totals: Totals | None = None  # of the host; without its containers
    checks: tuple[CheckInfo, ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    host_findings: tuple[Finding, ...] = ()
    id_use: tuple[IdUse, ...] = ()
    networks: tuple[NetworkReport, ...] = ()
    waivers: tuple[WaiverReport, ...] = ()
    dropped_containers: int = 0  # beyond the cap, at this moment
    series_dropped: tuple[tuple[str, int], ...] = ()  # reason, series left out of pages since start
    notifications: Notifications = Notifications()
    product_version: str = ""
    revision: str = ""
    python_version: str = ""
    is_example: bool = False
    version: int = REPORT_VERSION
