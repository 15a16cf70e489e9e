from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.facts.counts import Counts, Totals
from exporter.notify.watch import Watch, after_report, after_totals, holding, joined
from exporter.report.container import ContainerReport, Drift, LimitDrift
from exporter.report.findings import Finding, Outcome, Severity, Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.notify.totals import NOW, ORIGIN, judged, restarted, totals, with_unit

LIMITS = Thresholds()
SURE_SECONDS = 17
PASS, FAIL, UNKNOWN, WAIVED = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED


def names(watch: Watch) -> list[tuple[str, str]]:
    return [(alert.labels["alertname"], alert.labels["container"]) for alert in holding(watch, ORIGIN)]


def killed(*steps: tuple[float, Totals], watch: Watch | None = None) -> Watch:
    watch = watch or Watch()
    for at_seconds, seen in steps:
        watch = after_totals(watch, seen, LIMITS, NOW + at_seconds)
    return watch


KILL = [("BulkheadOomKill", "web")]


def test_a_kill_holds_for_nine_minutes_and_so_ends_before_the_rule_does() -> None:
    watch = killed((0, totals(web=0, db=3)), (5, totals(web=1, db=3)))
    assert names(watch) == KILL
    assert names(killed((540, totals(web=1, db=3)), watch=watch)) == KILL
    assert names(killed((560, totals(web=1, db=3)), watch=watch)) == []


def test_an_agent_that_is_new_on_its_host_tells_of_no_old_kill() -> None:
    assert names(killed((0, totals(web=7)), (60, totals(web=7, db=9)))) == []


def test_a_container_that_is_first_seen_with_kills_is_news_once_the_agent_has_settled_in() -> None:
    assert names(killed((0, totals()), (900, totals(web=1)))) == KILL


def test_a_kill_while_the_agent_was_away_is_found_when_it_is_back() -> None:
    watch = killed((0, totals(web=2)))
    assert names(killed((7200, totals(web=3)), watch=watch)) == KILL


def test_a_total_that_is_begun_anew_is_no_kill_and_the_next_one_is() -> None:
    watch = killed((0, totals(web=5)), (5, totals(web=1)))
    assert names(watch) == []
    assert names(killed((10, totals(web=2)), watch=watch)) == KILL


def test_kills_of_a_storm_are_counted_in_the_words_of_one_alert() -> None:
    watch = killed((0, totals(web=0)), *((step / 20, totals(web=step)) for step in range(1, 2001)))
    (alert,) = holding(watch, ORIGIN)
    assert "about 2000 in the last 10 minutes" in alert.annotations["description"]
    assert len(watch.kills["web"].by_bucket) <= 62
    watch = killed((539 + 50, totals(web=2000)), watch=watch)
    assert "about 1201" in holding(watch, ORIGIN)[0].annotations["description"]


def test_a_clock_that_is_set_back_makes_no_alert_last_for_longer() -> None:
    watch = killed((86_400, totals(web=0)), (86_400, totals(web=1)), (0, totals(web=1)))
    assert names(watch) == KILL
    assert names(killed((620, totals(web=1)), watch=watch)) == []


def test_an_alert_begins_when_the_kill_was() -> None:
    counts = Counts("web", oom_kills=1, last_oom_kill_seconds=NOW + 3)
    (alert,) = holding(killed((0, totals(web=0)), (5, Totals(0, (counts,)))), ORIGIN)
    assert alert.since_seconds == NOW + 3
    counts = replace(counts, last_oom_kill_seconds=NOW + 99)  # a clock that was set back since
    (alert,) = holding(killed((0, totals(web=0)), (5, Totals(0, (counts,)))), ORIGIN)
    assert alert.since_seconds == NOW + 5


def test_a_restart_loop_holds_while_the_window_has_as_many_restarts() -> None:
    second = 1_000_000
    twice = restarted("web", 100 * second, 110 * second, now_us=111 * second)
    thrice = restarted("web", 100 * second, 110 * second, 120 * second, now_us=120 * second)
    assert names(killed((0, twice))) == []
    watch = killed((0, twice), (10, thrice))
    assert [dict(alert.labels)["condition"] for alert in holding(watch, ORIGIN)] == ["looping"]
    assert names(killed((600, replace(thrice, taken_at_us=701 * second)), watch=watch)) == []


@pytest.mark.parametrize(
    ("active_state", "result", "restarts", "expected"),
    [
        ("failed", "start-limit-hit", 4, ["gave_up"]),
        ("failed", "start-limit-hit", 0, ["gave_up"]),
        ("failed", "exit-code", 4, []),
        ("activating", "start-limit-hit", 4, []),
    ],
)
def test_a_start_limit_holds_while_the_unit_stays_failed(
    active_state: str, result: str, restarts: int, expected: list[str]
) -> None:
    watch = after_report(Watch(), with_unit(NOW, "web", active_state, result, restarts), SURE_SECONDS)
    assert [alert.labels.get("condition") for alert in holding(watch, ORIGIN)] == expected


def test_a_loop_that_systemd_has_ended_holds_no_longer_than_the_rule_of_ten_minutes() -> None:
    second = 1_000_000
    thrice = restarted("web", 100 * second, 110 * second, 120 * second, now_us=120 * second)
    hour = replace(LIMITS, restart_loop_window_seconds=3600)
    watch = after_totals(Watch(), thrice, hour, NOW)
    later = replace(thrice, taken_at_us=(110 + 600) * second)
    assert names(after_totals(watch, later, hour, NOW + 600)) == [("BulkheadRestartLoop", "web")]
    watch = after_report(watch, with_unit(NOW, "web", "failed", "start-limit-hit", 3), SURE_SECONDS)
    (gave_up,) = holding(after_totals(watch, later, hour, NOW + 600), ORIGIN)
    assert gave_up.labels["condition"] == "gave_up"


@pytest.mark.parametrize(
    ("verdicts", "lost"),
    [
        ([PASS, FAIL, FAIL], True),
        ([PASS, FAIL], False),  # a container that is being started is half made
        ([PASS, FAIL, PASS, FAIL], False),
        ([FAIL, FAIL, FAIL], False),  # was never good: the rule tells
        ([UNKNOWN, FAIL, FAIL], False),
        ([PASS, UNKNOWN, FAIL, FAIL], True),  # nobody could tell for a while
        ([PASS, UNKNOWN, UNKNOWN], False),  # nobody saw it fall: that is another alert
        ([PASS, FAIL, FAIL, UNKNOWN], True),  # who can hide a wall must not end its alert
        ([PASS, FAIL, FAIL, UNKNOWN, UNKNOWN], True),
        ([PASS, FAIL, UNKNOWN], True),
        ([PASS, FAIL, PASS, UNKNOWN], False),
        ([PASS, FAIL, FAIL, UNKNOWN, FAIL], True),
        ([PASS, FAIL, FAIL, UNKNOWN, PASS], False),
        ([PASS, FAIL, FAIL, UNKNOWN, WAIVED], False),
        ([PASS, FAIL, FAIL, WAIVED, UNKNOWN], False),
        ([PASS, FAIL, FAIL, WAIVED, FAIL, FAIL], True),
        ([PASS, FAIL, FAIL, WAIVED], False),
        ([PASS, FAIL, FAIL, PASS], False),
    ],
)
def test_a_wall_is_lost_if_it_stood_and_fails_for_longer_than_one_reading(verdicts: list[Verdict], lost: bool) -> None:  # noqa: FBT001 - a table
    watch = killed((0, totals(web=0)))
    for number, verdict in enumerate(verdicts):
        watch = after_report(watch, judged(NOW + 20 * number, web=verdict), SURE_SECONDS)
    assert names(watch) == ([("BulkheadCriticalCheckFailing", "web")] if lost else [])


def test_a_wall_that_is_lost_in_a_restart_is_lost_though_the_container_was_away() -> None:
    watch = killed((0, totals(web=0)))
    for report in (judged(NOW, web=PASS), judged(NOW + 20), judged(NOW + 40, web=FAIL)):
        watch = after_report(watch, report, SURE_SECONDS)
    watch = after_report(watch, judged(NOW + 60, web=FAIL), SURE_SECONDS)
    assert names(watch) == [("BulkheadCriticalCheckFailing", "web")]


def test_a_wall_that_is_lost_and_then_hidden_is_one_alert_from_its_fall_on_and_ends_with_its_container() -> None:
    watch = killed((0, totals(web=0)))
    for number, verdict in enumerate((PASS, FAIL, FAIL)):
        watch = after_report(watch, judged(NOW + 20 * number, web=verdict), SURE_SECONDS)
    (lost,) = holding(watch, ORIGIN)
    hidden = after_report(watch, judged(NOW + 86_400, web=UNKNOWN), SURE_SECONDS)
    (held,) = holding(hidden, ORIGIN)
    assert (held, held.since_seconds) == (lost, NOW + 20)
    away = after_report(hidden, judged(NOW + 86_420), SURE_SECONDS)
    assert names(away) == []
    # A restart is no way to get rid of it.
    assert names(after_report(away, judged(NOW + 86_440, web=UNKNOWN), SURE_SECONDS)) == names(watch)


@pytest.mark.parametrize(("verdict", "lost"), [(UNKNOWN, True), (FAIL, True), (WAIVED, False), (PASS, False)])
def test_a_limit_that_is_lost_stays_so_while_it_cannot_be_judged(verdict: Verdict, lost: bool) -> None:  # noqa: FBT001 - a table
    def report(at: float, drifts: tuple[LimitDrift, ...], verdict: Verdict) -> Report:
        finding = Finding("limits_applied", Severity.CRITICAL, Outcome(verdict, ""))
        return Report(at, (ContainerReport("web", "running", findings=(finding,), limit_drifts=drifts),), ())

    watch = killed((0, totals(web=0)))
    for at, holds in ((0, False), (20, True), (40, True)):
        drift = LimitDrift("memory", Drift.NOT_APPLIED, holds)
        watch = after_report(watch, report(NOW + at, (drift,), FAIL if holds else PASS), SURE_SECONDS)
    watch = after_report(watch, report(NOW + 60, (), verdict), SURE_SECONDS)
    assert names(watch) == ([("BulkheadLimitNotApplied", "web")] if lost else [])


def test_a_limit_that_was_in_force_and_is_not_is_told_by_resource_and_not_by_its_check_too() -> None:
    def report(at: float, *, holds: bool) -> Report:
        drifts = tuple(
            LimitDrift(resource, kind, holds and resource == "memory")
            for resource in ("memory", "pids")
            for kind in (Drift.NOT_APPLIED, Drift.MISMATCH)
        )
        verdict = Outcome(FAIL if holds else PASS, "")
        finding = Finding("limits_applied", Severity.CRITICAL, verdict)
        return Report(at, (ContainerReport("web", "running", findings=(finding,), limit_drifts=drifts),), ())

    watch = killed((0, totals(web=0)))
    for at, holds in ((0, False), (20, True), (40, True)):
        watch = after_report(watch, report(NOW + at, holds=holds), SURE_SECONDS)
    (told,) = holding(watch, ORIGIN)
    assert (told.labels["alertname"], told.labels["resource"]) == ("BulkheadLimitNotApplied", "memory")
    assert names(after_report(watch, report(NOW + 60, holds=False), SURE_SECONDS)) == []


def starting(now_seconds: float) -> Report:
    return Report(now_seconds, (ContainerReport("web", "running", is_starting=True),), ())


def test_a_wall_that_is_lost_is_lost_while_its_container_starts_and_begins_no_second_time() -> None:
    watch = killed((0, totals(web=0)))
    for number, verdict in enumerate((PASS, FAIL, FAIL)):
        watch = after_report(watch, judged(NOW + 20 * number, web=verdict), SURE_SECONDS)
    (lost,) = holding(watch, ORIGIN)
    watch = after_report(watch, starting(NOW + 50), SURE_SECONDS)
    assert holding(watch, ORIGIN) == (lost,)
    watch = after_report(watch, judged(NOW + 55, web=FAIL), SURE_SECONDS)
    assert holding(watch, ORIGIN) == (lost,)
    assert names(after_report(watch, judged(NOW + 60, web=PASS), SURE_SECONDS)) == []


def test_a_wall_that_stood_is_not_lost_by_a_start() -> None:
    watch = killed((0, totals(web=0)))
    for report in (judged(NOW, web=PASS), starting(NOW + 20), starting(NOW + 40), judged(NOW + 60, web=PASS)):
        watch = after_report(watch, report, SURE_SECONDS)
        assert names(watch) == []


def test_walls_of_a_container_that_the_ledger_has_forgotten_are_forgotten() -> None:
    watch = after_report(killed((0, totals(web=0))), judged(NOW, web=PASS), SURE_SECONDS)
    assert watch.walls
    watch = after_report(killed((5, totals()), watch=watch), judged(NOW + 5), SURE_SECONDS)
    assert not watch.walls


def test_of_a_watch_that_was_read_late_kills_of_between_are_news_and_those_told_since_are_not() -> None:
    kept = killed((0, totals(web=2, db=1)))
    began = killed((7200, totals(web=5, db=1, new=4)), (7230, totals(web=6, db=1, new=4)))
    both = joined(kept, began)
    assert {alert.labels["container"] for alert in holding(began, ORIGIN)} == {"web"}
    assert both.oom_kills == {"web": 3, "db": 1, "new": 4}
    after = killed((7240, totals(web=6, db=1, new=4)), watch=both)
    assert {name: kills.count for name, kills in after.kills.items()} == {"web": 4}
