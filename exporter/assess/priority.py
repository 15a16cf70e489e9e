"""Which container needs eyes first, and which finding: what happens now, and what is gravest, comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from exporter.assess.storage.datasets import quota_ratio
from exporter.report.container import ContainerReport, RankedContainer
from exporter.report.findings import Finding, Severity, Verdict
from exporter.report.host import Report

# An ended container is none of these by itself: a job may have done its work.
_ALARMING_STATES = {"missing": Severity.CRITICAL, "dead": Severity.CRITICAL}
_RECENT_SECONDS = 86_400


def most_urgent_first(report: Report) -> tuple[RankedContainer, ...]:
    """Every container, the one that needs eyes most at the top."""
    thresholds = dict(report.thresholds)
    quotas = {dataset.name: quota_ratio(dataset) for dataset in report.datasets}
    since_seconds = report.taken_at_seconds - _RECENT_SECONDS
    rows = (_row(container, quotas, thresholds, since_seconds) for container in report.containers)
    return tuple(sorted(rows, key=_urgency))


def gravest_first(findings: Iterable[Finding], verdict: Verdict) -> tuple[Finding, ...]:
    """The findings with this verdict."""
    chosen = (finding for finding in findings if finding.outcome.verdict is verdict)
    return tuple(sorted(chosen, key=lambda finding: finding.severity.rank))


def _row(
    container: ContainerReport,
    quotas: Mapping[str, float | None],
    thresholds: Mapping[str, float],
    since_seconds: float,
) -> RankedContainer:
    fullest = max((ratio for one in container.datasets if (ratio := quotas.get(one.dataset)) is not None), default=None)
    return RankedContainer(
        container=container,
        quota_ratio=fullest,
        state_severity=_state_severity(container),
        memory_severity=_severity(container.memory.ratio, "memory", thresholds),
        quota_severity=_severity(fullest, "quota", thresholds),
        oom_severity=Severity.CRITICAL if _killed_since(container, since_seconds) else None,
        restarts_severity=Severity.CRITICAL if container.restart_loop else None,
        failed=gravest_first(container.findings, Verdict.FAIL),
        unknown=gravest_first(container.findings, Verdict.UNKNOWN),
    )


def _killed_since(container: ContainerReport, since_seconds: float) -> bool:
    if container.counts is None:  # as the kernel counts: in this life
        return bool(container.oom_kills)
    return (container.counts.last_oom_kill_seconds or float("-inf")) >= since_seconds


def _state_severity(container: ContainerReport) -> Severity | None:
    if container.unit is not None and container.unit.active_state == "failed":
        return Severity.CRITICAL
    if container.container is not None and container.container.health == "unhealthy":
        return Severity.CRITICAL
    return _ALARMING_STATES.get(container.state)


def _severity(ratio: float | None, subject: str, thresholds: Mapping[str, float]) -> Severity | None:
    if ratio is None:
        return None
    for severity in (Severity.CRITICAL, Severity.WARNING):
        if ratio >= thresholds.get(f"{subject}_{severity}_ratio", float("inf")):
            return severity
    return None


def _urgency(row: RankedContainer) -> tuple[int | float | str, ...]:
    """What happens now comes before a wall that is weak, then one that nobody can judge, and then what may happen."""
    happens = list(_happenings(row))
    fails, hidden = ([finding.severity for finding in findings] for findings in (row.failed, row.unknown))
    ranks = [-found.count(severity) for severity in Severity for found in (happens, fails, hidden)]
    return *ranks, -(row.container.memory.ratio or 0.0), row.container.name


def _happenings(row: RankedContainer) -> Iterator[Severity | None]:
    yield row.state_severity
    yield row.memory_severity
    yield row.quota_severity
    yield row.oom_severity
    yield row.restarts_severity
