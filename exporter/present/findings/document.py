"""An examination as JSON: a versioned document whose keys are kept.

    {"version": 1, "title": "lab", "summary": {"fail": {"critical": 1, ...}, ...}, "problems": [],
     "subjects": [{"name": "objects02", "kind": "container", ..., "findings": [{"check": "own_slice", ...}]}],
     "waivers": [{"container": "objects02", "check": "own_slice", "until": "2026-12-31", "state": "active", ...}],
     "checks": [{"id": "own_slice", ...}]}

New keys may come; a key that changes its meaning changes the version.
"""

from __future__ import annotations

import json
from collections import Counter

from exporter.assess.examination import worst_first
from exporter.present.untrusted import bounded
from exporter.report.examination import Examination, Examined, Place
from exporter.report.findings import CheckInfo, Finding, Severity, Verdict, WaiverReport, last_day

DOCUMENT_VERSION = 1


def document(examination: Examination, product_version: str) -> str:
    """The whole of it, with a line's end."""
    content = {
        "version": DOCUMENT_VERSION,
        "product_version": product_version,
        "title": bounded(examination.title),
        "summary": _summary(examination),
        "problems": [bounded(problem) for problem in examination.problems],
        "subjects": [_subject(subject) for subject in worst_first(examination.subjects)],
        "waivers": [_waiver(waiver) for waiver in examination.waivers],
        "checks": [_check(check) for check in examination.checks],
    }
    return json.dumps(content, indent=2) + "\n"


def _summary(examination: Examination) -> dict[str, object]:
    findings = [finding for subject in examination.subjects for finding in subject.findings]
    verdicts = Counter(finding.outcome.verdict for finding in findings)
    failures = Counter(finding.severity for finding in findings if finding.outcome.verdict is Verdict.FAIL)
    return {
        "subjects": len(examination.subjects),
        "checks": len(examination.checks),
        "verdicts": {verdict.value: verdicts[verdict] for verdict in Verdict},
        "failed": {severity.value: failures[severity] for severity in Severity},
        "drift": sum(finding.outcome.drift for finding in findings),
    }


def _subject(subject: Examined) -> dict[str, object]:
    places = dict(subject.places)
    return {
        "name": bounded(subject.name),
        "kind": subject.kind.value,
        "state": subject.state or None,
        "file": bounded(subject.file) or None,
        "findings": [_finding(finding, places.get(finding.check)) for finding in subject.findings],
    }


def _finding(finding: Finding, place: Place | None) -> dict[str, object]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "verdict": finding.outcome.verdict.value,
        "reason": bounded(finding.outcome.reason),
        "detail": bounded(finding.outcome.detail),
        "drift": finding.outcome.drift,
        "place": {"file": bounded(place.file), "line": place.line} if place else None,
        "waiver": {"reason": bounded(finding.waiver), "until": _until(finding.waiver_ends_at_seconds)}
        if finding.waiver
        else None,
    }


def _waiver(waiver: WaiverReport) -> dict[str, object]:
    return {
        "container": bounded(waiver.container) or None,
        "check": bounded(waiver.check),
        "reason": bounded(waiver.reason),
        "until": _until(waiver.ends_at_seconds),
        "state": waiver.state.value,
    }


def _until(ends_at_seconds: float | None) -> str | None:
    """The last day on which a waiver holds (UTC)."""
    return None if ends_at_seconds is None else last_day(ends_at_seconds)


def _check(check: CheckInfo) -> dict[str, object]:
    return {
        "id": check.id,
        "severity": check.severity.value,
        "title": check.title,
        "why": check.why,
        "fix_quadlet": check.fix_quadlet,
        "fix_podman": check.fix_podman,
        "fix_host": check.fix_host,
        "references": list(check.references),
    }
