"""Limits: what was asked for and where, what the kernel has in force and at which level, and where the two differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.facts.cgroup import CgroupLevel, Level
from exporter.present.metrics.family import Family, Kind, labelled_containers
from exporter.report.container import ContainerReport

_IN_FORCE: tuple[tuple[str, Callable[[CgroupLevel], float | None]], ...] = (
    ("memory_bytes", lambda level: level.memory_max_bytes),
    ("memory_high_bytes", lambda level: level.memory_high_bytes),
    ("memory_swap_bytes", lambda level: level.memory_swap_max_bytes),
    ("cpu_cores", lambda level: level.cpu_max_cores),
    ("pids", lambda level: level.pids_max),
)


def _declared(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((limit.resource, limit.source.value), limit.figure) for limit in one.limits_declared)


def _in_force(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float | None]]:
    levels = one.cgroups.levels if one.cgroups else ()
    for resource, limit in _IN_FORCE:
        for level in Level:
            # A container may have several ancestors: of those the smallest limit is the one that counts.
            figures = [figure for at in levels if at.level is level and (figure := limit(at)) is not None]
            yield (resource, level.value), min(figures, default=None)


def _drift(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((drift.resource, drift.kind.value), float(drift.holds)) for drift in one.limit_drifts)


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_container_limit_declared",
        "What podman, the unit and a slice of its own were asked for, defaults included; swap is swap alone.",
        Kind.GAUGE,
        ("container", "resource", "source"),
        "up to 15 a container",
        labelled_containers(_declared),
    ),
    Family(
        "bulkhead_container_limit_in_force",
        "What the kernel enforces at each cgroup level, the smallest of several ancestors; absent without a limit.",
        Kind.GAUGE,
        ("container", "resource", "level"),
        "up to 20 a container",
        labelled_containers(_in_force),
    ),
    Family(
        "bulkhead_container_limit_drift",
        "1 where a limit asked for is not_applied, sources disagree (mismatch), one alone (single) or none was asked; "
        "0 where not; absent where it could not be judged.",
        Kind.GAUGE,
        ("container", "resource", "kind"),
        "up to 15 a container",
        labelled_containers(_drift),
    ),
)
