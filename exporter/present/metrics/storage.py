"""How full each dataset and pool of ZFS is, what they do, and which container mounts what."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.assess.storage.datasets import fill_ratio, quota_ratio
from exporter.facts.storage import Dataset, DatasetIo, Pool
from exporter.present.metrics.family import Family, Kind, Sample, state_set
from exporter.report.host import Report

SCAN_STATES = (
    "none",
    "scrub_running",
    "scrub_paused",
    "scrub_finished",
    "scrub_canceled",
    "resilver_running",
    "resilver_finished",
    "resilver_canceled",
)
POOL_STATES = ("online", "degraded", "faulted", "offline", "removed", "unavail", "suspended")


def _dataset(name: str, help_text: str, value: Callable[[Dataset], float | None]) -> Family:
    def samples(report: Report) -> Iterator[Sample]:
        for one in report.datasets:
            figure = value(one)
            if figure is not None:
                yield Sample((one.name,), figure)

    return Family(name, help_text, Kind.GAUGE, ("dataset",), "1 a dataset", samples)


def _dataset_io(name: str, help_text: str, value: Callable[[DatasetIo], float]) -> Family:
    def samples(report: Report) -> Iterator[Sample]:
        return (Sample((one.name,), value(one)) for one in report.dataset_io)

    return Family(name, help_text, Kind.COUNTER, ("dataset",), "1 a mounted dataset", samples)


def _pool(name: str, help_text: str, value: Callable[[Pool], float | None]) -> Family:
    def samples(report: Report) -> Iterator[Sample]:
        for one in report.pools:
            figure = value(one)
            if figure is not None:
                yield Sample((one.name,), figure)

    return Family(name, help_text, Kind.GAUGE, ("pool",), "1 a pool", samples)


def _pool_state(report: Report) -> Iterator[Sample]:
    for one in report.pools:
        for labels, value in state_set(POOL_STATES, one.state):
            yield Sample((one.name, *labels), value)


def _device_errors(report: Report) -> Iterator[Sample]:
    for one in report.pools:
        errors = one.status.device_errors if one.status else None
        if errors is not None:
            yield Sample((one.name, "read"), errors.read)
            yield Sample((one.name, "write"), errors.write)
            yield Sample((one.name, "checksum"), errors.checksum)


def _scan_state(report: Report) -> Iterator[Sample]:
    for one in report.pools:
        for labels, value in state_set(SCAN_STATES, one.status.scan if one.status else None):
            yield Sample((one.name, *labels), value)


def _container_datasets(report: Report) -> Iterator[Sample]:
    for one in report.containers:
        for mounted in one.datasets:
            yield Sample((one.name, mounted.dataset, mounted.destination, "rw" if mounted.writable else "ro"), 1)


FAMILIES: tuple[Family, ...] = (
    _dataset(
        "bulkhead_zfs_dataset_used_bytes",
        "Space that the dataset, its snapshots and its descendants take.",
        lambda one: one.used_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_available_bytes",
        "Space that the dataset can still take: honours its quotas, its ancestors' and the pool.",
        lambda one: one.available_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_referenced_bytes",
        "Space that the dataset itself refers to, shared with snapshots or not.",
        lambda one: one.referenced_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_used_by_snapshots_bytes",
        "Space that would be freed if all snapshots of the dataset were destroyed.",
        lambda one: one.used_by_snapshots_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_used_by_dataset_bytes",
        "Space that would be freed if the dataset itself were destroyed.",
        lambda one: one.used_by_dataset_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_used_by_children_bytes",
        "Space that the dataset's descendants take.",
        lambda one: one.used_by_children_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_logical_used_bytes",
        "Space that the dataset and its descendants would take without compression.",
        lambda one: one.logical_used_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_written_bytes",
        "Space written since the latest snapshot of the dataset.",
        lambda one: one.written_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_quota_bytes",
        "Quota of the dataset, its snapshots and its descendants; absent when none is set.",
        lambda one: one.quota_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_refquota_bytes",
        "Quota of what the dataset itself refers to; absent when none is set.",
        lambda one: one.refquota_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_reservation_bytes",
        "Space kept for the dataset and its descendants; absent when none is set.",
        lambda one: one.reservation_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_refreservation_bytes",
        "Space kept for the dataset itself; absent when none is set.",
        lambda one: one.refreservation_bytes,
    ),
    _dataset(
        "bulkhead_zfs_dataset_quota_ratio",
        "The fuller of used over quota and referenced over refquota, 0 to 1; absent when there is neither.",
        quota_ratio,
    ),
    _dataset(
        "bulkhead_zfs_dataset_fill_ratio",
        "Used over used plus available, 0 to 1: honours ancestors' quotas and the pool.",
        fill_ratio,
    ),
    _dataset_io(
        "bulkhead_zfs_dataset_reads_total",
        "Reads from the dataset since its pool was imported.",
        lambda one: one.reads,
    ),
    _dataset_io(
        "bulkhead_zfs_dataset_writes_total",
        "Writes to the dataset since its pool was imported.",
        lambda one: one.writes,
    ),
    _dataset_io(
        "bulkhead_zfs_dataset_read_bytes_total",
        "Bytes read from the dataset since its pool was imported.",
        lambda one: one.read_bytes,
    ),
    _dataset_io(
        "bulkhead_zfs_dataset_written_bytes_total",
        "Bytes written to the dataset since its pool was imported.",
        lambda one: one.written_bytes,
    ),
    Family(
        "bulkhead_zfs_pool_state",
        "1 for the health of the pool, 0 for the others.",
        Kind.GAUGE,
        ("pool", "state"),
        "7 a pool",
        _pool_state,
    ),
    _pool("bulkhead_zfs_pool_size_bytes", "Size of the pool, redundancy included.", lambda one: one.size_bytes),
    _pool("bulkhead_zfs_pool_allocated_bytes", "Space of the pool that is taken.", lambda one: one.allocated_bytes),
    _pool("bulkhead_zfs_pool_free_bytes", "Space of the pool that is free.", lambda one: one.free_bytes),
    _pool(
        "bulkhead_zfs_pool_fragmentation_ratio",
        "Fragmentation of the pool's free space, 0 to 1.",
        lambda one: one.fragmentation_ratio,
    ),
    Family(
        "bulkhead_zfs_pool_device_errors_total",
        "Errors of the pool's devices since import or `zpool clear`, repaired ones too (kind read, write, checksum).",
        Kind.COUNTER,
        ("pool", "kind"),
        "3 a pool",
        _device_errors,
    ),
    _pool(
        "bulkhead_zfs_pool_data_errors",
        "Files and objects that no copy could repair, until a scrub finds them well: `zpool status -v` names them.",
        lambda one: one.status.data_errors if one.status else None,
    ),
    Family(
        "bulkhead_zfs_pool_scan_state",
        "1 for what the pool's last scrub or resilver came to, 0 for the others.",
        Kind.GAUGE,
        ("pool", "state"),
        "8 a pool",
        _scan_state,
    ),
    _pool(
        "bulkhead_zfs_pool_last_scrub_timestamp_seconds",
        "When the last scrub ended; absent while one runs and after a resilver, when the pool no longer knows.",
        lambda one: one.status.scrub_ended_at_seconds if one.status else None,
    ),
    _pool(
        "bulkhead_zfs_pool_last_scrub_errors",
        "Errors that the last scrub could not repair; absent as its time is.",
        lambda one: one.status.scrub_errors if one.status else None,
    ),
    Family(
        "bulkhead_container_dataset_info",
        "Which dataset the container mounts, where, and whether it may write (mode rw or ro).",
        Kind.GAUGE,
        ("container", "dataset", "destination", "mode"),
        "1 a mounted dataset of a container",
        _container_datasets,
    ),
)
