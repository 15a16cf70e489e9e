from __future__ import annotations

import logging

import pytest

from exporter.app.lives import following_lives, has_starting_processes, logging_overdue_starts
from exporter.assess.report import ContainerReport, Report
from exporter.facts.process import ProcessTable
from tests.assess.snapshots import NOW
from tests.assess.starting import PAYLOAD, RUNTIME, after


def test_processes_of_a_runtime_are_not_finished() -> None:
    assert has_starting_processes(ProcessTable((PAYLOAD, RUNTIME), ()))
    assert not has_starting_processes(ProcessTable((PAYLOAD,), ()))


def test_each_snapshot_carries_what_the_ones_before_it_showed() -> None:
    snapshots = iter((after(NOW + 1), after(NOW + 2)))
    taken = following_lives(lambda: next(snapshots))
    first, second = taken(), taken()
    assert first.lives is not None
    assert second.lives == first.lives
    assert all(not life.lacks for life in first.lives.values())


def test_a_start_that_never_ends_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    lacks = "its first process is still the runtime's"
    start, overdue = (
        Report(NOW, (ContainerReport("web", "running", id="a" * 64, is_starting=starts, lacks=lacks),), ())
        for starts in (True, False)
    )
    reports = iter((overdue, start, start, overdue, overdue))
    report = logging_overdue_starts(lambda: next(reports))
    told = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in range(5):
            caplog.clear()
            report()
            told.append([(vars(record)["container"], vars(record)["reason"]) for record in caplog.records])
    assert told == [[], [], [], [("web", lacks)], []], "nor what had begun before the agent did"
