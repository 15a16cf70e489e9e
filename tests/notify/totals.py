"""Totals, reports and alerts in few words."""

from __future__ import annotations

from exporter.facts.counts import Counts, Totals
from exporter.facts.unit import Unit
from exporter.notify.alert import Origin
from exporter.report.container import ContainerReport
from exporter.report.findings import CheckInfo, Finding, Outcome, Severity, Verdict
from exporter.report.host import Report

NOW = 1_800_000_000.0
ORIGIN = Origin("host1", "bulkhead")
CHECK = CheckInfo("seccomp_filtered", Severity.CRITICAL, "System calls are filtered", "", "", "", ())


def totals(**oom_kills: int) -> Totals:
    """The ledger's, with these kills."""
    return Totals(0, tuple(Counts(name, oom_kills=kills) for name, kills in oom_kills.items()))


def restarted(name: str, *at_us: int, now_us: int) -> Totals:
    """The ledger's, with restarts of one container."""
    return Totals(now_us, (Counts(name, restarts=len(at_us), recent_restarts_us=at_us),))


def judged(now_seconds: float, **verdicts: Verdict) -> Report:
    """A report in which containers have these verdicts of the one critical check."""
    containers = tuple(
        ContainerReport(name, "running", findings=(Finding(CHECK.id, CHECK.severity, Outcome(verdict, "")),))
        for name, verdict in verdicts.items()
    )
    return Report(now_seconds, containers, (), checks=(CHECK,))


def with_unit(now_seconds: float, name: str, active_state: str, result: str, restarts: int) -> Report:
    """A report of one container with a unit."""
    unit = Unit(f"{name}.service", "loaded", active_state, "", result=result)
    return Report(now_seconds, (ContainerReport(name, "missing", unit=unit, restarts=restarts),), ())
