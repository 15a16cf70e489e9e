"""How the agent itself is doing: its sources, its deliveries, its thresholds, its build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from exporter.present.metrics.family import Family, Kind, Sample, of_containers, of_report
from exporter.report.collectors import CollectorReport
from exporter.report.host import Report

# Why series are left out of a page; each is served from the first page on, at 0.
DROP_REASONS = ("container_too_large", "too_many_containers", "too_many_details", "too_many_datasets", "duplicate")


def _collector(name: str, help_text: str, kind: Kind, value: Callable[[CollectorReport], float | None]) -> Family:
    def samples(report: Report) -> Iterator[Sample]:
        for one in report.collectors:
            figure = value(one)
            if figure is not None:
                yield Sample((one.name,), figure)

    return Family(name, help_text, kind, ("collector",), "1 a collector", samples)


def _series_dropped(report: Report) -> Iterator[Sample]:
    counted = dict.fromkeys(DROP_REASONS, 0) | dict(report.series_dropped)
    return (Sample((reason,), count) for reason, count in counted.items())


def _deliveries(report: Report) -> Iterator[Sample]:
    return (Sample((one.alertmanager, one.result), one.count) for one in report.notifications.deliveries)


def _latency(report: Report) -> Iterator[Sample]:
    latency = report.notifications.latency
    bounds = (*(str(float(bound)) for bound in latency.bounds_seconds), "+Inf")
    for bound, count in zip(bounds, accumulate(latency.counts), strict=True):
        yield Sample((bound,), count, "_bucket")
    yield Sample((), sum(latency.counts), "_count")
    yield Sample((), latency.sum_seconds, "_sum")


def _thresholds(report: Report) -> Iterator[Sample]:
    return (Sample((name,), value) for name, value in report.thresholds)


def _build(report: Report) -> Iterator[Sample]:
    yield Sample((report.product_version, report.revision, report.python_version), 1)


SERIES_DROPPED = Family(
    "bulkhead_series_dropped_total",
    "Series left out of pages since start, by reason; more than 0 means that this page is not the whole truth.",
    Kind.COUNTER,
    ("reason",),
    "5",
    _series_dropped,
)

DETAILS_DROPPED = Family(
    "bulkhead_container_details_dropped",
    "Series of the container's datasets, volumes, networks and interfaces that are left out of this page, "
    "because it has too many; state, counts, limits and checks are never left out for that.",
    Kind.GAUGE,
    ("container",),
    "1 a container",
    of_containers(lambda _: 0),  # only the page knows what does not fit, and fills it in
)

FAMILIES: tuple[Family, ...] = (
    _collector(
        "bulkhead_scrape_collector_success",
        "1 the source was read, 0 it failed; absent when the thing is not on this host.",
        Kind.GAUGE,
        lambda one: float(one.success) if one.present else None,
    ),
    _collector(
        "bulkhead_scrape_collector_present",
        "0 when the thing that the source reads is not on this host.",
        Kind.GAUGE,
        lambda one: float(one.present),
    ),
    _collector(
        "bulkhead_scrape_collector_duration_seconds",
        "How long the latest read of the source took.",
        Kind.GAUGE,
        lambda one: one.duration_seconds,
    ),
    _collector(
        "bulkhead_collector_age_seconds",
        "Age of what is shown of the source; absent when it never answered.",
        Kind.GAUGE,
        lambda one: one.age_seconds,
    ),
    _collector(
        "bulkhead_events_total",
        "Events received from the source since start; 0 for a source without events.",
        Kind.COUNTER,
        lambda one: one.events if one.present else None,
    ),
    _collector(
        "bulkhead_events_lost_total",
        "Gaps in the source's events that were noticed since start; after each gap the source is read in full.",
        Kind.COUNTER,
        lambda one: one.events_lost if one.present else None,
    ),
    SERIES_DROPPED,
    DETAILS_DROPPED,
    Family(
        "bulkhead_containers_dropped",
        "Containers beyond the configured max_containers or one user's share, of which nothing is shown.",
        Kind.GAUGE,
        (),
        "1",
        of_report(lambda report: report.dropped_containers),
    ),
    Family(
        "bulkhead_notifications_total",
        "Alerts sent, by Alertmanager and result.",
        Kind.COUNTER,
        ("alertmanager", "result"),
        "3 an Alertmanager",
        _deliveries,
    ),
    Family(
        "bulkhead_notifications_queued",
        "Alerts that wait for delivery.",
        Kind.GAUGE,
        (),
        "1",
        of_report(lambda report: report.notifications.queued),
    ),
    Family(
        "bulkhead_notification_latency_seconds",
        "Time from an event to the acceptance of its alert.",
        Kind.HISTOGRAM,
        (),
        "13",
        _latency,
    ),
    Family(
        "bulkhead_threshold",
        "Every threshold of the configuration, for rules and dashboards to compare with.",
        Kind.GAUGE,
        ("name",),
        "1 a threshold",
        _thresholds,
    ),
    Family(
        "bulkhead_web_exposed",
        "1 when other hosts can read the pages without both TLS and a password or a certificate of their own, else 0.",
        Kind.GAUGE,
        (),
        "1",
        of_report(lambda report: None if report.is_web_exposed is None else int(report.is_web_exposed)),
    ),
    Family(
        "bulkhead_build_info",
        "Which Bulkhead this is.",
        Kind.GAUGE,
        ("version", "revision", "python"),
        "1",
        _build,
    ),
    Family(
        "bulkhead_example_host",
        "1 when this page shows the embedded example host and not real containers; absent on a real host.",
        Kind.GAUGE,
        (),
        "1 on the example host",
        of_report(lambda report: 1 if report.is_example else None),
    ),
    Family(
        "bulkhead_example_host_has_podman",
        "1 when the host on which the example host is served has podman, 0 when not; absent on a real host.",
        Kind.GAUGE,
        (),
        "1 on the example host",
        of_report(lambda report: None if report.has_podman is None else int(report.has_podman)),
    ),
)
