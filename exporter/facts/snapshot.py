"""All that the host said, at one moment: one reading a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.facts.agent import AgentProcess
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.counts import Totals
from exporter.facts.host import Firewall, Host
from exporter.facts.life import Life
from exporter.facts.network import NamespaceTraffic
from exporter.facts.process import ProcessTable
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.reading import Failed, Reading
from exporter.facts.storage import Dataset, Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume

# A source that nobody asked may well be on this host: were it absent, its checks would not apply.
_NOT_ASKED: Failed[Any] = Failed("nobody asked", 0.0)


@dataclass(frozen=True, slots=True)
class EventCount:
    """What one source's event stream has told since the agent started."""

    collector: str
    seen: int
    lost: int  # gaps that were noticed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One reading a source; a reading's field name is its collector's name on the page."""

    taken_at_seconds: float
    podman: Reading[tuple[Container, ...]]
    cgroup: Reading[tuple[ContainerCgroups, ...]]
    process: Reading[ProcessTable]
    systemd: Reading[tuple[Unit, ...]]
    quadlet: Reading[tuple[Quadlet, ...]]
    zfs: Reading[Storage]  # everything, on a slow clock
    zfs_mounted: Reading[tuple[Dataset, ...]]  # what containers mount, on a quick clock
    host: Reading[Host]
    events: tuple[EventCount, ...] = ()
    journal: Reading[None] | None = None  # whether it is followed; None: nobody tried
    kernel_log: Reading[None] | None = None
    audit_log: Reading[None] | None = None
    ledger: Reading[None] | None = None  # whether totals are written to disk
    totals: Totals | None = None  # what the ledger has counted; None: there is no ledger
    empty_slices: tuple[CgroupLevel, ...] = ()  # of containers that are known and not alive: their counts outlive them
    firewall: Reading[Firewall] = _NOT_ASKED
    volume: Reading[tuple[Volume, ...]] = _NOT_ASKED
    quadlet_file: Reading[tuple[UnmadeQuadlet, ...]] = _NOT_ASKED
    traffic: Reading[tuple[NamespaceTraffic, ...]] = _NOT_ASKED
    cgroups_left_out: Mapping[int, int] = field(default_factory=dict)  # uid -> cgroups beyond a user's share
    agent: tuple[AgentProcess, ...] = ()  # those that /proc shows
    lives: Mapping[str, Life] | None = None  # remembered of the snapshots before, by container id; None: of none
