from __future__ import annotations

import pytest

from exporter.service import url_to_open


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::", "http://localhost:9946/"),
        ("0.0.0.0", "http://localhost:9946/"),
        ("127.0.0.1", "http://127.0.0.1:9946/"),
        ("fd00::1", "http://[fd00::1]:9946/"),
    ],
)
def test_the_url_is_one_that_a_browser_opens(host: str, url: str) -> None:
    assert url_to_open(host, 9946) == url
