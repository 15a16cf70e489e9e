"""Pages as data: the samples of a page by name and labels, read by prometheus_client's own parsers."""

from __future__ import annotations

from typing import TypeAlias

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.present.metrics.exposition import render
from exporter.report.host import Report

OPENMETRICS = "application/openmetrics-text"
Samples: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(report: Report) -> Samples:
    """Every sample of the report's page in text format."""
    return parsed(render(report, None)[0])


def parsed(page: bytes) -> Samples:
    """Every sample of a page, whichever format it is in; fails on a sample that is there twice."""
    text = page.decode()
    families = openmetrics_families if text.endswith("# EOF\n") else text_families
    found: Samples = {}
    for family in families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def value(page: Samples, name: str, **labels: str) -> float | None:
    """One sample's value; None when it is absent."""
    return page.get(("bulkhead_" + name, frozenset(labels.items())))


def states(page: Samples, name: str, label: str, **labels: str) -> dict[str, float]:
    """A state set: state -> value."""
    wanted = set(labels.items())
    found = {}
    for (sample, pairs), number in page.items():
        if sample == "bulkhead_" + name and wanted < pairs:
            found[dict(pairs)[label]] = number
    return found
