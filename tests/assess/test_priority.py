from __future__ import annotations

from dataclasses import replace

from exporter.assess.priority import gravest_first, most_urgent_first
from exporter.report.container import ContainerReport, MemoryJudgement
from exporter.report.findings import Finding, Outcome, Severity, Verdict
from tests.present.agents import NOW_SECONDS
from tests.present.reports import FAILING, container, counts, rich_report


def test_the_worst_comes_first() -> None:
    names = [row.container.name for row in most_urgent_first(rich_report())]
    assert names == ["bad-everything", "alice/blog", "expected", "objects02", "worker"]


def killed(name: str, seconds_ago: float) -> ContainerReport:
    told = counts(name, oom_kills=2, last_oom_kill_seconds=NOW_SECONDS - seconds_ago)
    return container(name, oom_kills=2, counts=told, findings=(), datasets=())


def test_what_happens_now_comes_before_walls_that_are_weak() -> None:
    weak = container("weak", findings=FAILING * 5, datasets=())
    looping = container("looping", restart_loop=True, findings=(), datasets=())
    order = most_urgent_first(rich_report(containers=(weak, looping, killed("killed", 60), killed("once", 90_000))))
    assert [row.container.name for row in order] == ["killed", "looping", "weak", "once"]


def test_a_critical_wall_that_nobody_sees_comes_right_after_one_that_fell() -> None:
    def with_verdict(name: str, severity: Severity, verdict: Verdict) -> ContainerReport:
        return container(name, findings=(Finding("check", severity, Outcome(verdict, "")),), datasets=())

    rows = most_urgent_first(
        rich_report(
            containers=(
                with_verdict("minor", Severity.WARNING, Verdict.FAIL),
                with_verdict("hidden", Severity.CRITICAL, Verdict.UNKNOWN),
                with_verdict("dim", Severity.WARNING, Verdict.UNKNOWN),
                with_verdict("fell", Severity.CRITICAL, Verdict.FAIL),
            )
        )
    )
    assert [row.container.name for row in rows] == ["fell", "hidden", "minor", "dim"]
    assert [finding.check for finding in rows[1].unknown] == ["check"]


def test_a_kill_of_long_ago_is_counted_and_alarms_nobody() -> None:
    (row,) = most_urgent_first(rich_report(containers=(killed("once", 90_000),)))
    assert row.oom_severity is None
    (row,) = most_urgent_first(rich_report(containers=(container(oom_kills=1, counts=None),)))
    assert row.oom_severity == "critical"


def test_thresholds_decide_what_is_near_a_limit() -> None:
    near = container("near", memory=MemoryJudgement(ratio=0.93), datasets=())
    report = rich_report(containers=(near,))
    assert most_urgent_first(report)[0].memory_severity == "warning"
    assert most_urgent_first(replace(report, thresholds=()))[0].memory_severity is None


def test_the_gravest_failure_comes_first() -> None:
    found = [
        Finding("minor", Severity.INFO, Outcome(Verdict.FAIL, "")),
        Finding("fine", Severity.CRITICAL, Outcome(Verdict.PASS, "")),
        Finding("grave", Severity.CRITICAL, Outcome(Verdict.FAIL, "")),
        Finding("dark", Severity.CRITICAL, Outcome(Verdict.UNKNOWN, "")),
        Finding("middling", Severity.WARNING, Outcome(Verdict.FAIL, "")),
    ]
    assert [one.check for one in gravest_first(found, Verdict.FAIL)] == ["grave", "middling", "minor"]
    assert [one.check for one in gravest_first(found, Verdict.UNKNOWN)] == ["dark"]
