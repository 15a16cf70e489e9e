"""What a check looks at: one container, or the host, as the sources that answer now know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.assess.storage.volumes import MountedVolume, Sharer
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container, DeclaredMount
from exporter.facts.host import Firewall, Host
from exporter.facts.process import ContainerProcesses, MountPoint
from exporter.facts.reading import Reading
from exporter.facts.storage import Dataset, Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.report.waiver import Waiver


@dataclass(frozen=True, slots=True)
class Sharers:
    """Other containers that have what should be this container's own: examples, by name."""

    in_force: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerSubject:
    """One container as checks see it. None: that source did not answer, or has nothing on it."""

    name: str
    user: str  # "" for root's podman
    container: Container | None
    processes: ContainerProcesses | None
    cgroups: ContainerCgroups | None
    unit: Unit | None
    host: Host | None
    running: bool = True
    other_occupants: tuple[str, ...] = ()  # of its slice: other containers with processes below it
    shared_levels: frozenset[str] = frozenset()  # paths of its cgroups that hold other containers too
    slice_unit: Unit | None = None  # what systemd says of the innermost slice
    host_namespaces: tuple[tuple[str, int], ...] = ()  # kind, inode; () is not known
    host_mounts: Mapping[str, tuple[MountPoint, ...]] = field(default_factory=dict)  # by device; empty is not known
    quadlets: tuple[Quadlet, ...] | None = None  # that name this container; None: not known
    ids_shared_with: Sharers = Sharers()
    label_shared_with: Sharers = Sharers()
    volumes: tuple[MountedVolume, ...] | None = None  # None: its mounts are not readable
    unseen_mounts: tuple[DeclaredMount, ...] = ()  # that were asked for, and that its first process does not show
    asked_by_others: Mapping[str, tuple[Sharer, ...]] = field(default_factory=dict)  # by source of a volume it asks for
    datasets: Mapping[str, Dataset] | None = None  # by name; None: ZFS is not here, or does not answer


@dataclass(frozen=True, slots=True)
class HostSubject:
    """The host as its checks see it."""

    now_seconds: float
    host: Host | None  # None: did not answer
    storage: Reading[Storage]
    firewall: Reading[Firewall]
    containers: int = 0  # of root, that may want ids of their own
    waivers: tuple[Waiver, ...] = ()
