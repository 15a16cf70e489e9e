"""Which systemd unit runs a container of root's, of all that claim to be run by it.

The label PODMAN_SYSTEMD_UNIT names a container's unit, and an image may set it: podman merges the labels of an image
(pkg/specgen/generate/container.go). So the label is a claim, and what others say comes first:

    /services.slice/services-web.slice/web.service/libpod-payload-ID    the cgroup: it is run by web.service
    /etc/containers/systemd/web.container                               the quadlet: web.service runs web alone

Without either, for a unit that was written by hand, the label holds as long as nothing contradicts it: no other
container lives in that unit, claims it too, or is remembered as the container of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from exporter.facts.cgroup import unit_of
from exporter.facts.container import Container
from exporter.facts.unit import Quadlet

_OF_PODMAN = "libpod-"
"""Scopes that podman makes for a container that no unit has put into its own cgroup."""


def with_believed_units(
    containers: Iterable[Container],
    paths: Mapping[str, str],
    quadlets: Iterable[Quadlet],
    remembered_units: Mapping[str, str] | None = None,
) -> tuple[Container, ...]:
    """The same containers, each of root's with the unit that is believed to run it, "" for none.

    `paths` has the cgroup of each id that is alive, `remembered_units` the unit of each name as the ledger has it.
    """
    everyone = tuple(containers)
    names_by_unit = {quadlet.unit: quadlet.container for quadlet in quadlets}
    remembered = remembered_units or {}
    known_names = {unit: name for name, unit in remembered.items() if unit}
    living: dict[str, set[str]] = {}
    claiming: dict[str, set[str]] = {}
    for one in everyone:
        if one.user:
            continue
        unit = _unit_in_force(paths.get(one.id, ""))
        living.setdefault(unit, set()).add(one.name)
        if one.unit and not unit:
            claiming.setdefault(one.unit, set()).add(one.name)

    def believed(one: Container) -> str:
        if one.user or not one.unit:
            return one.unit
        if unit := _unit_in_force(paths.get(one.id, "")):
            return unit
        owner = names_by_unit.get(one.unit)
        if owner is not None:
            return one.unit if owner == one.name else ""
        others = living.get(one.unit, set()) | claiming.get(one.unit, set())
        if remembered.get(one.name) != one.unit:
            others = others | {known_names.get(one.unit, one.name)}
        return "" if others - {one.name} else one.unit

    return tuple(replace(one, unit=unit) if (unit := believed(one)) != one.unit else one for one in everyone)


def _unit_in_force(path: str) -> str:
    unit = unit_of(path)
    return "" if unit.startswith(_OF_PODMAN) else unit
