"""An examination as JSON: a versioned document whose keys are kept.

    {"version": 1, "title": "lab", "summary": {"fail": {"critical": 1, ...}, ...}, "problems": [],
     "subjects": [{"name": "objects02", "kind": "container", ..., "findings": [{"check": "own_slice", ...}]}],
     "checks": [{"id": "own_slice", ...}]}

New keys may come; a key that changes its meaning changes the version.
"""

from __future__ import annotations

import json
from collections import Counter

from exporter.assess.examination import Examination, Examined, Place, worst_first
from exporter.assess.report import CheckInfo, Finding, Severity, Verdict
from exporter.present.untrusted import bounded

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
    }


def _check(check: CheckInfo) -> dict[str, object]:
    return {
        "id": check.id,
        "severity": check.severity.value,
        "title": check.title,
        "why": check.why,
        "fix_quadlet": check.fix_quadlet,
        "fix_podman": check.fix_podman,
        "references": list(check.references),
    }
