from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.own_dataset import CHECK
from exporter.assess.storage.volumes import Sharer
from exporter.facts.storage import Dataset
from exporter.report.findings import Verdict
from tests.assess.secure import (
    DATA,
    DATASET,
    IN_THE_DARK,
    SECURE,
    VOLUME,
    fails,
    passes,
    verdict,
    with_volume,
    with_volume_mount,
)


def test_a_dataset_of_its_own_passes_also_in_part() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_volume_mount(root="/data"))


def test_a_whole_file_system_of_another_kind_passes() -> None:
    assert passes(CHECK, with_volume_mount(filesystem="xfs", source="/dev/vg/objects02"))


@pytest.mark.parametrize(("filesystem", "root"), [("ext4", "/srv/objects02"), ("xfs", "/data"), ("overlay", "/")])
def test_a_part_of_another_file_system_fails(filesystem: str, root: str) -> None:
    assert fails(CHECK, with_volume_mount(filesystem=filesystem, root=root))


def test_a_dataset_that_another_container_writes_to_fails_and_the_other_is_named() -> None:
    subject = with_volume(writers=("good01",))
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data is also written to by good01"


PART = replace(DATA, filesystem="ext4", source="/dev/vda", root="/srv/objects02")
UNDER_QUOTA = replace(VOLUME, filesystem="ext4", is_under_project_quota=True)


def test_a_part_under_a_project_quota_passes_while_no_other_container_writes_to_it() -> None:
    other = Sharer("good01", writable=True)
    assert passes(CHECK, with_volume(mount=PART, facts=UNDER_QUOTA, writers=("good01",)))
    assert passes(CHECK, with_volume(mount=PART, facts=UNDER_QUOTA, sharers=(replace(other, writable=False),)))
    shared = with_volume(mount=PART, facts=UNDER_QUOTA, sharers=(other,))
    assert fails(CHECK, shared)
    assert CHECK.examine(shared).detail == "/data is also written to by good01"
    assert fails(CHECK, with_volume(mount=PART, facts=replace(UNDER_QUOTA, is_under_project_quota=False)))


@pytest.mark.parametrize("mountpoint", ["/", "/var", "/home"])
def test_the_host_s_own_dataset_fails(mountpoint: str) -> None:
    assert fails(CHECK, replace(SECURE, datasets={DATASET.name: replace(DATASET, mountpoint=mountpoint)}))


without_the_dataset = pytest.mark.parametrize("datasets", [None, {}], ids=["no answer", "not among them"])


@without_the_dataset
def test_what_the_kernel_says_is_enough_where_zfs_does_not_answer(datasets: dict[str, Dataset] | None) -> None:
    silent = replace(SECURE, datasets=datasets)
    assert passes(CHECK, silent)
    assert fails(CHECK, replace(silent, host_mounts={DATA.device: (replace(DATA, mount_point="/var"),)}))
    below = replace(DATA, mount_point="/srv", root="/objects02")
    assert passes(CHECK, replace(silent, host_mounts={DATA.device: (below,)}))


@without_the_dataset
def test_a_dataset_that_neither_zfs_nor_the_kernel_places_is_unknown_unless_another_writes_to_it(
    datasets: dict[str, Dataset] | None,
) -> None:
    unread = replace(SECURE, datasets=datasets, host_mounts={})
    assert verdict(CHECK, unread) is Verdict.UNKNOWN
    assert passes(CHECK, replace(unread, datasets=SECURE.datasets))
    assert fails(CHECK, replace(unread, volumes=with_volume(writers=("good01",)).volumes))


def test_what_is_not_written_to_or_not_on_a_disk_is_not_judged() -> None:
    assert verdict(CHECK, with_volume_mount(options=("ro",), root="/srv", filesystem="ext4")) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, with_volume_mount(filesystem="tmpfs", root="/podman/podman.sock")) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, replace(SECURE, volumes=())) is Verdict.NOT_APPLICABLE


def test_a_part_of_which_nobody_knows_whether_it_is_under_a_quota_is_unknown() -> None:
    for facts in (None, replace(UNDER_QUOTA, is_under_project_quota=None)):
        assert verdict(CHECK, with_volume(mount=PART, facts=facts)) is Verdict.UNKNOWN
    assert fails(CHECK, with_volume(mount=replace(PART, filesystem="overlay"), facts=None))


def test_unreadable_mounts_are_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
