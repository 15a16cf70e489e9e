from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.storage import Dataset, Pool, with_newer_figures
from exporter.sources.zfs.listing import (
    ALL_FIELDS,
    QUICK_FIELDS,
    bounded,
    dataset_columns,
    parse_datasets,
    parse_pools,
    pool_columns,
)

RECORDED = Path(__file__).parents[1] / "host" / "zfs"


def test_every_dataset_of_a_recorded_pool_is_read() -> None:
    datasets, problems = parse_datasets((RECORDED / "zfs-list-tank.tsv").read_bytes(), ALL_FIELDS)

    assert problems == ()
    assert [dataset.name for dataset in datasets] == [
        "tank",
        "tank/bh test",
        "tank/bh test/child",
        "tank/containers",
        "tank/containers/objects02",
        "tank/shared",
        "tank/zvol-bhtest",
    ]
    assert datasets[4] == Dataset(
        name="tank/containers/objects02",
        kind="filesystem",
        mountpoint="/data/containers/objects02",
        used_bytes=24576,
        available_bytes=67084288,
        referenced_bytes=24576,
        used_by_snapshots_bytes=0,
        used_by_dataset_bytes=24576,
        used_by_children_bytes=0,
        logical_used_bytes=12288,
        written_bytes=24576,
        quota_bytes=67108864,
    )


def test_quota_refquota_and_reservations_are_told_apart_and_zero_is_none() -> None:
    datasets, _ = parse_datasets((RECORDED / "zfs-list-tank.tsv").read_bytes(), ALL_FIELDS)
    limits = {
        dataset.name: (
            dataset.quota_bytes,
            dataset.refquota_bytes,
            dataset.reservation_bytes,
            dataset.refreservation_bytes,
        )
        for dataset in datasets
    }

    assert limits["tank"] == (None, None, None, None)
    assert limits["tank/bh test"] == (None, 33554432, 12582912, 8388608)
    assert limits["tank/bh test/child"] == (104857600, None, None, None)
    assert limits["tank/zvol-bhtest"] == (None, None, None, 18874368)


def test_a_volume_has_no_mount_point_and_a_legacy_file_system_says_so() -> None:
    datasets, _ = parse_datasets((RECORDED / "zfs-list-tank.tsv").read_bytes(), ALL_FIELDS)
    seen = {dataset.name: (dataset.kind, dataset.mountpoint) for dataset in datasets}

    assert seen["tank/zvol-bhtest"] == ("volume", "-")
    assert seen["tank/bh test/child"] == ("filesystem", "legacy")


def test_the_quick_columns_are_read_from_a_recorded_list() -> None:
    datasets, problems = parse_datasets((RECORDED / "zfs-list-mounted.tsv").read_bytes(), QUICK_FIELDS)

    assert problems == ()
    assert datasets[0] == Dataset(
        "tank/bh test", "filesystem", "/data/bh test", 8413184, 33529856, 24576, refquota_bytes=33554432
    )
    assert [dataset.kind for dataset in datasets] == ["filesystem", "filesystem", "filesystem", "volume"]


def test_the_quick_figures_renew_a_dataset_and_leave_the_others() -> None:
    whole = Dataset("tank/a", "filesystem", "/a", 1, 2, 3, written_bytes=7, quota_bytes=10, reservation_bytes=5)
    newer = Dataset("tank/a", "filesystem", "/b", 4, 5, 6, refquota_bytes=20)

    assert with_newer_figures(whole, newer) == Dataset(
        "tank/a", "filesystem", "/b", 4, 5, 6, written_bytes=7, refquota_bytes=20, reservation_bytes=5
    )


def test_a_tab_in_a_mount_point_does_not_move_the_columns() -> None:
    datasets, problems = parse_datasets(b"tank/a\tfilesystem\t1\t2\t3\t0\t0\t/odd\tplace\n", QUICK_FIELDS)

    assert problems == ()
    assert datasets[0].mountpoint == "/odd\tplace"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"tank/a\tfilesystem\t1", "too few columns"),
        (b"tank/a\tsnapshot\t1\t2\t3\t0\t0\t/a", "no filesystem or volume"),
        (b"tank/a\tfilesystem\tmany\t2\t3\t0\t0\t/a", "no number"),
        (b"tank/a\tfilesystem\t-1\t2\t3\t0\t0\t/a", "no number"),
        (b"tank/a\tfilesystem\t" + b"9" * 21 + b"\t2\t3\t0\t0\t/a", "no number"),
        (b"tank/a\tfilesystem\t-\t2\t3\t0\t0\t/a", "no used"),
        (b"\tfilesystem\t1\t2\t3\t0\t0\t/a", "empty column"),
    ],
)
def test_a_line_that_makes_no_sense_is_a_problem_and_loses_no_other(line: bytes, why: str) -> None:
    good = b"tank/b\tfilesystem\t1\t2\t3\t0\t0\t/b\n"

    datasets, problems = parse_datasets(line + b"\n" + good, QUICK_FIELDS)

    assert [dataset.name for dataset in datasets] == ["tank/b"]
    assert len(problems) == 1
    assert why in problems[0]


def test_a_thousand_bad_lines_are_told_in_a_few_words() -> None:
    _, problems = parse_datasets(b"".join(b"line %d\n" % number for number in range(1000)), QUICK_FIELDS)

    assert problems[-1] == "and 990 more"
    assert len(problems) == 11


def test_a_problem_is_told_once() -> None:
    assert bounded(["same", "same", "other"]) == ("same", "other")


def test_a_dataset_that_is_listed_twice_is_one_dataset() -> None:
    line = b"tank/b\tfilesystem\t1\t2\t3\t0\t0\t/b\n"

    assert len(parse_datasets(line * 2, QUICK_FIELDS)[0]) == 1


def test_a_recorded_pool_is_read() -> None:
    pools, problems = parse_pools((RECORDED / "zpool-list-tank.tsv").read_bytes())

    assert problems == ()
    assert pools == (Pool("tank", "online", 2013265920, 1281536, 2011984384, 0.03),)


def test_a_faulted_pool_has_a_state_and_no_sizes() -> None:
    assert parse_pools(b"tank\tFAULTED\t-\t-\t-\t-\n")[0] == (Pool("tank", "faulted"),)


def test_a_pool_line_of_another_version_is_a_problem() -> None:
    pools, problems = parse_pools(b"tank\tONLINE\n")

    assert pools == ()
    assert "has 2 columns, not 6" in problems[0]


def test_the_columns_asked_for_are_the_columns_parsed() -> None:
    assert dataset_columns(QUICK_FIELDS) == "name,type,used,available,referenced,quota,refquota,mountpoint"
    assert set(QUICK_FIELDS.items()) < set(ALL_FIELDS.items())
    assert pool_columns() == "name,health,size,allocated,free,fragmentation"


@given(st.binary() | st.lists(st.binary(max_size=12), max_size=40).map(b"\t".join))
def test_no_bytes_at_all_break_the_parsers(raw: bytes) -> None:
    parse_datasets(raw, ALL_FIELDS)
    parse_datasets(raw, QUICK_FIELDS)
    parse_pools(raw)


figures = st.integers(min_value=0, max_value=2**64 - 1)
names = st.from_regex(r"[a-z][a-z0-9_.: -]{0,20}(/[a-z0-9_.: -]{1,20}){0,3}", fullmatch=True)


@given(names, st.tuples(figures, figures, figures, figures, figures))
def test_what_zfs_prints_is_what_is_read(name: str, printed: tuple[int, int, int, int, int]) -> None:
    line = "\t".join((name, "filesystem", *map(str, printed), "/somewhere")).encode()

    datasets, problems = parse_datasets(line, QUICK_FIELDS)

    used, available, referenced, quota, refquota = printed
    assert problems == ()
    assert datasets == (
        Dataset(
            name,
            "filesystem",
            "/somewhere",
            used,
            available,
            referenced,
            quota_bytes=quota or None,
            refquota_bytes=refquota or None,
        ),
    )
