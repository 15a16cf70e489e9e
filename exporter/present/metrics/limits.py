"""Limits: what was asked for and where, what the kernel has in force and at which level, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.present.metrics.family import Family, Kind, labelled_containers
from exporter.report.container import ContainerReport


def _declared(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((limit.resource, limit.source.value), limit.figure) for limit in one.limits_declared)


def _in_force(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((limit.resource, limit.level.value), limit.figure) for limit in one.limits_in_force)


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
