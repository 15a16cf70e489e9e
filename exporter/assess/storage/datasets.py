"""Which container mounts which dataset, and how full each is."""

from __future__ import annotations

from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.storage import Dataset, with_newer_figures
from exporter.report.container import MountedDataset


def datasets_of(processes: ContainerProcesses | None) -> tuple[MountedDataset, ...]:
    """Every dataset among a container's mounts."""
    if processes is None:
        return ()
    mounted = {
        (mount.source, mount.mount_point): MountedDataset(mount.source, mount.mount_point, "rw" in mount.options)
        for mount in processes.mounts
        if mount.filesystem == "zfs"
    }
    return tuple(mounted[key] for key in sorted(mounted))


def mounted_datasets(table: ProcessTable | None) -> frozenset[str]:
    """The names of all datasets that any container mounts, without snapshots."""
    if table is None:
        return frozenset()
    names = (mounted.dataset for processes in table.containers for mounted in datasets_of(processes))
    return frozenset(name for name in names if "@" not in name)


def merged_datasets(slow: tuple[Dataset, ...], quick: tuple[Dataset, ...]) -> tuple[Dataset, ...]:
    """All datasets; the quick clock's figures stand where it has read one."""
    merged = {dataset.name: dataset for dataset in slow}
    for dataset in quick:
        known = merged.get(dataset.name)
        merged[dataset.name] = with_newer_figures(known, dataset) if known else dataset
    return tuple(merged[name] for name in sorted(merged))


def quota_ratio(dataset: Dataset) -> float | None:
    """The fuller of used over quota and referenced over refquota; None when there is neither."""
    ratios = []
    if dataset.quota_bytes:
        ratios.append(dataset.used_bytes / dataset.quota_bytes)
    if dataset.refquota_bytes:
        ratios.append(dataset.referenced_bytes / dataset.refquota_bytes)
    return max(ratios, default=None)


def fill_ratio(dataset: Dataset) -> float | None:
    """Used over used plus available: honours ancestors' quotas and the pool."""
    whole = dataset.used_bytes + dataset.available_bytes
    return dataset.used_bytes / whole if whole else None
