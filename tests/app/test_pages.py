"""Pages made of reports: once for all who ask at one moment, and in the format that is asked for."""

from __future__ import annotations

import pytest

from exporter.app.pages import RenderedPages
from exporter.report.host import Report
from tests.present.reports import rich_report


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
