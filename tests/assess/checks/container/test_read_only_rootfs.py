from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.read_only_rootfs import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.process import MountPoint
from exporter.report.findings import Verdict
from tests.assess.secure import DATA, IN_THE_DARK, PROCESSES, ROOT, SECURE, fails, passes, verdict, with_declared

WRITABLE = replace(ROOT, options=("rw", "relatime"))


def with_mounts(*mounts: MountPoint) -> ContainerSubject:
    return replace(SECURE, processes=replace(PROCESSES, mounts=mounts))


def test_a_read_only_root_passes() -> None:
    assert passes(CHECK)


def test_a_writable_root_that_was_to_be_read_only_fails_with_drift() -> None:
    assert fails(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=(WRITABLE, DATA))), drift=True)


def test_a_writable_root_that_was_asked_for_fails_without_drift() -> None:
    subject = with_declared(read_only_rootfs=False)
    assert fails(CHECK, replace(subject, processes=replace(PROCESSES, mounts=(WRITABLE,))))


def test_of_several_roots_each_one_counts() -> None:
    assert fails(CHECK, with_mounts(ROOT, WRITABLE), drift=True)
    below = replace(ROOT, device="0:90", filesystem="tmpfs")
    assert fails(CHECK, with_mounts(WRITABLE, below), drift=True), "who was there before stays on the lower one"
    assert passes(CHECK, with_mounts(ROOT, below))


@pytest.mark.parametrize(
    ("mount", "stands"),
    [
        (replace(WRITABLE, mount_point="/mnt", root="/usr"), False),
        (replace(WRITABLE, mount_point="/mnt"), False),
        (replace(ROOT, mount_point="/mnt"), True),
        (replace(DATA, device="0:99"), True),
    ],
    ids=["a part of it", "all of it", "read-only", "a volume"],
)
def test_the_image_that_is_mounted_once_more_counts_too(mount: MountPoint, stands: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    subject = with_mounts(ROOT, mount)
    assert passes(CHECK, subject) if stands else fails(CHECK, subject, drift=True)


def test_a_volume_beside_a_root_that_is_a_directory_of_the_same_disk_is_none_of_it() -> None:
    root = replace(ROOT, root="/containers/vfs/dir/1", device="254:1", filesystem="ext4")
    volume = replace(WRITABLE, root="/containers/vfs/dir/10", device="254:1", mount_point="/data")
    assert passes(CHECK, with_mounts(root, volume))
    assert fails(CHECK, with_mounts(root, replace(volume, root="/containers")), drift=True)


def test_a_read_only_root_that_nobody_asked_for_passes_with_drift() -> None:
    assert CHECK.examine(with_declared(read_only_rootfs=False)).drift


def test_no_mounts_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
