from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards.example_prometheus import Prometheus, prometheus_of_the_example


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with prometheus_of_the_example(tmp_path_factory.mktemp("prometheus")) as running:
        yield running
