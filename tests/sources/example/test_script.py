from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.assess.assessment import Build, assess
from exporter.assess.storage.datasets import quota_ratio
from exporter.report.container import ContainerReport, LabelKind
from exporter.report.findings import Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from exporter.sources.example import ExampleHost, load_recording
from exporter.sources.example.script import FILLING, INTRUDED, KILLED, LOOPING
from tests.effort import examples

BEGAN = 1_800_000_000.0
RECORDING = load_recording()
MOMENTS = st.floats(min_value=0, max_value=7 * 86400, allow_nan=False)


def report_after(seconds: float) -> Report:
    return assess(ExampleHost(RECORDING, BEGAN).snapshot(BEGAN + seconds), Thresholds(), Build(is_example=True))


def container(report: Report, name: str) -> ContainerReport:
    return next(one for one in report.containers if one.name == name)


def first(holds: Callable[[Report], bool], *, within_seconds: int) -> Report:
    return next(report for second in range(0, within_seconds, 5) if holds(report := report_after(second)))


def test_the_recorded_host_is_the_labs() -> None:
    names = {container.name for container in RECORDING.podman}
    assert {KILLED, LOOPING, INTRUDED, FILLING} <= names
    assert len(names) > 25


@settings(max_examples=examples(25))
@given(MOMENTS, MOMENTS)
def test_counters_never_go_back(one: float, other: float) -> None:
    earlier, later = report_after(min(one, other)), report_after(max(one, other))
    for before in earlier.containers:
        after = next((report for report in later.containers if report.name == before.name), None)
        if after is None:
            continue
        if before.oom_kills is not None and after.oom_kills is not None:
            assert after.oom_kills >= before.oom_kills
        if before.restarts is not None and after.restarts is not None:
            assert after.restarts >= before.restarts


@settings(max_examples=examples(25))
@given(MOMENTS)
def test_no_level_ever_holds_more_than_its_limit(seconds: float) -> None:
    for report in report_after(seconds).containers:
        for level in report.cgroups.levels if report.cgroups else ():
            if level.memory_max_bytes is not None:
                assert (level.memory_current_bytes or 0) <= level.memory_max_bytes


@settings(max_examples=examples(25))
@given(MOMENTS)
def test_every_container_is_named_by_podman_or_by_its_conmon(seconds: float) -> None:
    named = {container.name for container in report_after(seconds).containers}
    recorded = {container.name for container in RECORDING.podman}
    assert recorded <= named, "a dead one is expected by its quadlet"


def test_memory_rises_and_falls() -> None:
    ratios = {container(report_after(second), "objects02").memory.ratio for second in range(0, 600, 60)}
    assert len(ratios) > 5


def test_one_container_is_killed_and_comes_back_under_another_id() -> None:
    before = container(report_after(1), KILLED)
    away = container(first(lambda report: container(report, KILLED).state == "missing", within_seconds=200), KILLED)
    assert away.oom_kills == (before.oom_kills or 0) + 1, "its slice remembers while it is away"
    after = container(report_after(90), KILLED)
    assert before.id != after.id
    assert after.oom_kills == away.oom_kills
    assert (after.restarts or 0) > (before.restarts or 0)


def test_its_volumes_come_back_with_it() -> None:
    for seconds in (1, 90):
        (volume,) = container(report_after(seconds), KILLED).volumes
        assert (volume.destination, volume.label) == ("/data", LabelKind.PRIVATE)


def test_it_dies_with_its_memory_full() -> None:
    ratios = [container(report_after(second), KILLED).memory.ratio or 0 for second in range(0, 85, 5)]
    assert max(ratios) > 0.9


def test_one_container_loops_without_being_killed() -> None:
    later = container(report_after(360), LOOPING)
    assert (later.restarts or 0) >= 10
    assert (later.oom_kills or 0) == (container(report_after(0), LOOPING).oom_kills or 0)


def test_while_it_is_away_a_quadlet_misses_it() -> None:
    away = first(lambda report: container(report, LOOPING).state == "missing", within_seconds=60)
    unit = container(away, LOOPING).unit
    assert unit is not None
    assert unit.sub_state == "auto-restart"


def test_one_dataset_fills_up_to_its_alarm() -> None:
    def fullest(report: Report) -> float:
        mounted = {one.dataset for one in container(report, FILLING).datasets}
        return max(quota_ratio(one) or 0 for one in report.datasets if one.name in mounted)

    assert fullest(report_after(0)) < 0.5
    assert fullest(report_after(1190)) > Thresholds().quota_critical_ratio


def test_one_wall_falls_for_a_while_and_stands_again() -> None:
    def verdict(seconds: float) -> Verdict:
        findings = container(report_after(seconds), INTRUDED).findings
        return next(one.outcome.verdict for one in findings if one.check == "all_capabilities_dropped")

    assert verdict(60) is Verdict.PASS
    assert verdict(550) is Verdict.FAIL
    assert verdict(660) is Verdict.PASS


@pytest.mark.parametrize("seconds", [0, 77, 599])
def test_the_same_moment_is_always_the_same_page(seconds: float) -> None:
    assert report_after(seconds) == report_after(seconds)
