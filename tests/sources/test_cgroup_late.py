"""Files that come after their cgroup: the kernel shows them one by one, and the agent may look at any moment."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.cgroup import Level
from exporter.sources.cgroup import CgroupSource
from exporter.sources.cgroup.figures import LEVEL_FILES, PAYLOAD_FILES
from exporter.sources.cgroup.files import CgroupFiles
from tests.sources.host_trees import LEVEL_TEXTS, PAYLOAD_TEXTS, add_cgroup, cgroup_mount, payload_path

WEB = payload_path("web")
BROUGHT = tuple(name for name in PAYLOAD_FILES if name != "cgroup.controllers")
"""What controllers bring: on a real kernel all but pressure and cpu.stat."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mount = cgroup_mount(tmp_path / "cgroup")
    add_cgroup(mount, WEB)
    return mount


def hide(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).unlink()


def show(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_text(PAYLOAD_TEXTS[name])


def opens(monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], int] = lambda _: 0) -> list[str]:
    """The names of the files that are opened from now on; `fails` gives an errno for those that cannot be."""
    opened, names = os.open, []

    def counting(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        names.append(path)
        if number := fails(path):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr("os.open", counting)
    return names


def test_a_payload_that_was_opened_before_its_controllers_came_is_read_in_whole_at_once(root: Path) -> None:
    directory = root / WEB[1:]
    whole = CgroupSource(root).read()
    hide(directory, *BROUGHT)
    (directory / "cgroup.controllers").write_text("\n")
    source = CgroupSource(root)
    source.discover()
    show(directory, *BROUGHT, "cgroup.controllers")
    assert source.read() == whole


def test_a_controller_that_is_named_before_its_files_are_there_brings_them_to_the_next_read(root: Path) -> None:
    directory = root / WEB[1:]
    whole = CgroupSource(root).read()
    hide(directory, *BROUGHT)
    source = CgroupSource(root)
    source.discover()
    for _ in range(3):
        (container,) = source.read()
        assert container.levels[0].memory_current_bytes is None
        assert container.levels[0].controllers == ("cpu", "io", "memory", "pids")
    show(directory, *BROUGHT)
    assert source.read() == whole


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("open_files_max", [None, 0])
def test_files_that_come_late_are_served_at_every_level(root: Path, level: Level, open_files_max: int | None) -> None:
    path = WEB
    for _ in range(list(Level).index(level)):
        path = path.rpartition("/")[0]
    whole = CgroupSource(root).read()
    late = [name for name in LEVEL_FILES if name != "cgroup.controllers"]
    hide(root / path[1:], *late)
    source = CgroupSource(root, open_files_max)
    assert source.read() != whole
    for name in late:
        (root / path[1:] / name).write_text((LEVEL_TEXTS if level is not Level.PAYLOAD else PAYLOAD_TEXTS)[name])
    assert source.read() == whole


def test_a_file_that_no_controller_promises_is_looked_for_at_each_walk(root: Path) -> None:
    directory = root / WEB[1:]
    late = ("memory.peak", "io.pressure", "memory.swap.max")
    hide(directory, *late)
    source = CgroupSource(root)
    for _ in range(3):
        source.read()
    for name in late:
        show(directory, name)
        source.discover()
        assert source.read() == CgroupSource(root).read()


def test_after_a_file_that_came_late_the_others_are_looked_for_once_more(root: Path) -> None:
    directory = root / WEB[1:]
    hide(directory, "memory.max", "memory.peak")
    source = CgroupSource(root)
    source.read()
    source.read()
    show(directory, "memory.max")
    assert source.read()[0].use.memory_peak_bytes is None
    show(directory, "memory.peak")
    assert source.read()[0].use.memory_peak_bytes == 5_000_000


def test_what_a_kernel_lacks_is_not_looked_for_at_every_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = ("cpu.pressure", "memory.pressure", "io.pressure", "memory.swap.max", "memory.swap.current")
    hide(root / WEB[1:], *lacking)
    source = CgroupSource(root)
    source.discover()
    source.read()
    opened = opens(monkeypatch)
    for _ in range(10):
        source.read()
    assert opened == []
    source.discover()
    opened.clear()
    source.read()
    assert sorted(opened) == sorted([f"{root}{WEB}", *lacking])


def test_a_controller_that_went_and_came_back_between_two_reads_is_read_on(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CgroupSource(root)
    whole = source.read()
    pread, removed = os.pread, {f"{root}{WEB}/memory.current", f"{root}{WEB}/memory.max"}

    def pread_of_old_files(descriptor: int, size: int, offset: int) -> bytes:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if path in removed:
            removed.remove(path)  # the file that is opened now is a new one
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return pread(descriptor, size, offset)

    monkeypatch.setattr("os.pread", pread_of_old_files)
    assert source.read() == whole
    assert removed == set()


def test_a_late_file_for_which_no_descriptor_is_left_is_reported_and_the_others_are_served(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = root / WEB[1:]
    hide(directory, "memory.max")
    source = CgroupSource(root)
    source.discover()
    show(directory, "memory.max")
    with monkeypatch.context() as patch:
        opens(patch, lambda path: errno.EMFILE if path == f"{root}{WEB}" else 0)
        (container,) = source.read()
    assert container.unreadable == (f"{WEB}/memory.max: {os.strerror(errno.EMFILE)}",)
    assert container.levels[0].memory_current_bytes == 4_096_000
    source.discover()
    (container,) = source.read()
    assert (container.unreadable, container.levels[0].memory_max_bytes) == ((), 8_192_000)


def test_late_files_are_not_taken_from_another_life_of_the_same_path(root: Path) -> None:
    hide(root / WEB[1:], *BROUGHT)
    source = CgroupSource(root)
    source.discover()
    (root / WEB[1:]).rename(root.parent / "old-life")
    add_cgroup(root, WEB)
    assert source.read() == ()
    source.discover()
    assert source.read() == CgroupSource(root).read()


@given(
    order=st.permutations(PAYLOAD_FILES),
    moves=st.lists(st.sampled_from(["", "read", "walk"]), min_size=len(PAYLOAD_FILES), max_size=len(PAYLOAD_FILES)),
    first=st.integers(0, len(PAYLOAD_FILES)),
)
def test_whatever_order_files_come_in_none_is_lost(order: list[str], moves: list[str], first: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "web"
        directory.mkdir()
        show(directory, *order[:first])
        files = CgroupFiles(str(directory), directory.stat().st_ino, PAYLOAD_FILES, 1000)
        served: set[str] = set()
        for file, move in zip(order[first:], moves, strict=False):
            show(directory, file)
            if move == "walk":
                files.look_again()
            if move and "cgroup.controllers" in {path.name for path in directory.iterdir()}:
                found = files.read().found.keys()
                assert served <= found
                served |= found
        files.look_again()
        assert files.read().found == {name: PAYLOAD_TEXTS[name].encode() for name in PAYLOAD_FILES}
        assert files.open_count == len(PAYLOAD_FILES)
        files.close()


@given(order=st.permutations(PAYLOAD_FILES))
def test_what_comes_between_the_opening_and_the_first_read_needs_no_walk(order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "web"
        directory.mkdir()
        for position, file in enumerate(order):
            files = CgroupFiles(str(directory), directory.stat().st_ino, PAYLOAD_FILES, 1000)
            show(directory, file)
            if "cgroup.controllers" in order[: position + 1]:
                assert files.read().found.keys() == set(order[: position + 1])
            files.close()
