from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli.findings import exit_code, paper
from exporter.report.examination import Examination
from exporter.report.findings import Severity, Verdict
from tests.present.checks import CAPABILITIES, READ_ONLY, ROOTFUL, finding
from tests.present.findings.examinations import BAD, EXAMINATION, GONE, GOOD

PROBLEM = ("zfs: denied",)


def of(severity: Severity, verdict: Verdict) -> Examination:
    check = {Severity.CRITICAL: CAPABILITIES, Severity.WARNING: READ_ONLY, Severity.INFO: ROOTFUL}[severity]
    return replace(EXAMINATION, subjects=(GOOD, GONE, replace(BAD, findings=(finding(check, verdict),))))


@pytest.mark.parametrize(
    ("severity", "verdict", "fail_on", "code"),
    [
        (Severity.CRITICAL, Verdict.FAIL, Severity.CRITICAL, 1),
        (Severity.WARNING, Verdict.FAIL, Severity.CRITICAL, 0),
        (Severity.WARNING, Verdict.FAIL, Severity.WARNING, 1),
        (Severity.INFO, Verdict.FAIL, Severity.WARNING, 0),
        (Severity.INFO, Verdict.FAIL, Severity.INFO, 1),
        (Severity.CRITICAL, Verdict.FAIL, None, 0),
        (Severity.CRITICAL, Verdict.UNKNOWN, Severity.WARNING, 3),
        (Severity.INFO, Verdict.UNKNOWN, Severity.WARNING, 0),
        (Severity.CRITICAL, Verdict.UNKNOWN, None, 0),
        (Severity.CRITICAL, Verdict.NOT_APPLICABLE, Severity.INFO, 0),
        (Severity.CRITICAL, Verdict.PASS, Severity.INFO, 0),
    ],
)
def test_the_exit_code_is_by_the_severity_and_unknown_is_no_pass(
    severity: Severity, verdict: Verdict, fail_on: Severity | None, code: int
) -> None:
    assert exit_code(of(severity, verdict), fail_on) == code


@pytest.mark.parametrize("fail_on", [*Severity, None])
def test_what_could_not_be_read_never_ends_well(fail_on: Severity | None) -> None:
    examination = replace(EXAMINATION, subjects=(GOOD,), problems=PROBLEM)
    assert exit_code(examination, fail_on) == 3


def test_a_certain_failure_weighs_more_than_what_is_unknown() -> None:
    assert exit_code(replace(EXAMINATION, problems=PROBLEM), Severity.WARNING) == 1


def test_the_paper_is_as_wide_as_the_terminal_and_never_too_wide_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert paper().width == 72
    monkeypatch.setenv("COLUMNS", "400")
    assert paper().width == 120
    assert not paper().colours


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": ""}])
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert paper().colours is not (environment.get("NO_COLOR") == "1" or environment.get("TERM") == "dumb")


def test_a_reader_that_has_seen_enough_hears_no_complaint() -> None:
    command = f"{sys.executable} -m exporter audit --example --format json | head -c 1"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(["sh", "-c", command], cwd=root, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{", "")
