"""The order in which an examination is shown, and whether it fails: the gravest comes first."""

from __future__ import annotations

from exporter.assess.priority import gravest_first
from exporter.report.examination import Examination, Examined
from exporter.report.findings import Severity, Verdict


def worst_first(subjects: tuple[Examined, ...]) -> tuple[Examined, ...]:
    """Every subject, the one with the most grave failures at the top."""

    def urgency(subject: Examined) -> tuple[object, ...]:
        failures = [finding.severity for finding in gravest_first(subject.findings, Verdict.FAIL)]
        unknown = len(gravest_first(subject.findings, Verdict.UNKNOWN))
        return *(-failures.count(severity) for severity in Severity), -unknown, subject.name

    return tuple(sorted(subjects, key=urgency))


def has_verdict(examination: Examination, verdict: Verdict, threshold: Severity) -> bool:
    """Whether a check of this severity or a graver one has this verdict on any subject."""
    return any(
        finding.outcome.verdict is verdict and finding.severity.rank <= threshold.rank
        for subject in examination.subjects
        for finding in subject.findings
    )
