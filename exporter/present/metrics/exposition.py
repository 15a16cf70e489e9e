"""The metrics page as bytes: the text format 0.0.4 or OpenMetrics 1.0, by prometheus_client's encoders.

# HELP bulkhead_container_memory_ratio Working set over limit at the level nearest to its limit, ...
# TYPE bulkhead_container_memory_ratio gauge
bulkhead_container_memory_ratio{container="objects02"} 0.793

In OpenMetrics a counter's metadata leaves out `_total`, and the page ends with `# EOF`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from prometheus_client.exposition import generate_latest as text_page
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_CONTENT_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_page
from prometheus_client.samples import Sample as ClientSample

from exporter.present.metrics.catalogue import FAMILIES
from exporter.present.metrics.family import Family, Kind, Sample
from exporter.present.metrics.guard import Bounds, Owner, Row, kind_of, series_by_owner, turned_away
from exporter.present.metrics.itself import DETAILS_DROPPED, SERIES_DROPPED
from exporter.present.negotiation import accepts_openmetrics
from exporter.present.untrusted import bounded
from exporter.report.host import Report

# prometheus_client 0.22 gave its own constant of this value another name.
TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EOF = b"# EOF\n"
_HISTOGRAM_SUFFIXES = frozenset({"_bucket", "_count", "_sum"})


class DeclarationError(Exception):
    """A family's samples do not agree with its row: a mistake in the program, never the host's."""


@dataclass(slots=True)
class _Encoded:
    """One family as it stood on the page last: most of a page is the same in the next scrape."""

    samples: Sequence[Sample]
    metric: Metric
    duplicates: int
    text: bytes | None = None
    openmetrics: bytes | None = None


class Exposition:
    """The page with memory: who came first, how many series were ever left out, and what has not changed.

    One thread at a time.
    """

    def __init__(self, bounds: Bounds | None = None, families: Sequence[Family] = FAMILIES) -> None:
        self._bounds = bounds or Bounds()
        self._families = families
        self._names = frozenset(family.name for family in families)
        self._encoded: dict[str, _Encoded] = {}
        self._arrival: dict[Owner, int] = {}
        self._dropped: Counter[str] = Counter()
        self.details_dropped: Mapping[str, int] = {}
        """How many series of details the last page left out, of each container that it left any out of."""

    def render(self, report: Report, accept: str | None) -> tuple[bytes, str]:
        """The page and its content type, as the Accept header asks. Raises DeclarationError."""
        rows: list[Row] = [(family, tuple(family.samples(report))) for family in self._families]
        fitting = self._fitting(rows, report)
        for family, samples in fitting:
            if family is not SERIES_DROPPED:  # comes last: it counts what the others lost
                self._dropped["duplicate"] += self._encoding(family, samples).duplicates
        if SERIES_DROPPED.name in self._names:
            counted = replace(report, series_dropped=tuple(self._dropped.items()))
            self._encoding(SERIES_DROPPED, tuple(SERIES_DROPPED.samples(counted)))
        shown = [(family, self._encoded[family.name]) for family, _ in fitting]
        if accepts_openmetrics(accept):
            body = b"".join(self._openmetrics(family, one) for family, one in shown if one.metric.samples)
            return body + _EOF, OPENMETRICS_CONTENT_TYPE
        return b"".join(_text(one) for _, one in shown if one.metric.samples), TEXT_CONTENT_TYPE

    def _encoding(self, family: Family, samples: Sequence[Sample]) -> _Encoded:
        """The family with these samples; what was encoded of it before, if they are the same."""
        known = self._encoded.get(family.name)
        if known is None or known.samples != samples:
            metric = _metric(family)
            known = self._encoded[family.name] = _Encoded(samples, metric, _fill(metric, family, samples))
        return known

    def _openmetrics(self, family: Family, one: _Encoded) -> bytes:
        if one.openmetrics is None:
            metric = one.metric
            # OpenMetrics calls a counter by its name without _total. Where a gauge has that name, the counter
            # is of unknown type there: the only way to keep both names (zfs_dataset_written_bytes).
            if metric.name != family.name and metric.name in self._names:
                metric = Metric(family.name, family.help, "unknown")
                metric.samples = one.metric.samples
            body: bytes = openmetrics_page(_Page([metric]))  # type: ignore[no-untyped-call]
            one.openmetrics = body.removesuffix(_EOF)
        return one.openmetrics

    def _fitting(self, rows: list[Row], report: Report) -> list[Row]:
        counts = series_by_owner(rows)
        # Who left is forgotten: memory does not grow with the containers that ever were.
        known = {owner: number for owner, number in self._arrival.items() if owner in counts}
        latest = max(known.values(), default=0)
        new = (owner for owner in counts if owner is not None and owner[0] != "details" and owner not in known)
        self._arrival = known | {owner: number for number, owner in enumerate(new, start=latest + 1)}
        mounted = frozenset(mounted.dataset for one in report.containers for mounted in one.datasets)
        reasons = turned_away(counts, self._arrival, mounted, self._bounds)
        self.details_dropped = {
            name: counts[kind, name]
            for kind, name in reasons
            if kind == "details" and ("container", name) not in reasons
        }
        if not reasons:
            return rows
        for owner, reason in reasons.items():
            self._dropped[reason] += counts[owner]
        return [self._without(reasons, family, samples) for family, samples in rows]

    def _without(self, reasons: Mapping[Owner, str], family: Family, samples: Sequence[Sample]) -> Row:
        kind = kind_of(family)
        if kind:
            samples = [sample for sample in samples if (kind, sample.labels[0]) not in reasons]
        if family is DETAILS_DROPPED:
            samples = [replace(sample, value=self.details_dropped.get(sample.labels[0], 0)) for sample in samples]
        return family, samples


def render(report: Report, accept: str | None) -> tuple[bytes, str]:
    """One page without memory, and its content type, as the Accept header asks. Raises DeclarationError."""
    return Exposition().render(report, accept)


def _text(one: _Encoded) -> bytes:
    if one.text is None:
        one.text = text_page(_Page([one.metric]))
    return one.text


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
