from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from exporter.assess.report import Report, WaiverReport, WaiverState
from exporter.host_sources import telling_waivers


def with_waiver(state: WaiverState) -> Report:
    return Report(0.0, (), (), waivers=(WaiverReport("old*", "rootful", "why not", None, state),))


def test_an_ailing_waiver_is_told_once_each_time_that_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    ailing, well = with_waiver(WaiverState.UNMATCHED), with_waiver(WaiverState.IDLE)
    reports: Iterator[Report] = iter((well, ailing, ailing, well, ailing, with_waiver(WaiverState.EXPIRED)))
    report = telling_waivers(lambda: next(reports))
    told = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in range(6):
            caplog.clear()
            report()
            told.append([record.getMessage() for record in caplog.records])
    unmatched = ["a waiver matches no container"]
    assert told[:5] == [[], unmatched, [], [], unmatched]
    assert told[5][0].startswith("a waiver has expired")
    assert vars(caplog.records[0])["container"] == "old*"
