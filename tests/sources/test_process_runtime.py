"""Processes of a container that starts: the runtime's until the payload is executed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from exporter.facts.life import RUNTIME_SECONDS_MAX
from exporter.facts.process import ContainerProcesses
from exporter.sources.process import ProcessSource
from exporter.sources.process.entering import ENTERING_SECONDS_MAX
from exporter.sources.process.source import PROCESSES_MAX
from tests.sources.host_trees import CONTAINER_ID, add_process, ticks_ago

UNFILTERED = "Name:\tcrun\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\nNoNewPrivs:\t0\nSeccomp:\t0\n"
UNFILTERED += "Threads:\t1\n"


def read(proc: Path, *pids: int) -> ContainerProcesses:
    (container,) = ProcessSource(proc, lambda: {CONTAINER_ID: pids}).read().containers
    return container


def test_a_clone_of_crun_that_waits_to_execute_the_payload_is_the_runtimes(tmp_path: Path) -> None:
    add_process(tmp_path, 7, comm="crun", start_ticks=ticks_ago(1), has_executed=False, status=UNFILTERED)
    container = read(tmp_path, 7)
    assert container.is_runtimes
    assert container.started_at_seconds == pytest.approx(time.time() - 1, abs=0.5)


def test_what_the_runtime_still_sees_of_the_host_is_not_the_containers(tmp_path: Path) -> None:
    add_process(tmp_path, 7, comm="crun", start_ticks=ticks_ago(1), has_executed=False)
    container = read(tmp_path, 7)
    assert (container.mounts, container.interfaces) == ((), ())


def test_a_process_of_runc_that_is_still_in_the_hosts_mount_namespace_is_the_runtimes(tmp_path: Path) -> None:
    add_process(tmp_path, 1)
    add_process(tmp_path, 7, comm="runc:[0:PARENT]", start_ticks=ticks_ago(1))
    assert read(tmp_path, 7).is_runtimes


def test_a_payload_is_never_the_runtimes_whatever_its_name(tmp_path: Path) -> None:
    add_process(tmp_path, 7, comm="crun", start_ticks=ticks_ago(1), cmdline="/usr/bin/crun\0create\0")
    container = read(tmp_path, 7)
    assert not container.is_runtimes
    assert container.mounts


def test_an_exec_in_a_container_that_has_begun_does_not_make_it_the_runtimes(tmp_path: Path) -> None:
    add_process(tmp_path, 7, start_ticks=ticks_ago(5))
    add_process(tmp_path, 8, comm="crun", start_ticks=ticks_ago(0.1), has_executed=False, status=UNFILTERED)
    container = read(tmp_path, 7, 8)
    assert not container.is_runtimes
    assert [process.seccomp_mode for process in container.processes] == [2, 0], "and what is executed there is judged"


def test_a_fork_that_executes_nothing_hides_no_process_of_the_payload(tmp_path: Path) -> None:
    add_process(tmp_path, 7, start_ticks=ticks_ago(0.1))  # the oldest is another, whatever made it so
    add_process(tmp_path, 8, start_ticks=ticks_ago(5), has_executed=False)
    assert not read(tmp_path, 7, 8).is_runtimes


@pytest.mark.parametrize(
    ("age_seconds", "expected"), [(RUNTIME_SECONDS_MAX - 5, True), (RUNTIME_SECONDS_MAX + 1, False)]
)
def test_who_looks_like_the_runtime_for_too_long_has_the_mounts_that_it_sees(
    tmp_path: Path,
    age_seconds: float,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    add_process(tmp_path, 7, comm="crun", start_ticks=ticks_ago(age_seconds), has_executed=False)
    container = read(tmp_path, 7)
    assert (container.is_runtimes, not container.mounts) == (expected, expected)


def test_a_container_with_a_process_that_cannot_be_read_is_not_the_runtimes(tmp_path: Path) -> None:
    add_process(tmp_path, 7, start_ticks=ticks_ago(1), has_executed=False)
    assert not read(tmp_path, 0, 7).is_runtimes


def test_a_storm_of_forks_that_hides_the_payload_is_not_the_runtimes(tmp_path: Path) -> None:
    for pid in range(2, PROCESSES_MAX + 3):
        add_process(tmp_path, pid, start_ticks=ticks_ago(1), has_executed=False)
    assert not read(tmp_path, *range(2, PROCESSES_MAX + 3)).is_runtimes


OUTSIDE = "0::/machine.slice/libpod-conmon.scope\n"
SHELL = UNFILTERED.replace("crun", "sh")


def add_exec(proc: Path, *, age_seconds: float = 0.1, conmon_age_seconds: float = 0.2, **clone: Any) -> None:
    """A container that has begun, and a session that begins in it: crun's clone is 8, conmon is 6."""
    add_process(proc, 7, start_ticks=ticks_ago(100))
    add_process(proc, 6, comm="conmon", start_ticks=ticks_ago(conmon_age_seconds), cgroup=OUTSIDE)
    crun: dict[str, Any] = {"comm": "crun", "parent": 6, "has_executed": False, "status": UNFILTERED, **clone}
    add_process(proc, 8, start_ticks=ticks_ago(age_seconds), **crun)


def pids(container: ContainerProcesses) -> list[int]:
    return [process.pid for process in container.processes]


def test_a_session_that_begins_in_a_container_is_judged_from_when_it_has_executed_something(tmp_path: Path) -> None:
    add_exec(tmp_path / "begins")
    assert pids(read(tmp_path / "begins", 7, 8)) == [7]
    add_exec(tmp_path / "has_begun", has_executed=True, comm="sh", status=SHELL)
    assert pids(read(tmp_path / "has_begun", 7, 8)) == [7, 8]


def test_a_process_of_runc_that_enters_from_the_hosts_mount_namespace_is_not_judged_either(tmp_path: Path) -> None:
    add_process(tmp_path, 1, mount_namespace=4026531841)
    add_exec(tmp_path, has_executed=True, comm="runc:[1:CHILD]", mount_namespace=4026531841)
    container = read(tmp_path, 7, 8)
    assert pids(container) == [7]
    assert container.other_mounts == ()


@pytest.mark.parametrize(
    "change",
    [
        {"parent": 7},
        {"parent": 9},
        {"parent": 0},
        {"age_seconds": ENTERING_SECONDS_MAX + 1},
        {"conmon_age_seconds": ENTERING_SECONDS_MAX + 1},
    ],
    ids=["a child of the payload", "a parent that is gone", "a parent elsewhere", "too old", "too old a conmon"],
)
def test_no_fork_of_the_container_hides_as_the_runtime_and_nothing_does_for_long(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    add_exec(tmp_path, **change)
    assert pids(read(tmp_path, 7, 8)) == [7, 8]


def test_the_first_process_of_a_container_is_never_left_out(tmp_path: Path) -> None:
    add_process(tmp_path, 6, comm="conmon", start_ticks=ticks_ago(0.2), cgroup=OUTSIDE)
    add_process(tmp_path, 7, parent=6, start_ticks=ticks_ago(0.1), has_executed=False)
    add_process(tmp_path, 8, parent=7, start_ticks=ticks_ago(0))
    assert pids(read(tmp_path, 7, 8)) == [7, 8]
