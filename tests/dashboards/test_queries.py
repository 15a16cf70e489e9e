from __future__ import annotations

import re
import shutil
import warnings
from typing import Any

import pytest

from exporter.report.thresholds import Thresholds
from tests.dashboards.boards import QUERIES, Query
from tests.dashboards.example_prometheus import HOSTS, Prometheus
from tests.dashboards.maybe_empty import ON_THE_EXAMPLE_HOST
from tests.promql import unknown_names

MISSING = [program for program in ("prometheus", "promtool") if shutil.which(program) is None]
if MISSING:
    warnings.warn(f"{', '.join(MISSING)} not installed: no query is run", stacklevel=1)
needs_prometheus = pytest.mark.skipif(bool(MISSING), reason=f"NOT SHOWN: {', '.join(MISSING)} not installed")

# What Prometheus makes of the rules: ALERTS.
OF_RULES = {"label alertname"}
MOST_CONTAINERS, POINTS_OF_A_GRAPH = 500, 1000
HOURS_SHOWN_OVER_TEN_MINUTES = 36
MOST_SAMPLES = 5_000_000
"""A tenth of what Prometheus allows a query by default; it reads some millions a second."""


def with_ids(queries: tuple[Query, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("query", queries, ids=[query.name for query in queries])


@with_ids(QUERIES)
def test_a_query_asks_for_what_is_served_on_the_chosen_hosts(query: Query) -> None:
    assert set(unknown_names(query.expr)) <= OF_RULES
    selectors = re.findall(r"(?:bulkhead_\w+|scrape_\w+|\bup|ALERTS)(\{[^}]*\})", query.expr)
    assert selectors
    assert len(selectors) == len(re.findall(r"bulkhead_\w+|scrape_\w+|\bup\b|ALERTS", query.expr))
    assert all('job=~"$job"' in selector and 'instance=~"$instance"' in selector for selector in selectors)


def test_thresholds_that_are_asked_for_are_served() -> None:
    for query in QUERIES:
        for asked in re.findall(r'bulkhead_threshold\{[^}]*name=~?"([^"]+)"', query.expr):
            for name in _alternatives(asked):
                assert name in dict(Thresholds().as_pairs()), query.name


@needs_prometheus
@with_ids(QUERIES)
def test_a_query_returns_data_on_the_example_host(query: Query, prometheus: Prometheus) -> None:
    found = _found(query, prometheus)
    if not any(reason in query.expr for reason in ON_THE_EXAMPLE_HOST):
        assert found
    named = {series["metric"].get("instance") for series in found} - {None}
    assert named in (set(), set(HOSTS)), "what one host has the other has, too: they are the same"


@needs_prometheus
@pytest.mark.parametrize("asked", ON_THE_EXAMPLE_HOST)
def test_what_may_be_empty_is(asked: str, prometheus: Prometheus) -> None:
    concerned = [query for query in QUERIES if asked in query.expr]
    assert any(not _found(query, prometheus) for query in concerned), f"delete {asked!r} from maybe_empty.py"


@needs_prometheus
@with_ids(QUERIES)
def test_a_query_reads_few_samples_on_a_fleet_of_five_hundred_containers(query: Query, prometheus: Prometheus) -> None:
    containers = float(prometheus.at_the_end("count(bulkhead_container_info)")[0]["value"][1])
    # The dashboard of one container is of one, however large the fleet.
    chosen = "objects02" if query.board == "container" else ".*"
    at_a_moment = prometheus.samples_read(query.chosen(container=chosen)) * MOST_CONTAINERS / containers
    if query.is_instant:
        read = at_a_moment * (HOURS_SHOWN_OVER_TEN_MINUTES if "$__range" in query.expr else 1)
    else:
        read = at_a_moment * POINTS_OF_A_GRAPH
    assert read < MOST_SAMPLES


@needs_prometheus
def test_every_rule_is_evaluated_without_error_on_the_example_host(prometheus: Prometheus) -> None:
    rules = prometheus.rules()
    assert rules
    for rule in rules:
        prometheus.at_the_end(rule["query"])


def _found(query: Query, prometheus: Prometheus) -> list[dict[str, Any]]:
    """At the end of the ten minutes; or at some moment of them, as for what comes and goes."""
    now = prometheus.at_the_end(query.chosen()) if query.is_instant else []
    return now or prometheus.over_time(query.chosen())


def _alternatives(pattern: str) -> list[str]:
    found = re.fullmatch(r"(\w*)\(([\w|]+)\)(\w*)", pattern)
    return [found[1] + each + found[3] for each in found[2].split("|")] if found else [pattern]
