"""OOM kills, restarts, starts and exits: the ledger's totals, also of containers that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from exporter.facts.counts import Counts
from exporter.present.metrics.family import Family, Kind, Sample, of_containers, of_report
from exporter.report.host import Report

_CONTAINER = ("container",)
_EACH = "1 a container"


def _counted(report: Report) -> Iterator[Counts]:
    for one in report.containers:
        if one.counts is not None:
            yield one.counts
    yield from report.gone


def _of_counts(value: Callable[[Counts], float | None]) -> Callable[[Report], Iterator[Sample]]:
    def samples(report: Report) -> Iterator[Sample]:
        for counts in _counted(report):
            figure = value(counts)
            if figure is not None:
                yield Sample((counts.name,), figure)

    return samples


def _labelled(values: Callable[[Counts], Iterable[tuple[str, int]]]) -> Callable[[Report], Iterator[Sample]]:
    def samples(report: Report) -> Iterator[Sample]:
        for counts in _counted(report):
            for label, figure in values(counts):
                yield Sample((counts.name, label), figure)

    return samples


def _with_gone(
    here: Callable[[Report], Iterable[Sample]], gone: Callable[[Counts], float]
) -> Callable[[Report], Iterator[Sample]]:
    def samples(report: Report) -> Iterator[Sample]:
        yield from here(report)
        for counts in report.gone:
            yield Sample((counts.name,), gone(counts))

    return samples


def _has_selinux(report: Report) -> bool:
    return report.host is not None and report.host.has_selinux


def _denials(report: Report) -> Iterator[Sample]:
    if _has_selinux(report):
        yield from _of_counts(lambda counts: counts.avc_denials)(report)


def _host_oom_kills(report: Report) -> int | None:
    if report.totals is not None:
        return report.totals.host_oom_kills
    return report.host.oom_kills if report.host else None


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_container_oom_kills_total",
        "Processes of the container that were killed for want of memory, each counted once, over restarts and reboots.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _with_gone(of_containers(lambda one: one.oom_kills), lambda counts: counts.oom_kills),
    ),
    Family(
        "bulkhead_container_oom_kills_by_limit_total",
        "The same kills by whose limit fired: payload, service, slice, ancestor, host, systemd_oomd; unknown where "
        "nothing told. A kill of the last 30 s may still be missing here.",
        Kind.COUNTER,
        ("container", "limit"),
        "7 a container",
        _labelled(lambda counts: counts.oom_kills_by_limit),
    ),
    Family(
        "bulkhead_container_last_oom_kill_timestamp_seconds",
        "Unix time of the container's last OOM kill; absent when there was none.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        _of_counts(lambda counts: counts.last_oom_kill_seconds),
    ),
    Family(
        "bulkhead_container_restarts_total",
        "Automatic restarts of the container, by systemd or by podman's own restart policy, each counted once.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _with_gone(of_containers(lambda one: one.restarts), lambda counts: counts.restarts),
    ),
    Family(
        "bulkhead_container_starts_total",
        "Starts of the container since it is known, by whomever (podman's events).",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _of_counts(lambda counts: counts.starts),
    ),
    Family(
        "bulkhead_container_exits_total",
        "Exits of the container by reason: success, error, signal, oom, timeout, watchdog, health, stopped (somebody "
        "asked for it), unknown.",
        Kind.COUNTER,
        ("container", "reason"),
        "9 a container",
        _labelled(lambda counts: counts.exits),
    ),
    Family(
        "bulkhead_container_last_exit_code",
        "Exit code of the container's last end, 128 + N for signal N; absent when none was seen.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        _of_counts(lambda counts: counts.last_exit_code),
    ),
    Family(
        "bulkhead_container_last_exit_timestamp_seconds",
        "Unix time of the container's last end; absent when none was seen.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        _of_counts(lambda counts: counts.last_exit_seconds),
    ),
    Family(
        "bulkhead_container_restart_loop",
        "1 while automatic restarts in the configured window reach the threshold, or the unit's start limit was hit.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: None if one.restart_loop is None else float(one.restart_loop)),
    ),
    Family(
        "bulkhead_container_avc_denials_total",
        "SELinux denials of the container's processes, each counted once, also those of permissive mode; absent when "
        "SELinux is off.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _denials,
    ),
    Family(
        "bulkhead_unattributed_avc_denials_total",
        "SELinux denials of a container's domain that nothing on the host could attribute to one container.",
        Kind.COUNTER,
        (),
        "1",
        of_report(
            lambda report: report.totals.unattributed_denials if report.totals and _has_selinux(report) else None
        ),
    ),
    Family(
        "bulkhead_host_oom_kills_total",
        "Processes that the kernel killed for want of memory on the whole host (/proc/vmstat), over reboots.",
        Kind.COUNTER,
        (),
        "1",
        of_report(_host_oom_kills),
    ),
    Family(
        "bulkhead_unattributed_oom_kills_total",
        "OOM kills in slices of several containers that nothing on the host could attribute to one.",
        Kind.COUNTER,
        (),
        "1",
        of_report(lambda report: report.totals.unattributed_oom_kills if report.totals else None),
    ),
    Family(
        "bulkhead_containers_forgotten_total",
        "Gone containers whose counts were dropped: after the configured days, or because there were too many.",
        Kind.COUNTER,
        (),
        "1",
        of_report(lambda report: report.totals.forgotten_containers if report.totals else None),
    ),
    Family(
        "bulkhead_ledger_durable",
        "1 while counts are written to the state directory, 0 while they live in memory alone.",
        Kind.GAUGE,
        (),
        "1",
        of_report(lambda report: float(report.totals.durable) if report.totals else None),
    ),
    Family(
        "bulkhead_ledger_salvaged_timestamp_seconds",
        "When the agent last found its ledger damaged: totals that were lost began at 0 then. No sample: never.",
        Kind.GAUGE,
        (),
        "1",
        of_report(lambda report: report.totals.salvaged_seconds if report.totals else None),
    ),
    Family(
        "bulkhead_ledger_writes_total",
        "Transactions written to the state directory since start.",
        Kind.COUNTER,
        (),
        "1",
        of_report(lambda report: report.totals.writes if report.totals else None),
    ),
)
