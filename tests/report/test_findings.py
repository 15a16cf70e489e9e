from __future__ import annotations

from exporter.report.findings import Severity, last_day


def test_critical_is_graver_than_warning_and_warning_than_info() -> None:
    assert Severity.CRITICAL.rank < Severity.WARNING.rank < Severity.INFO.rank


def test_the_last_day_is_the_date_that_was_written() -> None:
    assert last_day(1_801_440_000) == "2027-01-31"
