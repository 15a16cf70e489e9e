"""The metrics page as bytes: the text format 0.0.4 or OpenMetrics 1.0, by prometheus_client's encoders.

# HELP bulkhead_container_memory_ratio Working set over limit at the level nearest to its limit, ...
# TYPE bulkhead_container_memory_ratio gauge
bulkhead_container_memory_ratio{container="objects02"} 0.793

In OpenMetrics a counter's metadata leaves out `_total`, and the page ends with `# EOF`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from prometheus_client.exposition import generate_latest as text_page
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_CONTENT_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from prometheus_client.samples import Sample as ClientSample

from exporter.assess.report import Report
from exporter.present.metrics.catalogue import FAMILIES
from exporter.present.metrics.family import Family, Kind, Sample
from exporter.present.metrics.guard import Bounds, Owner, Row, owner_of, series_by_owner, turned_away
from exporter.present.metrics.itself import SERIES_DROPPED
from exporter.present.negotiation import accepts_openmetrics
from exporter.present.untrusted import bounded

# prometheus_client 0.22 gave its own constant of this value another name.
TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HISTOGRAM_SUFFIXES = frozenset({"_bucket", "_count", "_sum"})


class DeclarationError(Exception):
    """A family's samples do not agree with its row: a mistake in the program, never the host's."""


class Exposition:
    """The page with memory: who came first, and how many series were ever left out. One thread at a time."""

    def __init__(self, bounds: Bounds | None = None, families: Sequence[Family] = FAMILIES) -> None:
        self._bounds = bounds or Bounds()
        self._families = families
        self._arrival: dict[Owner, int] = {}
        self._dropped: Counter[str] = Counter()

    def render(self, report: Report, accept: str | None) -> tuple[bytes, str]:
        """The page and its content type, as the Accept header asks. Raises DeclarationError."""
        rows: list[Row] = [(family, tuple(family.samples(report))) for family in self._families]
        metrics: dict[str, Metric] = {}
        for family, samples in self._fitting(rows, report):
            metrics[family.name] = metric = _metric(family)
            self._dropped["duplicate"] += _fill(metric, family, samples)
        if SERIES_DROPPED.name in metrics:
            counted = replace(report, series_dropped=tuple(self._dropped.items()))
            metrics[SERIES_DROPPED.name] = metric = _metric(SERIES_DROPPED)
            _fill(metric, SERIES_DROPPED, SERIES_DROPPED.samples(counted))
        page = _Page([metric for metric in metrics.values() if metric.samples])
        if not accepts_openmetrics(accept):
            return text_page(page), TEXT_CONTENT_TYPE
        # OpenMetrics calls a counter by its name without _total. Where a gauge has that name, the counter
        # is of unknown type there: the only way to keep both names (zfs_dataset_written_bytes).
        for name, metric in metrics.items():
            if metric.name != name and metric.name in metrics:
                metric.name, metric.type = name, "unknown"
        body: bytes = openmetrics_page(page)  # type: ignore[no-untyped-call]
        return body, OPENMETRICS_CONTENT_TYPE

    def _fitting(self, rows: list[Row], report: Report) -> list[Row]:
        counts = series_by_owner(rows)
        # Who left is forgotten: memory does not grow with the containers that ever were.
        known = {owner: number for owner, number in self._arrival.items() if owner in counts}
        latest = max(known.values(), default=0)
        new = (owner for owner in counts if owner is not None and owner not in known)
        self._arrival = known | {owner: number for number, owner in enumerate(new, start=latest + 1)}
        mounted = frozenset(mounted.dataset for one in report.containers for mounted in one.datasets)
        reasons = turned_away(counts, self._arrival, mounted, self._bounds)
        if not reasons:
            return rows
        for owner, reason in reasons.items():
            self._dropped[reason] += counts[owner]
        return [
            (family, [sample for sample in samples if owner_of(family, sample) not in reasons])
            for family, samples in rows
        ]


def render(report: Report, accept: str | None) -> tuple[bytes, str]:
    """One page without memory, and its content type, as the Accept header asks. Raises DeclarationError."""
    return Exposition().render(report, accept)


class _Page:
    """What prometheus_client's encoders ask for: something to collect from."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _metric(family: Family) -> Metric:
    return Metric(family.name.removesuffix("_total"), family.help, family.kind.value)


def _fill(metric: Metric, family: Family, samples: Iterable[Sample]) -> int:
    # prometheus_client checks none of this in custom families: too few label values would silently drop labels.
    duplicates = 0
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for sample in samples:
        names = _label_names(family, sample)
        if len(sample.labels) != len(names):
            raise DeclarationError(f"{family.name} has labels {names}, and a sample with {len(sample.labels)} values")
        try:
            values = tuple(map(bounded, sample.labels))
            value = float(sample.value)
        except (AttributeError, TypeError) as error:
            raise DeclarationError(f"{family.name} has a sample with a wrong type: {error}") from error
        key = sample.suffix, values
        if key in seen:
            duplicates += 1  # one series twice fails the whole scrape: the first stands
            continue
        seen.add(key)
        metric.samples.append(ClientSample(family.name + sample.suffix, dict(zip(names, values, strict=True)), value))
    return duplicates


def _label_names(family: Family, sample: Sample) -> tuple[str, ...]:
    allowed = _HISTOGRAM_SUFFIXES if family.kind is Kind.HISTOGRAM else {""}
    if sample.suffix not in allowed:
        raise DeclarationError(f"{family.name} is a {family.kind} and has a sample with suffix {sample.suffix!r}")
    return (*family.labels, "le") if sample.suffix == "_bucket" else family.labels
