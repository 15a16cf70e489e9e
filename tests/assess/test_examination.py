from __future__ import annotations

from exporter.assess.examination import has_verdict, worst_first
from exporter.report.examination import Examination, Examined
from exporter.report.findings import Finding, Outcome, Severity, Verdict


def subject(name: str, *found: tuple[Severity, Verdict]) -> Examined:
    return Examined(name, tuple(Finding(f"check{n}", one[0], Outcome(one[1], "")) for n, one in enumerate(found)))


MINOR = (Severity.INFO, Verdict.FAIL)
GRAVE = (Severity.CRITICAL, Verdict.FAIL)
MIDDLING = (Severity.WARNING, Verdict.FAIL)
DARK = (Severity.CRITICAL, Verdict.UNKNOWN)
FINE = (Severity.CRITICAL, Verdict.PASS)


def test_the_worst_subject_comes_first_what_is_unknown_right_after_its_like_and_equals_by_name() -> None:
    subjects = (
        subject("fine", FINE),
        subject("dark", DARK),
        subject("minors", MINOR, MINOR, MINOR),
        subject("dim", MIDDLING, (Severity.WARNING, Verdict.UNKNOWN)),
        subject("middling", MIDDLING),
        subject("grave2", GRAVE),
        subject("grave1", GRAVE),
        subject("both", GRAVE, MIDDLING),
    )
    assert [one.name for one in worst_first(subjects)] == [
        *("both", "grave1", "grave2", "dark", "dim", "middling", "minors", "fine")
    ]


def test_a_failure_counts_from_its_own_severity_down() -> None:
    examination = Examination((), (subject("a", FINE, MIDDLING),))
    assert [severity for severity in Severity if has_verdict(examination, Verdict.FAIL, severity)] == [
        Severity.WARNING,
        Severity.INFO,
    ]
