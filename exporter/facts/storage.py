"""What ZFS says of datasets and pools. Bytes throughout.

zfsprops(7), zpoolprops(7); `none` and 0 for a quota or reservation is None: not set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Dataset:
    """One filesystem or volume."""

    name: str
    kind: str  # filesystem, volume
    mountpoint: str  # path, none, legacy, - (volume)
    used_bytes: int
    available_bytes: int
    referenced_bytes: int
    used_by_snapshots_bytes: int | None = None
    used_by_dataset_bytes: int | None = None
    used_by_children_bytes: int | None = None
    logical_used_bytes: int | None = None
    written_bytes: int | None = None
    quota_bytes: int | None = None
    refquota_bytes: int | None = None
    reservation_bytes: int | None = None
    refreservation_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetIo:
    """Counters of one mounted dataset since import: /proc/spl/kstat/zfs/POOL/objset-*."""

    name: str
    reads: int
    writes: int
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True, slots=True)
class DeviceErrors:
    """Errors of all devices of a pool since import or `zpool clear`, repaired ones too."""

    read: int
    write: int
    checksum: int


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """What `zpool status` says beyond the state. None: it does not say."""

    device_errors: DeviceErrors | None = None
    data_errors: int | None = None  # files and objects that no copy could repair
    scan: str = ""  # none, scrub_ or resilver_ and running, paused, finished, canceled; "": it does not say
    scrub_ended_at_seconds: float | None = None  # unix time; None: the last scan was no scrub, or did not finish
    scrub_errors: int | None = None  # that this scrub could not repair


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool."""

    name: str
    state: str  # online, degraded, faulted, offline, removed, unavail, suspended
    size_bytes: int | None = None
    allocated_bytes: int | None = None
    free_bytes: int | None = None
    fragmentation_ratio: float | None = None
    status: PoolStatus | None = None  # None: not asked, or no answer


@dataclass(frozen=True, slots=True)
class Storage:
    """All of ZFS on this host."""

    datasets: tuple[Dataset, ...]
    pools: tuple[Pool, ...]
    io: tuple[DatasetIo, ...] = ()


def with_newer_figures(dataset: Dataset, newer: Dataset) -> Dataset:
    """A dataset read in whole, with what the quick clock has read of it since."""
    return replace(
        dataset,
        mountpoint=newer.mountpoint,
        used_bytes=newer.used_bytes,
        available_bytes=newer.available_bytes,
        referenced_bytes=newer.referenced_bytes,
        quota_bytes=newer.quota_bytes,
        refquota_bytes=newer.refquota_bytes,
    )
