"""The report: all that is known and judged of one host at one moment, versioned."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.facts.agent import AgentProcess
from exporter.facts.counts import Counts, Totals
from exporter.facts.host import Host
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.storage import Dataset, DatasetIo, Pool
from exporter.report.collectors import CollectorReport
from exporter.report.container import ContainerReport
from exporter.report.findings import CheckInfo, Finding, WaiverReport
from exporter.report.notifications import Notifications

REPORT_VERSION = 1


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
    parent_is_up: bool | None  # None: it needs none, or the host does not report it
    duplicates: int  # of its IP and MAC addresses, those that two containers on the same segment have
    pools: tuple[PoolUse, ...] = ()


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
    unmade_quadlets: tuple[UnmadeQuadlet, ...] = ()  # files of containers that have no unit
    dropped_containers: int = 0  # beyond the cap or a user's share, at this moment
    dropped_by_owner: tuple[tuple[str, int], ...] = ()  # how many of them are whose; root's is ""
    series_dropped: tuple[tuple[str, int], ...] = ()  # reason, series left out of pages since start
    notifications: Notifications = field(default_factory=Notifications)
    agent: tuple[AgentProcess, ...] = ()  # of the agent that made this report
    product_version: str = ""
    revision: str = ""
    python_version: str = ""
    is_example: bool = False
    has_podman: bool | None = None  # whether the host on which the example is served has podman
    is_web_exposed: bool | None = None  # open to other hosts without TLS or without users; None: nothing is served
    version: int = REPORT_VERSION
