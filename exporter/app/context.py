"""What one source may ask of the others: whom and what they have found, from the latest answer of each.

    answer of    names                            for
    podman       containers, units, volumes       systemd, quadlet, volume
    cgroup       paths                            process, systemd, podman
    process      mounts, datasets, namespaces     volume, zfs, zfs_mounted, traffic
    quadlet      units                            systemd
    systemd      slices of stopped containers     the figures of slices

Which source asks again when another has found something new is said in app/collectors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from exporter.assess.storage.datasets import mounted_datasets
from exporter.assess.storage.volumes import volumes_of
from exporter.facts.cgroup import owner_uid_of, slice_of, unit_of
from exporter.facts.container import Container
from exporter.facts.host import Host
from exporter.facts.naming import listed_by_id
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Reading, latest
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import VolumeMounts
from exporter.ledger.places import container_in


class Context:
    """The latest answer of each collector, by its name. Answers are kept and read from several threads.

    `cgroup_paths` has the path of each container's innermost cgroup now, `remembered_units` the units of the containers
    that the ledger remembers.
    """

    def __init__(
        self,
        cgroup_paths: Callable[[], tuple[str, ...]],
        remembered_units: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._cgroup_paths = cgroup_paths
        self._remembered_units = remembered_units
        self._readings: dict[str, Reading[Any]] = {}

    def keep(self, name: str, reading: Reading[Any]) -> None:
        """Remember the latest answer of a collector."""
        self._readings[name] = reading

    def _latest(self, name: str) -> Any:
        reading = self._readings.get(name)
        return None if reading is None else latest(reading)

    def containers(self) -> tuple[Container, ...]:
        """Every container that podman has listed."""
        return self._latest("podman") or ()

    def quadlets(self) -> tuple[Quadlet, ...]:
        """Every quadlet of a container."""
        return self._latest("quadlet") or ()

    def processes(self) -> ProcessTable | None:
        """Every container's processes; None: they were never read."""
        table: ProcessTable | None = self._latest("process")
        return table

    def units(self) -> frozenset[str]:
        """Every service and slice that a container of root's lives in, or is expected in."""
        paths = [path for path in self._cgroup_paths() if "/user.slice/" not in path]
        names = {unit_of(path) for path in paths} | {slice_of(path) for path in paths}
        names |= {container.unit for container in self.containers() if not container.user}
        names |= {quadlet.unit for quadlet in self.quadlets()}
        # A slice is asked about while its container is between two lives, too.
        units: tuple[Unit, ...] = self._latest("systemd") or ()
        names |= {unit.slice for unit in units if unit.name in names}
        # A stopped container without a quadlet: the ledger alone knows in which unit it lived.
        names |= set(self._remembered_units())
        return frozenset(name for name in names if name and not name.startswith("libpod-"))

    def empty_slices(self) -> frozenset[str]:
        """Slices of units that have no container alive now."""
        alive = {slice_of(path) for path in self._cgroup_paths()}
        units: tuple[Unit, ...] = self._latest("systemd") or ()
        return frozenset(unit.slice for unit in units if unit.slice and unit.name.endswith(".service")) - alive

    def paths(self) -> frozenset[str]:
        """Paths of every container's cgroups."""
        return frozenset(self._cgroup_paths())

    def begun_processes(self) -> ProcessTable | None:
        """The processes of containers that have begun; a runtime's own processes see the host's network."""
        table = self.processes()
        begun = tuple(one for one in table.containers if not one.is_runtimes) if table else ()
        return replace(table, containers=begun) if table else None

    def undescribed(self) -> frozenset[str]:
        """Ids of containers that no quadlet names: a new container may have a new quadlet."""
        described = {quadlet.container for quadlet in self.quadlets()}
        return frozenset(one.id for one in self.containers() if not one.user and one.name not in described)

    def datasets(self) -> frozenset[str]:
        """Every dataset that a container mounts."""
        return mounted_datasets(self.processes())

    def mounts(self) -> frozenset[tuple[str, int | None]]:
        """Every mount of a volume: container id and mount id."""
        return frozenset((wanted.container_id, mount.mount_id) for wanted in self.volumes() for mount in wanted.mounts)

    def volumes(self) -> tuple[VolumeMounts, ...]:
        """Every volume of every container that runs."""
        table = self.processes()
        owner_uids = {container_in(path) or "": owner_uid_of(path) for path in self._cgroup_paths()}
        host: Host | None = self._latest("host")
        known = listed_by_id(self.containers(), owner_uids, dict(host.account_uids) if host else {}).alive
        found = []
        for one in table.containers if table else ():
            container = known.get(one.container_id)
            mounts = volumes_of(container, one)
            if mounts and one.processes:
                name = container.name if container else one.container_id[:12]
                found.append(VolumeMounts(one.container_id, name, one.processes[0].pid, mounts))
        return tuple(found)
