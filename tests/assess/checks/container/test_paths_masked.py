from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.assess.checks.container.paths_masked import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import MASKED_PATHS
from exporter.facts.process import MountPoint
from exporter.report.findings import Verdict
from exporter.sources.process.parse import parse_mountinfo
from tests.assess.secure import (
    HOST,
    IN_THE_DARK,
    MASKED,
    PROC,
    PROCESSES,
    READ_ONLY,
    SECURE,
    SYS,
    fails,
    passes,
    verdict,
    with_declared,
    with_mount,
)

RECORDED = Path(__file__).parents[3] / "host" / "proc"


def without(path: str) -> ContainerSubject:
    mounts = tuple(mount for mount in PROCESSES.mounts if mount.mount_point != path)
    return replace(SECURE, processes=replace(PROCESSES, mounts=mounts))


def test_paths_that_the_kernel_has_and_that_are_mounted_over_pass() -> None:
    assert passes(CHECK)


def test_a_path_that_is_not_mounted_over_fails_with_drift() -> None:
    assert fails(CHECK, without("/proc/keys"), drift=True)
    assert CHECK.examine(without("/proc/keys")).detail == "/proc/keys"


FIRMWARE = MountPoint("/sys/firmware", "/", ("ro", "relatime"), "tmpfs", "tmpfs", "0:64")


@pytest.mark.parametrize(
    "mask",
    [
        FIRMWARE,
        replace(FIRMWARE, root="/crun/.empty-directory", options=("ro",), device="0:27"),
        replace(MASKED[0], filesystem="tmpfs", source="tmpfs", options=("rw", "nosuid")),
    ],
    ids=["a tmpfs", "crun's empty directory", "the container's own null"],
)
def test_what_runtimes_mask_with_passes(mask: MountPoint) -> None:
    assert passes(CHECK, with_mount(mask, without=mask.mount_point))


@pytest.mark.parametrize("pid", [766, 922, 978, 4729])
def test_what_podman_was_recorded_to_mask_passes(pid: int) -> None:
    mounts = parse_mountinfo((RECORDED / str(pid) / "mountinfo").read_bytes())
    host = replace(HOST, maskable_paths=("/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware", "/sys/fs/selinux"))
    assert passes(CHECK, replace(SECURE, host=host, processes=replace(PROCESSES, mounts=mounts)))


@pytest.mark.parametrize(
    "mount",
    [
        replace(FIRMWARE, options=("rw", "relatime")),
        replace(FIRMWARE, root="/firmware", filesystem="sysfs", source="sysfs"),
        replace(FIRMWARE, root="/srv/firmware", filesystem="ext4", source="/dev/vda1", device="254:1"),
        replace(FIRMWARE, root="/srv/firmware", device="0:25"),
        replace(FIRMWARE, root="/kmsg", filesystem="devtmpfs", source="udev", device="0:6"),
        replace(FIRMWARE, root="/srv/null", filesystem="ext4", source="/dev/vda1", device="254:1"),
    ],
    ids=["a writable tmpfs", "itself", "a directory", "a directory of a tmpfs", "a device", "a file called null"],
)
def test_what_is_mounted_there_and_hides_nothing_is_no_mask(mount: MountPoint) -> None:
    assert fails(CHECK, with_mount(mount, without="/sys/firmware"), drift=True)
    assert fails(CHECK, with_mount(mount), drift=True)  # over the mask


def test_a_procfs_over_all_masks_takes_them_away() -> None:
    outcome = CHECK.examine(with_mount(PROC))
    assert (outcome.verdict, outcome.detail) == (Verdict.FAIL, "/proc/kcore, /proc/keys")


SECOND = replace(PROC, mount_point="/proc2", device="0:108")


def test_a_procfs_that_is_mounted_once_more_has_to_be_masked_too() -> None:
    outcome = CHECK.examine(with_mount(SECOND))
    assert (outcome.verdict, outcome.detail) == (Verdict.FAIL, "/proc/kcore, /proc/keys")
    assert fails(CHECK, with_mount(replace(SECOND, root="/kcore", mount_point="/srv/memory")), drift=True)
    assert passes(CHECK, with_mount(replace(SECOND, root="/7", mount_point="/srv/self")))


def test_what_is_read_only_is_not_shown_writable_elsewhere() -> None:
    again = replace(SECOND, root="/sys", mount_point="/tunables")
    assert fails(CHECK, with_mount(again), drift=True)
    assert passes(CHECK, with_mount(replace(again, options=("ro",))))


def test_a_part_of_what_is_masked_is_shown_by_a_mount_of_it() -> None:
    for point in ("/efi", "/sys/firmware/efi"):  # the second lies on the mask
        assert fails(CHECK, with_mount(replace(SYS, root="/firmware/efi", mount_point=point)), drift=True)
    assert passes(CHECK, with_mount(replace(SYS, root="/class", mount_point="/efi")))


def test_what_nobody_reaches_shows_nothing() -> None:
    hidden = with_mount(SECOND)
    assert hidden.processes is not None
    over = replace(MASKED[0], mount_point="/proc2", filesystem="tmpfs", root="/")
    mounts = (*hidden.processes.mounts, over)
    assert passes(CHECK, replace(hidden, processes=replace(hidden.processes, mounts=mounts)))


def test_more_further_mounts_than_are_looked_at_fail() -> None:
    parts = tuple(replace(SECOND, root="/7", mount_point=f"/srv/{number}") for number in range(33))
    assert fails(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=(*PROCESSES.mounts, *parts))), drift=True)


MOVED = b"""21 1 0:50 / / ro - overlay overlay rw
22 21 0:22 / /proc rw - proc proc rw
23 21 0:51 / /proc rw - proc proc rw
24 23 0:6 /null /proc/kcore ro - devtmpfs udev rw
25 23 0:6 /null /proc/keys ro - devtmpfs udev rw
26 21 0:21 / /sys ro - sysfs sysfs rw
27 26 0:64 / /sys/firmware ro - tmpfs tmpfs rw
28 23 0:51 /sys /proc/sys ro - proc proc rw
29 23 0:51 /bus /proc/bus ro - proc proc rw
"""


def test_a_mount_that_was_moved_over_the_masks_lies_over_them_although_it_was_made_before() -> None:
    made_first = MOVED.replace(b"22 21 0:22 / /proc ", b"22 21 0:22 / /hidden ")
    for text in (MOVED.replace(b"22 21", b"22 23"), MOVED.replace(b"23 21", b"23 22")):
        mounts = parse_mountinfo(text)
        stands = passes(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=mounts)))
        assert stands is (b"23 22" in text)
    assert fails(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=parse_mountinfo(made_first))), drift=True)


@pytest.mark.parametrize(
    "mount",
    [
        replace(READ_ONLY[1], options=("rw",)),
        replace(READ_ONLY[1], mount_point="/proc/sys/kernel", root="/sys/kernel", options=("rw",)),
    ],
    ids=["over it", "below it"],
)
def test_a_path_of_the_kernel_that_can_be_written_fails_with_drift(mount: MountPoint) -> None:
    subject = with_mount(mount)
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == "/proc/sys"
    assert fails(CHECK, without("/proc/sys"), drift=True)


def test_what_is_hidden_below_a_path_that_is_read_only_cannot_be_written() -> None:
    hidden = replace(READ_ONLY[1], mount_point="/proc/sys/kernel", options=("rw",))
    assert fails(CHECK, with_mount(hidden), drift=True)
    over_it = replace(PROCESSES, mounts=(hidden, *PROCESSES.mounts))
    assert passes(CHECK, replace(SECURE, processes=over_it))


def test_a_path_of_the_kernel_that_was_to_be_written_fails_without_drift() -> None:
    opened = with_declared(read_only_paths=("/proc/bus",))
    assert fails(CHECK, replace(opened, processes=without("/proc/sys").processes))
    assert CHECK.declared is not None
    assert CHECK.declared(opened).detail == "/proc/sys"
    assert CHECK.declared(with_declared(read_only_paths=None)).verdict is Verdict.PASS


def test_unmask_fails_without_drift() -> None:
    unmasked = with_declared(masked_paths=tuple(path for path in MASKED_PATHS if path != "/proc/kcore"))
    assert fails(CHECK, replace(unmasked, processes=without("/proc/kcore").processes))


def test_paths_that_were_not_asked_for_and_are_masked_pass_with_drift() -> None:
    outcome = CHECK.examine(with_declared(masked_paths=()))
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)


def test_a_path_that_this_kernel_does_not_have_needs_no_mask() -> None:
    of_podman_4 = with_declared(masked_paths=("/proc/kcore", "/proc/keys", "/sys/firmware"))
    assert passes(CHECK, of_podman_4)
    with_power = replace(HOST, maskable_paths=(*(HOST.maskable_paths or ()), "/sys/devices/virtual/powercap"))
    assert fails(CHECK, replace(of_podman_4, host=with_power))


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, maskable_paths=None))) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, read_only_paths=None))) is Verdict.UNKNOWN
    assert CHECK.declared is not None
    assert CHECK.declared(with_declared(masked_paths=None)).verdict is Verdict.UNKNOWN
