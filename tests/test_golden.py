"""The pages of the rich host made by hand, byte for byte. `make golden` rewrites them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.present.metrics.exposition import render
from exporter.present.page import landing_page
from exporter.present.reference import with_reference
from tests.present.reports import rich_report

README = Path(__file__).parent.parent / "README.md"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def _page(accept: str | None) -> str:
    # prometheus_client 0.21 writes e+011 where later ones write e+11: the same number.
    return re.sub(r"e\+0(\d\d)$", r"e+\1", render(rich_report(), accept)[0].decode(), flags=re.MULTILINE)


def test_the_metrics_page_in_text_format(golden: Callable[[str, str], None]) -> None:
    golden("rich.prom", _page(None))


def test_the_metrics_page_in_openmetrics(golden: Callable[[str, str], None]) -> None:
    golden("rich.openmetrics", _page(OPENMETRICS))


def test_the_landing_page(golden: Callable[[str, str], None]) -> None:
    golden("rich.html", landing_page(rich_report()))


def test_the_readme_has_the_reference_of_all_metrics(update_golden: bool) -> None:  # noqa: FBT001 - pytest passes fixtures by name
    document = README.read_text(encoding="utf-8")
    wanted = with_reference(document)
    if update_golden:
        README.write_text(wanted, encoding="utf-8")
    elif document != wanted:
        pytest.fail("README.md has not the metrics that are served: run `make golden`")
