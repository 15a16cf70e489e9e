from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.assess.waivers import with_waivers
from exporter.facts.snapshot import Snapshot
from exporter.report.findings import Finding, Outcome, Severity, Verdict, WaiverState
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver
from tests.assess.secure import CONTAINER, HOST
from tests.assess.snapshots import NOW, SNAPSHOT, answered, silent

FAILED = Finding("auto_remove", Severity.INFO, Outcome(Verdict.FAIL, "kept after its end", "exited last week"))
KEPT = replace(CONTAINER, security=replace(CONTAINER.security, auto_remove=False))
ONE_FAILS = replace(SNAPSHOT, podman=answered((KEPT,)))


def waived(waiver: Waiver, finding: Finding = FAILED, name: str = "objects02") -> Finding:
    (found,) = with_waivers(name, (finding,), (waiver,), NOW)
    return found


def report_of(*waivers: Waiver, snapshot: Snapshot = ONE_FAILS) -> Report:
    return assess(snapshot, Thresholds(), Build(), waivers)


def states(report: Report) -> list[WaiverState]:
    return [waiver.state for waiver in report.waivers]


@pytest.mark.parametrize(("container", "check"), [("objects02", "auto_remove"), ("obj*", "auto_*"), ("*", "*")])
def test_a_failure_that_was_accepted_is_waived_with_its_reason(container: str, check: str) -> None:
    found = waived(Waiver(container, check, "kept for its log"))
    assert found.outcome == replace(FAILED.outcome, verdict=Verdict.WAIVED)
    assert (found.waiver, found.waiver_ends_at_seconds) == ("kept for its log", None)


@pytest.mark.parametrize(("container", "check"), [("objects", "auto_remove"), ("objects02", "rootful"), ("", "*")])
def test_a_waiver_for_another_container_another_check_or_the_host_waives_nothing(container: str, check: str) -> None:
    assert waived(Waiver(container, check, "why")) == FAILED


def test_a_waiver_for_the_host_is_for_no_container_and_a_pattern_of_names_not_for_the_host() -> None:
    assert waived(Waiver("", "*", "why"), name="").outcome.verdict is Verdict.WAIVED
    assert waived(Waiver("*", "*", "why"), name="").outcome.verdict is Verdict.FAIL


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE])
def test_only_a_failure_can_be_waived(verdict: Verdict) -> None:
    finding = replace(FAILED, outcome=Outcome(verdict, "so it is"))
    assert waived(Waiver("*", "*", "why"), finding) == finding


def test_a_waiver_holds_to_the_end_of_its_date_and_then_the_check_fails_and_says_so() -> None:
    assert waived(Waiver("*", "*", "why", NOW + 1)).outcome.verdict is Verdict.WAIVED
    over = waived(Waiver("*", "*", "why", NOW))
    assert over.outcome.verdict is Verdict.FAIL
    assert over.outcome.detail == "exited last week; its waiver expired on 2027-01-15: why"
    assert over.waiver_ends_at_seconds == NOW


def test_of_several_waivers_the_one_that_holds_longest_counts() -> None:
    short, long, for_ever = (Waiver("*", "*", reason, end) for reason, end in (("a", NOW), ("b", NOW + 9), ("c", None)))
    (found,) = with_waivers("x", (FAILED,), (long, short), NOW)
    assert found.waiver == "b"
    (found,) = with_waivers("x", (FAILED,), (long, for_ever, short), NOW)
    assert found.waiver == "c"


def test_a_report_waives_and_says_what_became_of_each_waiver() -> None:
    report = report_of(
        Waiver("objects02", "auto_remove", "kept for its log", NOW + 9),
        Waiver("objects02", "rootful", "it passes"),
        Waiver("objekts02", "rootful", "misspelt"),
        Waiver("objects02", "auto_remove", "of last year", NOW - 1),
    )
    findings = {finding.check: finding.outcome.verdict for finding in report.containers[0].findings}
    assert findings["auto_remove"] is Verdict.WAIVED
    assert Verdict.FAIL not in findings.values()
    assert states(report) == [WaiverState.ACTIVE, WaiverState.IDLE, WaiverState.UNMATCHED, WaiverState.EXPIRED]


def test_a_silent_podman_leaves_open_whether_a_waiver_matches() -> None:
    report = report_of(Waiver("other", "rootful", "why"), snapshot=replace(SNAPSHOT, podman=silent()))
    assert states(report) == [WaiverState.IDLE]


def test_the_hosts_failures_are_waived_and_an_expired_waiver_is_a_finding() -> None:
    def host_verdicts(*waivers: Waiver) -> dict[str, Verdict]:
        return {one.check: one.outcome.verdict for one in report_of(*waivers).host_findings}

    assert host_verdicts()["waivers_current"] is Verdict.NOT_APPLICABLE
    assert host_verdicts(Waiver("", "*", "why", NOW + 1))["waivers_current"] is Verdict.PASS
    expired = host_verdicts(Waiver("objects02", "auto_remove", "why", NOW))
    assert expired["waivers_current"] is Verdict.FAIL
    silent_sysctl = replace(HOST, sysctls=(("kernel.dmesg_restrict", "0"),))
    report = report_of(Waiver("", "dmesg_*", "why"), snapshot=replace(SNAPSHOT, host=answered(silent_sysctl)))
    verdicts = {one.check: one.outcome.verdict for one in report.host_findings}
    assert verdicts["dmesg_restricted"] is Verdict.WAIVED
    assert states(report) == [WaiverState.ACTIVE]
