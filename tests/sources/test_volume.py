"""Volumes are reached below a root of our own making: real descriptors, real statvfs, real numbers of mounts."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.process import MountPoint
from exporter.facts.reading import NotHere, Unreadable
from exporter.facts.volume import VolumeMounts
from exporter.sources.volume import VolumeSource, reach
from exporter.sources.volume.reach import Figures, Gone, is_of_a_project, mount_id_of, read_figures
from exporter.sources.volume.source import VOLUMES_MAX
from exporter.sources.volume.workers import Workers

PID = 4001
MOUNT = MountPoint("/data", "/", ("rw",), "zfs", "tank/web", "0:61", mount_id=7)
WEB = VolumeMounts("a" * 64, "web", PID, (MOUNT,))
FIGURES = Figures(1000, 700, 300, "system_u:object_r:container_file_t:s0:c1,c2")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with one process whose root holds /data/deep; its root is a link, as the kernel's is."""
    (tmp_path / "container/data/deep").mkdir(parents=True)
    (tmp_path / "proc" / str(PID)).mkdir(parents=True)
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc" / str(PID) / "root").symlink_to(tmp_path / "container")
    return tmp_path / "proc"


def mount_id(path: Path) -> int:
    descriptor = os.open(path, os.O_PATH)
    try:
        return mount_id_of(descriptor)
    finally:
        os.close(descriptor)


def source(
    read: Callable[[str, int, str, int | None], Figures],
    *wanted: VolumeMounts,
    proc: Path,
    deadline_seconds: float = 5,
) -> VolumeSource:
    return VolumeSource(lambda: wanted, proc, read=read, deadline_seconds=deadline_seconds)


def test_the_figures_are_those_of_the_file_system_that_is_there(proc: Path, tmp_path: Path) -> None:
    figures = read_figures(str(proc), PID, "/data/deep", mount_id(tmp_path))
    space = os.statvfs(tmp_path)
    assert figures.size_bytes == space.f_blocks * space.f_frsize
    assert figures.used_bytes is not None
    assert figures.available_bytes is not None
    assert 0 <= figures.available_bytes <= figures.size_bytes - figures.used_bytes


# Of an ext4 of 64 MiB with project quotas (Linux 6.12), of which project 42 may have 16 MiB.
OF_PROJECT_42 = bytes.fromhex("0002000000000000000000002a000000000000000000000000000000")


def test_a_directory_is_of_a_project_if_what_is_made_in_it_is() -> None:
    assert is_of_a_project(OF_PROJECT_42)
    assert not is_of_a_project(bytes(28))


@pytest.mark.parametrize(
    ("size_bytes", "fsxattr", "expected"),
    [(16384 << 10, OF_PROJECT_42, True), (56037 << 10, OF_PROJECT_42, False), (16384 << 10, bytes(28), False)],
)
def test_figures_are_a_project_quotas_if_the_device_is_larger(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size_bytes: int,
    fsxattr: bytes,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    monkeypatch.setattr(reach, "_device_bytes", lambda _number: 131072 * 512)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: fsxattr)
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert reach.is_under_project_quota(descriptor, size_bytes) is expected
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(("error", "expected"), [(errno.ENOTTY, False), (errno.EACCES, None)])
def test_a_project_that_may_not_be_asked_for_is_not_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    expected: bool | None,  # noqa: FBT001 - a table
) -> None:
    def refuse(*_: object) -> bytes:
        raise OSError(error, "refused")

    monkeypatch.setattr(reach, "_device_bytes", lambda _number: 131072 * 512)
    monkeypatch.setattr("fcntl.ioctl", refuse)
    descriptor = os.open(tmp_path, os.O_PATH)
    try:
        assert reach.is_under_project_quota(descriptor, 16384 << 10) is expected
    finally:
        os.close(descriptor)


def test_no_file_system_without_projects_or_device_has_a_project_quota(proc: Path, tmp_path: Path) -> None:
    assert not read_figures(str(proc), PID, "/data", mount_id(tmp_path)).is_under_project_quota
    assert not read_figures("/proc", os.getpid(), "/proc", mount_id(Path("/proc"))).is_under_project_quota


def test_a_mount_of_another_number_is_gone(proc: Path, tmp_path: Path) -> None:
    for number in (mount_id(tmp_path) + 1, None):
        with pytest.raises(Gone):
            read_figures(str(proc), PID, "/data", number)


@pytest.mark.parametrize("target", ["/", "/etc", "../../../..", "deep"])
def test_no_link_is_followed_wherever_it_leads(proc: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "container/data/out").symlink_to(target)
    with pytest.raises(Gone):
        read_figures(str(proc), PID, "/data/out/deep", mount_id(tmp_path))


def test_a_link_at_the_end_is_itself_and_not_what_it_names(proc: Path, tmp_path: Path) -> None:
    (tmp_path / "container/proc").symlink_to("/proc")
    figures = read_figures(str(proc), PID, "/proc", mount_id(tmp_path))
    assert figures.size_bytes == read_figures(str(proc), PID, "/", mount_id(tmp_path)).size_bytes


def test_a_path_that_the_kernel_never_writes_is_refused(proc: Path) -> None:
    for path in ("/data/../..", "/x" * 300):
        with pytest.raises(Unreadable, match="not one that the kernel writes"):
            read_figures(str(proc), PID, path, 1)


@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=9), max_size=5))
def test_whatever_a_path_holds_it_is_there_or_gone_or_refused(names: list[str]) -> None:
    # The root of this very process stands for a container's: nothing but the three outcomes may come.
    try:
        figures = read_figures("/proc", os.getpid(), "/" + "/".join(names), mount_id(Path("/")))
    except (Gone, Unreadable, OSError):
        return
    assert figures.size_bytes is None or figures.size_bytes > 0


def test_of_an_ended_process_nothing_is_there(proc: Path) -> None:
    with pytest.raises(Gone):
        read_figures(str(proc), PID + 1, "/data", 1)


def test_a_file_system_that_does_not_tell_its_size_has_no_figures() -> None:
    figures = read_figures("/proc", os.getpid(), "/proc", mount_id(Path("/proc")))
    assert (figures.size_bytes, figures.used_bytes, figures.available_bytes) == (None, None, None)


def test_every_volume_has_what_its_source_said(proc: Path) -> None:
    made = source(lambda *_: FIGURES, WEB, proc=proc)
    (volume,) = made.read()
    assert (volume.container_id, volume.destination, volume.mount_id) == ("a" * 64, "/data", 7)
    assert (volume.size_bytes, volume.used_bytes, volume.available_bytes) == (1000, 700, 300)
    assert (volume.filesystem, volume.security_label) == ("zfs", FIGURES.security_label)
    assert made.problems == ()


def test_what_many_share_is_asked_once_and_told_of_each(proc: Path) -> None:
    asked: list[str] = []

    def read(_proc: str, _pid: int, mount_point: str, _mount_id: int | None) -> Figures:
        asked.append(mount_point)
        return FIGURES

    peers = [replace(WEB, container_id=f"{number:064x}", pid=number) for number in range(50)]
    other_part = replace(WEB, mounts=(replace(MOUNT, mount_point="/part", root="/part"),))
    assert len(source(read, *peers, other_part, proc=proc).read()) == 51
    assert sorted(asked) == ["/data", "/part"]


def test_the_next_container_is_asked_where_the_first_is_gone(proc: Path) -> None:
    def read(_proc: str, pid: int, _mount_point: str, _mount_id: int | None) -> Figures:
        if pid == PID:
            raise Gone
        return FIGURES

    assert len(source(read, WEB, replace(WEB, container_id="b" * 64, pid=9), proc=proc).read()) == 2
    alone = source(read, WEB, proc=proc)
    assert (alone.read(), alone.problems) == ((), ())


def test_what_a_mount_said_is_kept_for_a_moment_after_its_container_has_ended(proc: Path) -> None:
    now, is_gone = 0.0, False

    def read(*_: object) -> Figures:
        if is_gone:
            raise Gone
        return FIGURES

    made = VolumeSource(lambda: (WEB,), proc, read=read, clock=lambda: now)
    (before,) = made.read()
    is_gone = True
    now = 20.0
    assert made.read() == (before,)
    now = 31.0
    assert made.read() == ()


def test_another_mount_at_the_same_place_has_nothing_of_the_mount_before_it(proc: Path) -> None:
    wanted, is_gone = WEB, False

    def read(*_: object) -> Figures:
        if is_gone:
            raise Gone
        return FIGURES

    made = VolumeSource(lambda: (wanted,), proc, read=read)
    made.read()
    wanted, is_gone = replace(WEB, mounts=(replace(MOUNT, mount_id=8),)), True
    assert made.read() == ()


def test_one_that_refuses_is_told_and_takes_no_other_down(proc: Path) -> None:
    def read(_proc: str, _pid: int, mount_point: str, _mount_id: int | None) -> Figures:
        if mount_point == "/fuse":
            raise PermissionError(13, "Permission denied")
        return FIGURES

    fuse = replace(MOUNT, mount_point="/fuse", filesystem="fuse.sshfs", device="0:70")
    made = source(read, replace(WEB, mounts=(fuse, MOUNT)), proc=proc)
    assert [volume.destination for volume in made.read()] == ["/data"]
    assert made.problems == ("/fuse of web (fuse.sshfs): Permission denied",)


class Dead:
    """A network mount whose server is away until `back` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.asked = 0

    def __call__(self, _proc: str, _pid: int, mount_point: str, _mount_id: int | None) -> Figures:
        if mount_point.startswith("/dead"):
            self.asked += 1
            self.back.wait(60)
        return FIGURES


@pytest.fixture
def dead() -> Iterator[Dead]:
    mount = Dead()
    yield mount
    mount.back.set()


def of_dead(count: int) -> tuple[MountPoint, ...]:
    return tuple(
        replace(MOUNT, mount_point=f"/dead{number}", filesystem="nfs4", device=f"0:{100 + number}")
        for number in range(count)
    )


def workers_since(before: set[threading.Thread]) -> int:
    return sum(1 for thread in threading.enumerate() if thread.name == "volume" and thread not in before)


def until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_a_dead_mount_costs_its_own_figures_is_told_and_not_asked_again_until_it_answers(
    proc: Path, dead: Dead
) -> None:
    before = set(threading.enumerate())
    made = source(dead, replace(WEB, mounts=(*of_dead(1), MOUNT)), proc=proc, deadline_seconds=0.5)
    assert [volume.destination for volume in made.read()] == ["/data"]
    assert made.problems == ("/dead0 of web (nfs4): no answer within 0.5 s",)
    for _ in range(5):
        assert [volume.destination for volume in made.read()] == ["/data"]
        assert "not asked again until it does" in made.problems[0]
    assert dead.asked == 1
    until(lambda: workers_since(before) == 1)
    dead.back.set()
    until(lambda: len(made.read()) == 2)
    until(lambda: workers_since(before) == 0)


def test_however_many_hang_few_threads_wait_for_them_and_who_is_trusted_to_answer_is_asked() -> None:
    before = set(threading.enumerate())
    back = threading.Event()
    workers = Workers(deadline_seconds=0.02, hanging_max=3)
    told = []
    for number in range(10):
        with pytest.raises(Unreadable) as caught:
            workers.ask(f"0:{number}", lambda: back.wait(60), trusted=False)
        told.append(str(caught.value))
    assert told == ["no answer within 0.02 s"] * 3 + ["not asked, because 3 others hang"] * 7
    workers._deadline_seconds = 30
    assert workers.ask("0:99", lambda: 5, trusted=True) == 5
    workers.rest()
    until(lambda: workers_since(before) == 3)
    back.set()
    until(lambda: workers_since(before) == 0)
    assert workers.ask("0:9", lambda: 6, trusted=False) == 6
    workers.rest()


def test_local_file_systems_come_before_those_that_may_be_away(proc: Path) -> None:
    asked: list[str] = []

    def read(_proc: str, _pid: int, mount_point: str, _mount_id: int | None) -> Figures:
        asked.append(mount_point)
        return FIGURES

    source(read, replace(WEB, mounts=(*of_dead(2), MOUNT)), proc=proc).read()
    assert asked == ["/data", "/dead0", "/dead1"]


def test_a_read_that_has_no_time_left_says_so_and_goes_on_there_the_next_time(proc: Path) -> None:
    now = 0.0
    asked: list[str] = []

    def read(_proc: str, _pid: int, mount_point: str, _mount_id: int | None) -> Figures:
        nonlocal now
        now += 1
        asked.append(mount_point)
        return FIGURES

    mounts = tuple(replace(MOUNT, mount_point=f"/{number}", device=f"0:{number}") for number in range(4))
    made = VolumeSource(lambda: (replace(WEB, mounts=mounts),), proc, budget_seconds=2, read=read, clock=lambda: now)
    assert len(made.read()) == 2
    assert [problem.endswith("it comes first the next time") for problem in made.problems] == [True, True]
    made.read()
    assert asked == ["/0", "/1", "/2", "/3"]


def test_a_container_that_mounts_without_end_is_bounded_and_told(proc: Path) -> None:
    mounts = tuple(replace(MOUNT, mount_point=f"/{number}") for number in range(VOLUMES_MAX + 3))
    made = source(lambda *_: FIGURES, replace(WEB, mounts=mounts), proc=proc)
    assert len(made.read()) == VOLUMES_MAX
    assert made.problems == (f"web: of its volumes 3 beyond {VOLUMES_MAX} are not read",)


def test_a_host_without_proc_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="mount proc there"):
        source(lambda *_: FIGURES, WEB, proc=tmp_path / "nothing").read()


def test_a_call_s_own_error_reaches_who_asked_and_the_worker_lives_on() -> None:
    workers = Workers(deadline_seconds=5)

    def fail() -> int:
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        workers.ask("0:1", fail, trusted=False)
    assert workers.ask("0:1", lambda: 3, trusted=False) == 3
    workers.rest()
