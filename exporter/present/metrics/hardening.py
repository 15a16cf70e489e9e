"""Which walls stand: the verdict of every hardening check for every container, and the catalogue of checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from exporter.present.metrics.family import Family, Kind, Sample, labelled_containers
from exporter.report.container import ContainerReport
from exporter.report.findings import Severity, Verdict, WaiverState
from exporter.report.host import Report

_VERDICTS = {Verdict.PASS: 1.0, Verdict.FAIL: 0.0}


def _judged(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float | None]]:
    return (((finding.check,), _VERDICTS.get(finding.outcome.verdict)) for finding in one.findings)


def _unknown(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((finding.check,), 1) for finding in one.findings if finding.outcome.verdict is Verdict.UNKNOWN)


def _waived(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((finding.check,), 1) for finding in one.findings if finding.outcome.verdict is Verdict.WAIVED)


def _host_waived(report: Report) -> Iterator[Sample]:
    for finding in report.host_findings:
        if finding.outcome.verdict is Verdict.WAIVED:
            yield Sample((finding.check,), 1)


def _drift(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((finding.check,), 1) for finding in one.findings if finding.outcome.drift)


def _waiver_expiry(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float | None]]:
    return (((finding.check,), finding.waiver_ends_at_seconds) for finding in one.findings)


def _host_waiver_expiry(report: Report) -> Iterator[Sample]:
    for finding in report.host_findings:
        if finding.waiver_ends_at_seconds is not None:
            yield Sample((finding.check,), finding.waiver_ends_at_seconds)


def _waivers(report: Report) -> Iterator[Sample]:
    counts = Counter(waiver.state for waiver in report.waivers)
    return (Sample((state.value,), counts[state]) for state in WaiverState)


def _failed(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    if one.findings:  # not judged is not the same as no failures
        failed = Counter(finding.severity for finding in one.findings if finding.outcome.verdict is Verdict.FAIL)
        for severity in Severity:
            yield (severity.value,), failed[severity]


def _host_judged(report: Report) -> Iterator[Sample]:
    for finding in report.host_findings:
        if finding.outcome.verdict in _VERDICTS:
            yield Sample((finding.check,), _VERDICTS[finding.outcome.verdict])


def _host_unknown(report: Report) -> Iterator[Sample]:
    for finding in report.host_findings:
        if finding.outcome.verdict is Verdict.UNKNOWN:
            yield Sample((finding.check,), 1)


def _catalogue(report: Report) -> Iterator[Sample]:
    return (Sample((check.id, check.severity.value, check.title), 1) for check in report.checks)


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_container_hardening_check",
        "1 the check passes, 0 it fails; absent when it does not apply, is waived or could not be judged.",
        Kind.GAUGE,
        ("container", "check"),
        "1 a container and check",
        labelled_containers(_judged),
    ),
    Family(
        "bulkhead_container_hardening_unknown",
        "1 for each check that could not be judged.",
        Kind.GAUGE,
        ("container", "check"),
        "up to 1 a container and check",
        labelled_containers(_unknown),
    ),
    Family(
        "bulkhead_container_hardening_drift",
        "1 for each check where what was declared and what is in force differ.",
        Kind.GAUGE,
        ("container", "check"),
        "up to 1 a container and check",
        labelled_containers(_drift),
    ),
    Family(
        "bulkhead_container_hardening_waived",
        "1 for each check that fails and is waived, with a date or without.",
        Kind.GAUGE,
        ("container", "check"),
        "up to 1 a container and check",
        labelled_containers(_waived),
    ),
    Family(
        "bulkhead_container_hardening_waiver_expiry_timestamp_seconds",
        "Unix time at which the waiver with a date for this failing check ends, or has ended.",
        Kind.GAUGE,
        ("container", "check"),
        "up to 1 a container and check",
        labelled_containers(_waiver_expiry),
    ),
    Family(
        "bulkhead_container_hardening_failed",
        "How many checks of each severity fail, without those that are waived.",
        Kind.GAUGE,
        ("container", "severity"),
        "3 a container",
        labelled_containers(_failed),
    ),
    Family(
        "bulkhead_hardening_check_info",
        "The catalogue of checks: severity, and what holds when the check passes.",
        Kind.GAUGE,
        ("check", "severity", "title"),
        "1 a check",
        _catalogue,
    ),
    Family(
        "bulkhead_host_hardening_check",
        "1 the host's own check passes, 0 it fails; absent when it does not apply, is waived or could not be judged.",
        Kind.GAUGE,
        ("check",),
        "1 a check of the host",
        _host_judged,
    ),
    Family(
        "bulkhead_host_hardening_unknown",
        "1 for each of the host's own checks that could not be judged.",
        Kind.GAUGE,
        ("check",),
        "up to 1 a check of the host",
        _host_unknown,
    ),
    Family(
        "bulkhead_host_hardening_waived",
        "1 for each check of the host that fails and is waived, with a date or without.",
        Kind.GAUGE,
        ("check",),
        "up to 1 a check of the host",
        _host_waived,
    ),
    Family(
        "bulkhead_host_hardening_waiver_expiry_timestamp_seconds",
        "Unix time at which the waiver with a date for this failing check of the host ends, or has ended.",
        Kind.GAUGE,
        ("check",),
        "up to 1 a check of the host",
        _host_waiver_expiry,
    ),
    Family(
        "bulkhead_waivers",
        "Waivers of the configuration: active, idle (the check does not fail), unmatched (no such container), expired.",
        Kind.GAUGE,
        ("state",),
        "4",
        _waivers,
    ),
)
