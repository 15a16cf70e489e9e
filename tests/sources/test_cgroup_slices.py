from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.cgroup import MemoryEvents, path_of_slice
from exporter.sources.cgroup.slices import SliceSource

RAW = b"low 0\nhigh 1\nmax 50\noom 4\noom_kill 3\noom_group_kill 0\n"


def test_a_slice_lies_below_the_slices_of_its_name() -> None:
    assert path_of_slice("services-objects02.slice") == "/services.slice/services-objects02.slice"
    assert path_of_slice("a-b-c.slice") == "/a.slice/a-b.slice/a-b-c.slice"


@pytest.mark.parametrize("name", ["", "-.slice", "a--b.slice", "../../etc.slice", "a/b.slice", "web.service"])
def test_what_names_no_slice_has_no_path(name: str) -> None:
    assert path_of_slice(name) == ""


def test_a_slice_without_containers_tells_what_its_dead_met_with(tmp_path: Path) -> None:
    directory = tmp_path / "services.slice" / "services-web.slice"
    directory.mkdir(parents=True)
    (directory / "memory.events").write_bytes(RAW)
    names = frozenset({"services-web.slice", "services-gone.slice", "-.slice"})
    (level,) = SliceSource(tmp_path, lambda: names).read()
    assert level.path == "/services.slice/services-web.slice"
    assert level.inode == directory.stat().st_ino
    assert level.memory_events == MemoryEvents(high=1, max=50, oom=4, oom_kill=3)


def test_a_slice_that_gets_its_memory_controller_later_is_read_from_then_on(tmp_path: Path) -> None:
    directory = tmp_path / "web.slice"
    source = SliceSource(tmp_path, lambda: frozenset({"web.slice"}))
    assert source.read() == ()
    directory.mkdir()
    assert (source.read(), source.problems) == ((), ())
    (directory / "memory.events").write_bytes(RAW)
    assert [level.path for level in source.read()] == ["/web.slice"]


def test_a_slice_whose_file_makes_no_sense_is_left_out_and_told(tmp_path: Path) -> None:
    directory = tmp_path / "web.slice"
    directory.mkdir()
    (directory / "memory.events").write_bytes(b"oom_kill many\n")
    source = SliceSource(tmp_path, lambda: frozenset({"web.slice", "gone.slice"}))
    assert source.read() == ()
    assert len(source.problems) == 1
    assert source.problems[0].startswith("/web.slice/memory.events: ")


def test_a_slice_that_cannot_be_read_is_told_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    (tmp_path / "web.slice" / "memory.events").mkdir(parents=True)  # reading a directory is refused, also to root
    source = SliceSource(tmp_path, lambda: frozenset({"web.slice", "gone.slice"}))
    assert source.read() == ()
    assert source.problems == ("/web.slice/memory.events: Is a directory",)


@given(st.text(max_size=60))
def test_no_name_leads_out_of_the_cgroup_mount(name: str) -> None:
    assert ".." not in path_of_slice(name).split("/")
