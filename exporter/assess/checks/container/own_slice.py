"""The container has a slice to itself, so that its limits and counters are its own and outlive restarts.

Declared: Slice= of the unit. In force: no other container's processes below that slice.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.cgroup import COMMON_SLICES, Level
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge Slice= of the unit, and who else asks for it."""
    if subject.unit is None:
        return unknown("unit not readable")
    return _judge(subject.unit.slice, subject.other_occupants)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge who else lives in the container's slice."""
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    name = next((level.name for level in subject.cgroups.levels if level.level is Level.SLICE), "")
    return _judge(name, subject.other_occupants)


def _judge(name: str, others: tuple[str, ...]) -> Outcome:
    if not name:
        return failed("no slice", "its cgroup is below no slice")
    if name in COMMON_SLICES:
        return failed("in a common slice", f"it lives in {name}")
    if others:
        return failed("slice is shared", f"{name} also holds {', '.join(others[:5])}")
    return passed("has its own slice")


CHECK = Check(
    id="own_slice",
    title="Has a slice of its own",
    severity=Severity.WARNING,
    why="A slice holds the limits even if podman fails to apply them, and its counters remember OOM kills "
    "after the container is gone.",
    fix_quadlet="[Service] Slice=services-NAME.slice",
    fix_podman="--cgroup-parent=services-NAME.slice",
    references=("systemd.slice(5)",),
    examine=examine,
    declared=declared,
    causes=("Slice", "[Service]"),
)
