"""The order in which an examination is shown, and whether it fails: the gravest comes first."""

from __future__ import annotations

from exporter.report.examination import Examination, Examined
from exporter.report.findings import Severity, Verdict


def worst_first(subjects: tuple[Examined, ...]) -> tuple[Examined, ...]:
    """Every subject, the one with the most grave failures at the top; what is unknown comes right after its like."""

    def urgency(subject: Examined) -> tuple[object, ...]:
        found = [(finding.severity, finding.outcome.verdict) for finding in subject.findings]
        kinds = ((severity, verdict) for severity in Severity for verdict in (Verdict.FAIL, Verdict.UNKNOWN))
        return *(-found.count(kind) for kind in kinds), subject.name

    return tuple(sorted(subjects, key=urgency))


def has_verdict(examination: Examination, verdict: Verdict, threshold: Severity) -> bool:
    """Whether a check of this severity or a graver one has this verdict on any subject."""
    return any(
        finding.outcome.verdict is verdict and finding.severity.rank <= threshold.rank
        for subject in examination.subjects
        for finding in subject.findings
    )
