"""An examination as JUnit XML, as Jenkins and GitLab read it: a test suite a subject, a test case a check.

    <testsuite name="container objects02" tests="16" failures="1" errors="0" skipped="0">
      <testcase classname="container objects02" name="own_slice"><failure type="warning" message="...">...

A check that could not be judged is an error, not a pass; one that does not apply or is waived is skipped. What
could not be read at all is an error of the suite "sources". The host's own suite is "host". The text is bounded and
holds only characters of XML 1.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from typing import assert_never

from exporter.assess.examination import worst_first
from exporter.present.untrusted import bounded
from exporter.report.examination import Examination, Examined, Place, SubjectKind
from exporter.report.findings import CheckInfo, Finding, Verdict

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(examination: Examination) -> str:
    """The whole of it, with a line's end."""
    catalogue = {check.id: check for check in examination.checks}
    verdicts = Counter(finding.outcome.verdict for subject in examination.subjects for finding in subject.findings)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_attributes(name='bulkhead', **_counts(verdicts, len(examination.problems)))}>",
    ]
    if examination.problems:
        lines += _sources(examination.problems)
    for subject in worst_first(examination.subjects):
        lines += _suite(subject, catalogue)
    return "\n".join((*lines, "</testsuites>", ""))


def _sources(problems: tuple[str, ...]) -> Iterator[str]:
    yield f"<testsuite{_attributes(name='sources', **_counts(Counter(), len(problems)))}>"
    for number, problem in enumerate(problems, start=1):
        case = _attributes(classname="sources", name=f"problem {number}")
        yield f"<testcase{case}><error{_attributes(type='unreadable', message=problem)}/></testcase>"
    yield "</testsuite>"


def _suite(subject: Examined, catalogue: Mapping[str, CheckInfo]) -> Iterator[str]:
    name = subject.kind.value if subject.kind is SubjectKind.HOST else f"{subject.kind} {subject.name}"
    places = dict(subject.places)
    verdicts = Counter(finding.outcome.verdict for finding in subject.findings)
    yield f"<testsuite{_attributes(name=name, **_counts(verdicts))}>"
    for finding in subject.findings:
        case = {"classname": name, "name": finding.check, **_file(subject, places.get(finding.check))}
        inner = _inner(finding, catalogue.get(finding.check))
        yield f"<testcase{_attributes(**case)}>{inner}</testcase>" if inner else f"<testcase{_attributes(**case)}/>"
    yield "</testsuite>"


def _file(subject: Examined, place: Place | None) -> dict[str, str]:
    if place is not None:
        return {"file": place.file, "line": str(place.line)}
    return {"file": subject.file} if subject.file else {}


def _inner(finding: Finding, check: CheckInfo | None) -> str:
    outcome = finding.outcome
    drift = "declared and in force differ" if outcome.drift else ""
    match outcome.verdict:
        case Verdict.PASS:
            return f"<system-out>{_text(drift)}</system-out>" if drift else ""
        case Verdict.FAIL:
            mend = (check.why, f"mend: {check.fix}") if check else ()
            body = "\n".join(_text(line) for line in (outcome.detail, drift, *mend) if line)
            return f"<failure{_attributes(type=finding.severity, message=outcome.reason)}>{body}</failure>"
        case Verdict.NOT_APPLICABLE:
            return f"<skipped{_attributes(message=outcome.reason)}/>"
        case Verdict.WAIVED:
            return f"<skipped{_attributes(message=f'waived: {finding.waiver}')}/>"
        case Verdict.UNKNOWN:
            return f"<error{_attributes(type='unknown', message=outcome.reason)}>{_text(outcome.detail)}</error>"
        case _:
            assert_never(outcome.verdict)


def _counts(verdicts: Counter[Verdict], problems: int = 0) -> dict[str, str]:
    return {
        "tests": str(verdicts.total() + problems),
        "failures": str(verdicts[Verdict.FAIL]),
        "errors": str(verdicts[Verdict.UNKNOWN] + problems),
        "skipped": str(verdicts[Verdict.NOT_APPLICABLE] + verdicts[Verdict.WAIVED]),
    }


def _attributes(**values: str) -> str:
    return "".join(f' {name}="{_text(value)}"' for name, value in values.items())


def _text(text: str) -> str:
    return escape(_NOT_IN_XML.sub("\ufffd", bounded(text)))
