"""Threads with walls of their own, in a tree of plain files and in real processes; and one among many processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.facts.process import ContainerProcesses
from exporter.sources.process import ProcessSource
from exporter.sources.process import source as source_module
from exporter.sources.process.directory import ProcessDirectory
from exporter.sources.process.parse import parse_has_ended, parse_status
from exporter.sources.process.threads import DIFFERENT_MAX, differing_threads, walls_of
from tests.sources.host_trees import CONTAINER_ID, STATUS, add_process, stat_text

STRONG = STATUS.replace("CapEff:\t0000000000000400", "CapEff:\t000001fffeffffff")
ENDED = " Z 1 "


def read(proc: Path, *pids: int) -> ContainerProcesses:
    (container,) = ProcessSource(proc, lambda: {CONTAINER_ID: pids}).read().containers
    return container


def add_threads(proc: Path, pid: int, statuses: dict[int, str]) -> None:
    """Threads of a process that is there, each with the files of a process."""
    status = (proc / str(pid) / "status").read_text()
    (proc / str(pid) / "status").write_text(status.replace("Threads:\t1", f"Threads:\t{len(statuses) + 1}"))
    tasks = proc / str(pid) / "task"
    for number, text in {pid: status, **statuses}.items():
        add_process(tasks, number, start_ticks=pid, has_executed=False, status=text.format(comm="worker", pid=number))


def test_a_thread_that_keeps_what_its_process_has_dropped_is_read_like_a_process(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_threads(tmp_path, 7, {8: STATUS, 9: STRONG, 10: STRONG})
    found = read(tmp_path, 7)
    assert [(one.pid, one.effective_capabilities) for one in found.processes] == [(7, 0x400), (9, 0x1FFFEFFFFFF)]
    assert all(one.has_executed for one in found.processes), "the kernel says of every thread that it executed nothing"
    assert found.unreadable == ()


def test_a_thread_with_a_label_of_its_own_is_read_too(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_threads(tmp_path, 7, {8: STATUS})
    (tmp_path / "7/task/8/attr/current").write_text("unconfined_u:unconfined_r:unconfined_t:s0\0")
    assert [one.security_label for one in read(tmp_path, 7).processes] == [
        "system_u:system_r:container_t:s0:c1,c2",
        "unconfined_u:unconfined_r:unconfined_t:s0",
    ]


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mnt", "net", "uts"])
def test_a_thread_that_entered_a_namespace_alone_is_read_too(tmp_path: Path, kind: str) -> None:
    add_process(tmp_path, 7)
    add_threads(tmp_path, 7, {8: STATUS, 9: STATUS})
    link = tmp_path / "7/task/9/ns" / kind
    link.unlink()
    link.symlink_to(f"{kind}:[4026530000]")
    assert [dict(one.namespaces)[kind] == 4026530000 for one in read(tmp_path, 7).processes] == [False, True]


def test_a_thread_whose_namespaces_may_not_be_seen_makes_the_container_half_read(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_threads(tmp_path, 7, {8: STATUS})
    link = tmp_path / "7/task/8/ns/net"
    link.unlink()
    link.write_text("")
    assert read(tmp_path, 7).unreadable == ("7: ns/net: Invalid argument",)


def test_a_process_of_which_the_first_thread_has_ended_is_judged_by_the_others(tmp_path: Path) -> None:
    add_process(tmp_path, 7, stat=stat_text(7, "hold", 7).replace(" S 1 ", ENDED, 1))
    add_threads(tmp_path, 7, {8: STRONG})
    assert [(one.pid, one.effective_capabilities) for one in read(tmp_path, 7).processes] == [(8, 0x1FFFEFFFFFF)]


def test_threads_beyond_the_bound_make_the_container_half_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "THREADS_MAX", 3)
    add_process(tmp_path, 7)
    add_threads(tmp_path, 7, dict.fromkeys(range(8, 20), STATUS))
    found = read(tmp_path, 7)
    assert len(found.processes) == 1
    assert found.unreadable == ("7: 9 more threads: too many to be looked at",)


def test_a_process_of_many_different_threads_is_read_up_to_a_bound(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    walls = {number: STATUS.replace("CapPrm:\t0000000000000400", f"CapPrm:\t{number:016x}") for number in range(8, 90)}
    add_threads(tmp_path, 7, walls)
    found = read(tmp_path, 7)
    assert len(found.processes) == 1 + DIFFERENT_MAX
    assert len(found.unreadable) == 1


def test_no_number_of_harmless_processes_hides_a_process_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PROCESSES_MAX", 4)
    for pid in range(7, 40):
        add_process(tmp_path, pid)
    add_process(tmp_path, 40, status=STRONG.format(comm="sh", pid=40))
    found = read(tmp_path, *range(7, 41))
    assert 40 in [one.pid for one in found.processes]
    assert 7 in [one.pid for one in found.processes], "the oldest shows the mounts"
    assert len(found.processes) == 4
    assert found.unreadable[0].startswith("30 more")


def problems_of(proc: Path, members: dict[str, tuple[int, ...]]) -> tuple[str, ...]:
    source = ProcessSource(proc, lambda: members)
    source.read()
    return source.problems


def test_a_container_that_has_more_than_is_looked_at_is_a_problem_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "PROCESSES_MAX", 2)
    monkeypatch.setattr(source_module, "THREADS_MAX", 1)
    monkeypatch.setattr(source_module, "MOUNT_NAMESPACES_MAX", 1)
    for pid in (7, 8, 9):
        add_process(tmp_path, pid)
    words = f"container {CONTAINER_ID[:12]} has more than is looked at, and no check of its processes passes: "
    assert problems_of(tmp_path, {CONTAINER_ID: (7, 8)}) == ()
    assert problems_of(tmp_path, {CONTAINER_ID: (7, 8, 9)}) == (f"{words}1 more: only 2 are read, the rarest first",)
    (nested,) = problems_of(tmp_path, {CONTAINER_ID: (0, 7)})
    assert nested.endswith("others: in a foreign pid namespace, or in too many nested cgroups")
    add_process(tmp_path, 10, mount_namespace=4026531999)
    assert problems_of(tmp_path, {CONTAINER_ID: (7, 10)}) == (f"{words}1 more mount namespaces",)
    add_threads(tmp_path, 7, {11: STATUS, 12: STATUS})
    assert problems_of(tmp_path, {CONTAINER_ID: (7,)}) == (f"{words}1 more threads: too many to be looked at",)


def test_a_problem_is_over_when_it_is_and_there_are_never_many(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    members = {f"{number:064x}": (0, 7) for number in range(30)}
    source = ProcessSource(tmp_path, lambda: members)
    source.read()
    assert (len(source.problems), source.problems[-1]) == (6, "25 more containers")
    members.clear()
    source.read()
    assert source.problems == ()


REAL = """
import ctypes, os, platform, sys, threading, time
libc = ctypes.CDLL(None)
ready = threading.Event()
threading.Thread(target=lambda: (ready.set(), time.sleep(60)), daemon=True).start()
ready.wait()
libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, of this thread alone
print(threading.enumerate()[1].native_id, flush=True)
if sys.argv[1] == "ends":
    libc.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit of this thread alone
time.sleep(60)
"""


@contextmanager
def process(behaviour: str) -> Iterator[tuple[int, int]]:
    """A process whose first thread has given up new privileges: its pid, and its other thread."""
    with subprocess.Popen([sys.executable, "-c", REAL, behaviour], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running.pid, int(running.stdout.readline())
        finally:
            running.kill()


def test_the_kernel_shows_another_thread_with_walls_of_its_own() -> None:
    with process("lives") as (pid, thread), ProcessDirectory("/proc", pid) as directory:
        assert differing_threads(directory, pid, walls_of(directory), 100) == ([thread], 1, 0)


def test_the_kernel_shows_the_threads_of_a_process_of_which_the_first_has_ended() -> None:
    with process("ends") as (pid, thread), ProcessDirectory("/proc", pid) as directory:
        ends_at = time.monotonic() + 10
        while not parse_has_ended(directory.text("stat")):
            assert time.monotonic() < ends_at
        assert parse_status(directory.text("status")).threads == 2
        assert differing_threads(directory, pid, None, 100) == ([thread], 1, 0)
