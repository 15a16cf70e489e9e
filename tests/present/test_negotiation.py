from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.present.negotiation import accepts_gzip, accepts_openmetrics

_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;"
    "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    "accept",
    [_PROMETHEUS_2, _PROMETHEUS_3, "application/openmetrics-text", "Application/OpenMetrics-Text; Version=1.0.0 ; Q=1"],
)
def test_who_asks_for_openmetrics_gets_it(accept: str) -> None:
    assert accepts_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0.4,text/plain;q=0.5",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=1e9",
        ",;=,;q=,",
    ],
)
def test_everybody_else_gets_the_text_format(accept: str | None) -> None:
    assert not accepts_openmetrics(accept)


@pytest.mark.parametrize(
    "accept", ["gzip", "GZIP;q=0.001", "br;q=1.0, gzip;q=0.8, *;q=0.1", "x-gzip", "*", "deflate,*"]
)
def test_gzip_is_taken(accept: str) -> None:
    assert accepts_gzip(accept)


@pytest.mark.parametrize(
    "accept",
    [None, "", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0.2, identity;q=0.5", "br", "gzip;q=2"],
)
def test_gzip_is_not_taken(accept: str | None) -> None:
    assert not accepts_gzip(accept)


@given(st.text())
def test_no_header_is_too_strange(header: str) -> None:
    accepts_gzip(header)
    accepts_openmetrics(header)
