from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.app import figures
from exporter.app.figures import FigureReader
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.reading import Failed, Read
from exporter.runtime.poller import Clock, Poller
from exporter.sources.cgroup import CgroupSource, SliceSource
from tests.app.test_agent import Built
from tests.sources.host_trees import add_cgroup, cgroup_mount, payload_path

ENOUGH_SECONDS = 30


class Stalling(CgroupSource):
    """Cgroups whose files answer only while the gate is open, as those of a kernel that reclaims."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.gate = threading.Event()
        self.gate.set()
        self.reads = 0

    def read(self) -> tuple[ContainerCgroups, ...]:
        self.reads += 1
        self.gate.wait(ENOUGH_SECONDS)
        return super().read()


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[Stalling]:
    root = tmp_path / "sys/fs/cgroup"
    cgroup_mount(root)
    add_cgroup(root, payload_path("web"))
    source = Stalling(root)
    yield source
    source.gate.set()
    source.close()


def reader_of(cgroup: Stalling, deadline_seconds: float) -> FigureReader:
    walk: Poller[None] = Poller("cgroup_tree", cgroup.discover, Clock(5, 30))
    slices = SliceSource(cgroup._root, frozenset)
    return FigureReader(cgroup, slices, walk, deadline_seconds)


def until_it_ended(reader: FigureReader) -> None:
    ends_at = time.monotonic() + ENOUGH_SECONDS
    while reader._answer is not None and not reader._answer.done():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_a_read_that_hangs_leaves_the_figures_of_before_and_says_for_how_long(cgroup: Stalling) -> None:
    reader = reader_of(cgroup, ENOUGH_SECONDS)
    _, before = reader.read()
    assert isinstance(before, Read)
    assert len(before.value) == 1
    cgroup.gate.clear()
    reader._deadline_seconds = 0.05
    _, failed = reader.read()
    assert isinstance(failed, Failed)
    assert failed.last is before
    assert failed.reason == "no answer for 0 s"
    reader._asked_at_seconds -= 7
    _, later = reader.read()
    assert isinstance(later, Failed)
    assert later.reason == "no answer for 7 s"


def test_while_a_read_hangs_no_report_waits_and_neither_a_read_nor_a_thread_is_added(cgroup: Stalling) -> None:
    reader = reader_of(cgroup, 0.05)
    cgroup.gate.clear()
    reader.read()
    reader._deadline_seconds = ENOUGH_SECONDS
    threads, began_at = threading.active_count(), time.monotonic()
    for _ in range(100):
        assert isinstance(reader.read()[1], Failed)
    assert time.monotonic() - began_at < ENOUGH_SECONDS / 2
    assert (cgroup.reads, threading.active_count()) == (1, threads)


def test_after_a_late_answer_the_next_report_reads_anew(cgroup: Stalling) -> None:
    reader = reader_of(cgroup, 0.05)
    cgroup.gate.clear()
    _, none_yet = reader.read()
    assert isinstance(none_yet, Failed)
    assert none_yet.last is None
    cgroup.gate.set()
    until_it_ended(reader)
    reader._deadline_seconds = ENOUGH_SECONDS
    assert isinstance(reader.read()[1], Read)
    assert cgroup.reads == 2


def test_the_late_answer_is_what_is_shown_while_the_next_one_is_late_too(cgroup: Stalling) -> None:
    reader = reader_of(cgroup, 0.05)
    cgroup.gate.clear()
    reader.read()
    cgroup.gate.set()
    until_it_ended(reader)
    cgroup.gate.clear()
    _, failed = reader.read()
    assert isinstance(failed, Failed)
    assert failed.last is not None
    assert len(failed.last.value) == 1


def test_a_kernel_that_stalls_on_the_files_of_cgroups_stops_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "DEADLINE_SECONDS", 0.2)
    cgroup_mount(tmp_path / "sys/fs/cgroup")
    add_cgroup(tmp_path / "sys/fs/cgroup", payload_path("web"))
    built = Built(tmp_path, monkeypatch)
    gate = threading.Event()
    source = built.sources.ground.cgroup
    try:
        before = built.agent.report()
        assert len(before.containers) == 1
        vars(source)["read"] = lambda: gate.wait(ENOUGH_SECONDS) and ()
        stalled = built.agent.report()
        (cgroup,) = (one for one in stalled.collectors if one.name == "cgroup")
        assert not cgroup.success
        assert cgroup.reason == "no answer for 0 s"
        assert [one.name for one in stalled.containers] == [one.name for one in before.containers]
        assert [one.cgroups for one in stalled.containers] == [one.cgroups for one in before.containers]
    finally:
        gate.set()
        built.close()
