"""Every container of the host that any source knows, joined by its name.

podman names what it is asked about; the cgroup tree and conmon's command line name what it is not
asked about (other users' containers, a podman that does not answer); quadlets name what should be
there. A container's identity is its name, because with --rm every restart makes a new id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.facts.cgroup import ContainerCgroups, unit_of
from exporter.facts.container import Container, full_name
from exporter.facts.naming import listed_by_id, names_of_conmons, own_name, user_of
from exporter.facts.process import ContainerProcesses
from exporter.facts.reading import Read, latest
from exporter.facts.snapshot import Snapshot
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.unit_claims import with_believed_units

# podman's words for a container's state, in the words of the metrics page.
_STATES = {
    "created": "created",
    "configured": "created",
    "initialized": "created",
    "running": "running",
    "paused": "paused",
    "stopping": "stopping",
    "stopped": "exited",
    "exited": "exited",
    "removing": "exited",
    "dead": "dead",
}
_AWAKE = frozenset({"active", "activating", "reloading", "deactivating", "failed"})


@dataclass(frozen=True, slots=True)
class KnownContainer:
    """One container with all that is known of it."""

    name: str
    user: str
    id: str  # "" when it is not made yet, or is listed by a user's podman with the id of another's
    state: str
    container: Container | None
    cgroups: ContainerCgroups | None
    processes: ContainerProcesses | None
    unit: Unit | None


def known_containers(snapshot: Snapshot) -> tuple[KnownContainer, ...]:
    """Every container of the host, by name."""
    cgroups = {one.container_id: one for one in latest(snapshot.cgroup) or ()}
    table = latest(snapshot.process)
    processes = {one.container_id: one for one in table.containers} if table else {}
    names = names_of_conmons(table)
    units = {unit.name: unit for unit in latest(snapshot.systemd) or ()}
    quadlets = latest(snapshot.quadlet) or ()
    unit_names = {quadlet.container: quadlet.unit for quadlet in quadlets}
    account_uids = _account_uids(snapshot)
    paths = {one.container_id: one.levels[0].path for one in cgroups.values() if one.levels and not one.owner_uid}
    listed_containers: tuple[Container, ...] = latest(snapshot.podman) or ()
    containers = with_believed_units(listed_containers, paths, quadlets)
    owner_uids = {tree.container_id: tree.owner_uid for tree in cgroups.values()}
    listed = listed_by_id(containers, owner_uids, account_uids)

    found: dict[str, KnownContainer] = {}

    def add(known: KnownContainer) -> None:
        # A restart makes a new id before podman's list has dropped the old one: the id with a cgroup is meant.
        other = found.get(known.name)
        if other is None or (other.cgroups is None and known.cgroups is not None):
            found[known.name] = known

    for container in containers:
        of_root = not container.user
        unit_name = container.unit or (unit_names.get(container.name, "") if of_root else "")
        has_id = listed.by_id.get(container.id) is container
        is_alive = listed.alive.get(container.id) is container
        # Without a cgroup nothing shows whose processes these are, and an id that root's podman lists is root's.
        has_processes = is_alive or (of_root and container.id not in cgroups)
        add(
            KnownContainer(
                name=container.name,
                user=container.user,
                id=container.id if has_id else "",
                state=_STATES.get(container.state, ""),
                container=container,
                cgroups=cgroups.get(container.id) if is_alive else None,
                processes=processes.get(container.id) if has_processes else None,
                unit=units.get(unit_name) if of_root else None,
            )
        )
    accounts = {uid: account for account, uid in account_uids.items()}
    for container_id, tree in cgroups.items():
        if container_id not in listed.by_id:
            add(_unlisted(tree, names, processes.get(container_id), units, accounts))
    # Only a podman that answers can be missing something; a silent one leaves the state open, and the counts stay.
    state = "missing" if isinstance(snapshot.podman, Read) else ""
    for quadlet in quadlets:
        if quadlet.container not in found and _is_expected(quadlet, units.get(quadlet.unit)):
            found[quadlet.container] = _expected(quadlet.container, units.get(quadlet.unit), state)
    for name in _lost_with_their_unit(snapshot) - found.keys():
        found[name] = _expected(name, None, state)
    return tuple(found[name] for name in sorted(found))


def _account_uids(snapshot: Snapshot) -> dict[str, int]:
    host = latest(snapshot.host)
    return dict(host.account_uids) if host else {}


def _unlisted(
    tree: ContainerCgroups,
    names: Mapping[tuple[str, int], str],
    processes: ContainerProcesses | None,
    units: dict[str, Unit],
    accounts: dict[int, str],
) -> KnownContainer:
    user = user_of(tree.owner_uid, accounts)
    return KnownContainer(
        name=full_name(user, own_name(tree.container_id, tree.owner_uid, names)),
        user=user,
        id=tree.container_id,
        state="running",
        container=None,
        cgroups=tree,
        processes=processes,
        unit=None if user else units.get(unit_of(tree.levels[0].path) if tree.levels else ""),
    )


def _is_expected(quadlet: Quadlet, unit: Unit | None) -> bool:
    return quadlet.wanted or (unit is not None and unit.active_state in _AWAKE)


def _lost_with_their_unit(snapshot: Snapshot) -> frozenset[str]:
    """Containers that were there before, and whose quadlets make no unit any more: they do not come back by themselves.

    A file that never made one may be somebody's draft.
    """
    counted = {counts.name for counts in snapshot.totals.containers} if snapshot.totals else set()
    return frozenset(one.container for one in latest(snapshot.quadlet_file) or () if one.container in counted)


def _expected(name: str, unit: Unit | None, state: str) -> KnownContainer:
    return KnownContainer(
        name=name,
        user="",
        id="",
        state=state,
        container=None,
        cgroups=None,
        processes=None,
        unit=unit,
    )
