"""What a metric is: one row of a table, with a pure function from the report to its samples.

    Family(
        "bulkhead_container_memory_peak_bytes",
        "Highest memory use of the container since it started (memory.peak of the payload cgroup).",
        Kind.GAUGE,
        ("container",),
        "1 a container",
        of_payloads(lambda use: use.memory_peak_bytes),
    )

A value of None is no sample: absent is not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from exporter.facts.cgroup import PayloadUse
from exporter.report.container import ContainerReport
from exporter.report.host import Report


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
    suffix: str = ""  # of a histogram: _bucket (with one label value more, le, the last), _sum, _count


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. A counter's name ends in `_total`."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...]
    cardinality: str  # for the reference: "1 a container", "1 a dataset", ...
    samples: Callable[[Report], Iterable[Sample]]


def of_report(value: Callable[[Report], float | None]) -> Callable[[Report], Iterator[Sample]]:
    """One sample without labels."""

    def samples(report: Report) -> Iterator[Sample]:
        figure = value(report)
        if figure is not None:
            yield Sample((), figure)

    return samples


def of_containers(value: Callable[[ContainerReport], float | None]) -> Callable[[Report], Iterator[Sample]]:
    """One sample a container, labelled with its name."""

    def samples(report: Report) -> Iterator[Sample]:
        for one in report.containers:
            figure = value(one)
            if figure is not None:
                yield Sample((one.name,), figure)

    return samples


def of_payloads(value: Callable[[PayloadUse], float | None]) -> Callable[[Report], Iterator[Sample]]:
    """One sample a container whose cgroups were read: what its payload uses, labelled with the container's name."""
    return of_containers(lambda one: value(one.cgroups.use) if one.cgroups else None)


def labelled_containers(
    values: Callable[[ContainerReport], Iterable[tuple[tuple[str, ...], float | None]]],
) -> Callable[[Report], Iterator[Sample]]:
    """Several samples a container: `values` gives the labels after the container's name, and the figure."""

    def samples(report: Report) -> Iterator[Sample]:
        for one in report.containers:
            for labels, figure in values(one):
                if figure is not None:
                    yield Sample((one.name, *labels), figure)

    return samples


def state_set(states: tuple[str, ...], current: str | None) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every state with 1 for the current one and 0 for the others; nothing when nobody knows the current one."""
    if current:
        for state in states:
            yield (state,), 1.0 if state == current else 0.0
