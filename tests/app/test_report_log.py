from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from exporter.app.report_log import logging_left_out, logging_overdue_starts, logging_waivers
from exporter.report.container import ContainerReport
from exporter.report.findings import WaiverReport, WaiverState
from exporter.report.host import Report
from tests.assess.snapshots import NOW


def with_waiver(state: WaiverState) -> Report:
    return Report(0.0, (), (), waivers=(WaiverReport("old*", "rootful", "why not", None, state),))


def test_an_ailing_waiver_is_logged_once_each_time_that_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    ailing, well = with_waiver(WaiverState.UNMATCHED), with_waiver(WaiverState.IDLE)
    reports: Iterator[Report] = iter((well, ailing, ailing, well, ailing, with_waiver(WaiverState.EXPIRED)))
    report = logging_waivers(lambda: next(reports))
    logged = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in range(6):
            caplog.clear()
            report()
            logged.append([record.getMessage() for record in caplog.records])
    unmatched = ["a waiver matches no container"]
    assert logged[:5] == [[], unmatched, [], [], unmatched]
    assert logged[5][0].startswith("a waiver has expired")
    assert vars(caplog.records[0])["container"] == "old*"


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


def test_whose_containers_are_left_out_is_logged_once_each_time_that_it_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    owners = ((), (("alice", 3),), (("", 1), ("alice", 9)), (), (("alice", 3),))
    reports = iter([Report(NOW, (), (), dropped_by_owner=of) for of in owners])
    report = logging_left_out(lambda: next(reports))
    logged = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in owners:
            caplog.clear()
            report()
            logged.append([(vars(record)["owner"], vars(record)["count"]) for record in caplog.records])
    assert logged == [[], [("alice", 3)], [("root", 1)], [], [("alice", 3)]]
