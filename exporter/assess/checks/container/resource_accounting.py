"""CPU and memory of the container are accounted for.

Declared: CPUAccounting=, MemoryAccounting=. In force: the controllers of the payload's cgroup.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity

_NEEDED = ("cpu", "memory")


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what the unit was asked."""
    unit = subject.unit
    accounted = None if unit is None else bool(unit.cpu_accounting and unit.memory_accounting)
    return asked("CPU and memory are accounted for", "no accounting", stands=accounted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the controllers that the kernel has enabled for the payload."""
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    payload = subject.cgroups.levels[0]
    if subject.cgroups.is_unread(payload, "cgroup.controllers"):
        return unknown("controllers not readable", f"{payload.path}/cgroup.controllers")
    lacking = [name for name in _NEEDED if name not in payload.controllers]
    if lacking:
        promised = promise(declared(subject))
        return failed("no accounting", f"the payload's cgroup lacks {' and '.join(lacking)}", drift=promised is True)
    return passed("CPU and memory are accounted for")


CHECK = Check(
    id="resource_accounting",
    title="CPU and memory are accounted for",
    severity=Severity.INFO,
    why="Without the controllers no limit holds, and nothing tells how near a container is to it.",
    fix_quadlet="[Service] CPUAccounting=true and MemoryAccounting=true",
    fix_podman="Run it below a unit with CPUAccounting and MemoryAccounting",
    references=("systemd.resource-control(5)",),
    examine=examine,
    declared=declared,
    causes=("CPUAccounting", "MemoryAccounting", "[Service]"),
)
