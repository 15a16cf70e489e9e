"""What a metric is: one row of a table, with a pure function from the report to its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from exporter.assess.report import Report


class Kind(StrEnum):
    """The exposition's types that Bulkhead uses."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: label values in the order of the family's labels."""

    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. A counter's name ends in `_total`."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...]
    cardinality: str  # for the reference: "1 a container", "1 a dataset", ...
    samples: Callable[[Report], Iterable[Sample]]
