from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.storage.datasets import datasets_of, fill_ratio, merged_datasets, mounted_datasets, quota_ratio
from exporter.facts.process import MountPoint, ProcessTable
from exporter.report.container import MountedDataset
from exporter.sources.process.parse import parse_mountinfo
from tests.assess.secure import DATASET, PROCESSES


def test_the_datasets_of_a_container_are_its_zfs_mounts() -> None:
    assert datasets_of(PROCESSES) == (MountedDataset("tank/containers/objects02", "/data", writable=True),)
    assert datasets_of(None) == ()


def test_a_read_only_mount_is_told() -> None:
    mount = MountPoint("/ro", "/sub", ("ro",), "zfs", "tank/shared", "0:70")
    assert datasets_of(replace(PROCESSES, mounts=(mount,))) == (MountedDataset("tank/shared", "/ro", writable=False),)


def test_idmapped_datasets_bound_directories_and_datasets_below_others_are_each_found() -> None:
    # Recorded: shared-a of the lab, and a volume with a dataset below it, bound from a directory.
    mounts = parse_mountinfo(
        b"1412 1419 0:77 / /data rw,relatime - zfs tank/containers/shared-a rw,seclabel,xattr,posixacl\n"
        b"1413 1419 0:46 / /shared rw,relatime,idmapped - zfs tank/shared rw,seclabel,xattr,posixacl\n"
        b"1414 1419 0:80 /part /outer ro,relatime - zfs small/outer\\040one rw,seclabel,xattr,noacl\n"
        b"1415 1414 0:81 / /outer/inner rw,relatime - zfs small/outer\\040one/inner rw,seclabel,xattr,noacl\n"
    )
    assert datasets_of(replace(PROCESSES, mounts=mounts)) == (
        MountedDataset("small/outer one", "/outer", writable=False),
        MountedDataset("small/outer one/inner", "/outer/inner", writable=True),
        MountedDataset("tank/containers/shared-a", "/data", writable=True),
        MountedDataset("tank/shared", "/shared", writable=True),
    )


def test_snapshots_are_not_asked_about() -> None:
    mount = MountPoint("/snap", "/", ("ro",), "zfs", "tank/shared@daily", "0:71")
    assert mounted_datasets(ProcessTable((replace(PROCESSES, mounts=(mount,)),), ())) == frozenset()
    assert mounted_datasets(None) == frozenset()


def test_the_quick_clocks_figures_stand_beside_the_slow_ones() -> None:
    other = replace(DATASET, name="tank")
    newer = replace(DATASET, used_bytes=900)
    assert merged_datasets((DATASET, other), (newer,)) == (other, newer)


def test_the_fuller_of_quota_and_refquota_counts() -> None:
    assert quota_ratio(DATASET) == pytest.approx(0.8)
    assert quota_ratio(replace(DATASET, refquota_bytes=700)) == pytest.approx(1.0)
    assert quota_ratio(replace(DATASET, quota_bytes=None)) is None


def test_an_ancestor_that_is_full_fills_what_is_below_it_and_leaves_its_own_quota_alone() -> None:
    # used, available, referenced of `zfs list` under a parent whose quota is used up.
    below = replace(DATASET, used_bytes=12 << 20, available_bytes=0, referenced_bytes=12 << 20, quota_bytes=64 << 20)
    assert fill_ratio(below) == 1
    assert quota_ratio(below) == pytest.approx(12 / 64)


def test_the_fill_honours_what_is_available() -> None:
    assert fill_ratio(DATASET) == pytest.approx(0.8)
    assert fill_ratio(replace(DATASET, used_bytes=0, available_bytes=0)) is None


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_a_fill_ratio_is_never_outside_zero_and_one(used: int, available: int) -> None:
    ratio = fill_ratio(replace(DATASET, used_bytes=used, available_bytes=available))
    assert ratio is None or 0 <= ratio <= 1


def test_the_quick_clock_reads_few_figures_and_takes_none_away() -> None:
    slow = replace(DATASET, written_bytes=5, reservation_bytes=7)
    (merged,) = merged_datasets((slow,), (replace(DATASET, used_bytes=900),))
    assert (merged.used_bytes, merged.written_bytes, merged.reservation_bytes) == (900, 5, 7)
