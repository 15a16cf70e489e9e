"""Memory and CPU limits are declared twice, in podman and in the unit, and stand at both levels.

podman has been seen not to apply limits: then the unit's still holds.
Declared: podman and unit. In force: the payload's cgroup, and the service's or the slice's.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, own_levels, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import CPU, MEMORY
from exporter.facts.cgroup import container_id_of
from exporter.report.findings import Outcome, Severity

_TWICE = (("memory", MEMORY), ("CPU", CPU))


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were each asked."""
    if subject.container is None or subject.unit is None:
        return unknown("unit or podman not readable")
    lacking = []
    for noun, resource in _TWICE:
        if resource.of_podman(subject.container.limits) is None:
            lacking.append(f"{noun} by podman")
        if resource.of_unit(subject.unit) is None:
            lacking.append(f"{noun} by the unit")
    return _judge(lacking)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge memory.max and cpu.max of the payload, and of the levels that systemd keeps."""
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    payload = subject.cgroups.levels[0]
    # The scope around a container that no unit runs is podman's too: what stands there, podman was asked for.
    kept = [level for level in own_levels(subject) if level is not payload and container_id_of(level.name) is None]
    lacking = []
    for noun, resource in _TWICE:
        if resource.in_force(payload) is None:
            lacking.append(f"{noun} by podman")
        if all(resource.in_force(level) is None for level in kept):
            lacking.append(f"{noun} by the unit")
    if lacking and subject.cgroups.unreadable:
        return unknown("a cgroup file not readable", "; ".join(subject.cgroups.unreadable[:3]))
    return _judge(lacking)


def _judge(lacking: list[str]) -> Outcome:
    if lacking:
        return failed("limits stand once or not at all", f"not limited: {', '.join(lacking)}")
    return passed("limits stand twice")


CHECK = Check(
    id="limits_redundant",
    title="Limits are declared twice",
    severity=Severity.WARNING,
    why="podman sometimes fails to apply limits to rootful containers; the unit's limits then still hold.",
    fix_quadlet="Both [Service] MemoryMax=, CPUQuota= and [Container] PodmanArgs=--memory=... --cpus=...",
    fix_podman="Run it below a unit with the same MemoryMax= and CPUQuota=",
    references=("podman issue 23664", "podman issue 22521"),
    examine=examine,
    declared=declared,
    causes=(
        "--cgroups",
        "[Service]",
    ),
)
