"""Pages made of reports: once for all who ask at one moment, and in the format that is asked for."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from exporter.app.pages import RenderedPages
from exporter.report.host import Report
from tests.present.reports import container, rich_report


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_page_of_the_same_moment_is_the_same_page_and_a_later_one_is_new() -> None:
    clock, made = Clock(), []

    def report() -> Report:
        made.append(1)
        return rich_report()

    pages = RenderedPages(report, lambda: True, clock=clock)
    first = pages.answer("/metrics", None, None)
    clock.now += 0.4
    assert pages.answer("/metrics", None, None).body is first.body
    assert pages.answer("/metrics", None, "gzip").is_gzip
    assert len(made) == 1
    clock.now += 0.2
    pages.answer("/metrics", None, None)
    assert len(made) == 2


def test_each_format_is_made_for_itself() -> None:
    pages = RenderedPages(rich_report, lambda: True, clock=Clock())
    text = pages.answer("/metrics", None, None)
    openmetrics = pages.answer("/metrics", "application/openmetrics-text", None)
    assert openmetrics.body.endswith(b"# EOF\n")
    assert not text.body.endswith(b"# EOF\n")


def test_what_fails_is_raised_and_is_no_page_for_the_next_who_asks() -> None:
    broken = [True]

    def report() -> Report:
        if broken:
            raise ValueError("no report")
        return rich_report()

    pages = RenderedPages(report, lambda: True, clock=Clock())
    with pytest.raises(ValueError, match="no report"):
        pages.answer("/metrics", None, None)
    broken.clear()
    assert pages.answer("/metrics", None, None).body


def test_a_container_that_has_too_many_series_is_logged_once_each_time_that_it_begins(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    mounts = tuple(replace(container().datasets[0], destination=f"/{number}") for number in range(2_000))
    usual, hiding = (rich_report(containers=(container("web", datasets=of),)) for of in (mounts[:1], mounts))
    reports = iter((usual, hiding, hiding, usual, hiding))
    pages = RenderedPages(lambda: next(reports), lambda: True, clock=clock)
    logged = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in range(5):
            caplog.clear()
            clock.now += 1
            pages.answer("/metrics", None, None)
            logged.append([vars(record)["container"] for record in caplog.records])
    assert logged == [[], ["web"], [], [], ["web"]]
