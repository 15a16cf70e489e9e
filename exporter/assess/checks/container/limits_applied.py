"""Every limit that was asked for is exactly what the kernel has.

podman has been seen not to apply limits. Declared: podman's limits, the unit's and its slice's. In force: memory.max,
memory.high, memory.swap.max, cpu.max and pids.max of the cgroup that each of them is asked for.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.drift import declared_limits, not_applied, what_is_not_known
from exporter.report.findings import Outcome, Severity


def examine(subject: ContainerSubject) -> Outcome:
    """Judge what was asked against what is there, source by source."""
    complaints = not_applied(subject)
    if complaints is None:
        return unknown("limits not readable", "; ".join(what_is_not_known(subject)))
    if complaints:
        return failed("a limit is not in force", "; ".join(complaints[:5]), drift=True)
    if not declared_limits(subject):
        return not_applicable("no limit was asked for")
    return passed("limits in force as asked")


CHECK = Check(
    id="limits_applied",
    title="Limits are applied as asked",
    severity=Severity.CRITICAL,
    why="A limit that podman or systemd was asked for and the kernel does not have protects nobody, and looks as if "
    "it did.",
    fix_quadlet="Restart the unit; keep the limit in [Service] too; see systemctl cat for drop-ins of set-property",
    fix_podman="podman update with the limits, or start the container anew",
    references=("podman issue 23664", "podman issue 22521"),
    examine=examine,
)
