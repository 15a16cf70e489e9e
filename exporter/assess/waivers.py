"""Waivers: failures that somebody has accepted, with a reason and, better, a date.

A waiver turns FAIL into WAIVED until the end of its date (UTC); then the check fails again, and its detail says that
the waiver has expired. A waiver that matches nothing is reported: it may be misspelt, or its container is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from exporter.report.findings import Finding, Verdict, WaiverReport, WaiverState, last_day
from exporter.report.waiver import Waiver


def with_waivers(
    name: str, findings: tuple[Finding, ...], waivers: tuple[Waiver, ...], now_seconds: float
) -> tuple[Finding, ...]:
    """The findings of a container (`""`: of the host), with accepted failures waived."""
    own = [waiver for waiver in waivers if waiver.is_for(name)]
    return tuple(_with_waiver(finding, own, now_seconds) for finding in findings) if own else findings


def waiver_reports(
    waivers: tuple[Waiver, ...],
    judged: Mapping[str, tuple[Finding, ...]],
    names: frozenset[str] | None,
    now_seconds: float,
) -> tuple[WaiverReport, ...]:
    """What becomes of each waiver.

    `judged`: findings by name; `names`: of all containers, None if they are not all known.
    """
    return tuple(
        WaiverReport(
            waiver.container,
            waiver.check,
            waiver.reason,
            waiver.ends_at_seconds,
            _state(waiver, judged, names, now_seconds),
        )
        for waiver in waivers
    )


def _with_waiver(finding: Finding, own: list[Waiver], now_seconds: float) -> Finding:
    if finding.outcome.verdict is not Verdict.FAIL:
        return finding
    matching = [waiver for waiver in own if fnmatchcase(finding.check, waiver.check)]
    if not matching:
        return finding
    longest = max(
        matching, key=lambda waiver: float("inf") if waiver.ends_at_seconds is None else waiver.ends_at_seconds
    )
    ends_at_seconds = longest.ends_at_seconds
    outcome = replace(finding.outcome, verdict=Verdict.WAIVED)
    if ends_at_seconds is not None and longest.has_expired(now_seconds):
        told = f"its waiver expired on {last_day(ends_at_seconds)}: {longest.reason}"
        outcome = replace(finding.outcome, detail="; ".join(filter(None, (finding.outcome.detail, told))))
    return replace(finding, outcome=outcome, waiver=longest.reason, waiver_ends_at_seconds=ends_at_seconds)


def _state(
    waiver: Waiver, judged: Mapping[str, tuple[Finding, ...]], names: frozenset[str] | None, now_seconds: float
) -> WaiverState:
    if waiver.has_expired(now_seconds):
        return WaiverState.EXPIRED
    if waiver.container and names is not None and not any(waiver.is_for(name) for name in names):
        return WaiverState.UNMATCHED
    failing = (
        finding.check
        for name, findings in judged.items()
        if waiver.is_for(name)
        for finding in findings
        if finding.outcome.verdict is Verdict.WAIVED
    )
    return WaiverState.ACTIVE if any(fnmatchcase(check, waiver.check) for check in failing) else WaiverState.IDLE
