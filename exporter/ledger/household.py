"""Who is who: from what every source knows of containers to what the ledger asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporter.facts.cgroup import COMMON_SLICES, path_of_slice
from exporter.facts.unit import Unit
from exporter.ledger.state import Household

_ANYBODY = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One container that is known now, by any source."""

    name: str
    container_id: str  # "" when it is not alive
    cgroup_path: str  # of its payload; "" when it is not alive
    unit: Unit | None  # root's systemd runs it


def household_of(
    members: Iterable[Member], lodgers: Iterable[tuple[str, str]] = (), strangers: Iterable[tuple[str, str]] = ()
) -> Household:
    """Everybody's names; `lodgers` (by name) and `strangers` (by id) live at these cgroup paths, too.

    Only the slice right above a container can be its own: what lies above that, and the slices that systemd gives to
    whatever has none, are nobody's.
    """
    names_by_id: dict[str, str] = {}
    names_by_unit: dict[str, str] = {}
    tenants: dict[str, set[str]] = {}
    for member in members:
        if member.container_id:
            names_by_id[member.container_id] = member.name
        if member.unit is not None:
            names_by_unit[member.unit.name] = member.name
        # A container that is between two lives still has its slice.
        home = member.cgroup_path or (path_of_slice(member.unit.slice) + "/" if member.unit else "")
        _move_in(tenants, member.name, home)
    for name, path in lodgers:
        _move_in(tenants, name, path)
    unnamed = {f"?{container_id}": path for container_id, path in strangers}  # no container's name begins so
    for name, path in unnamed.items():
        _move_in(tenants, name, path)
    return Household(
        names_by_id,
        names_by_unit,
        {path: frozenset(names) for path, names in tenants.items()},
        frozenset(unnamed),
    )


def _move_in(tenants: dict[str, set[str]], name: str, home: str) -> None:
    for depth, path in enumerate(_slices_above(home)):
        tenants.setdefault(path, set()).add(name)
        if depth or path.rpartition("/")[2] in COMMON_SLICES:
            tenants[path].add(_ANYBODY)


def _slices_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        if path.endswith(".slice"):
            yield path
