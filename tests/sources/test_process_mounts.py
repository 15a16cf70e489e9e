"""The mounts of a container whose processes are in several mount namespaces, or below a chroot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from exporter.facts.life import RUNTIME_SECONDS_MAX
from exporter.facts.process import ContainerProcesses
from exporter.sources.process import ProcessSource
from exporter.sources.process.directory import ProcessDirectory
from exporter.sources.process.source import MOUNT_NAMESPACES_MAX
from tests.sources.host_trees import CONTAINER_ID, add_process, ticks_ago

OWN, HOSTS = 4026532362, 4026531841


def mountinfo(*points: str) -> str:
    return "".join(f"{number} 1 0:5 / {point} ro - tmpfs tmpfs rw\n" for number, point in enumerate(points))


def read(proc: Path, *pids: int) -> ContainerProcesses:
    (container,) = ProcessSource(proc, lambda: {CONTAINER_ID: pids}).read().containers
    return container


def points(container: ContainerProcesses) -> list[list[str]]:
    """The mount points in each mount namespace."""
    return [[mount.mount_point for mount in mounts] for mounts in (container.mounts, *container.other_mounts)]


def test_processes_of_one_mount_namespace_have_one_table(tmp_path: Path) -> None:
    add_process(tmp_path, 7, mount_namespace=OWN, mountinfo=mountinfo("/a"))
    add_process(tmp_path, 8, mount_namespace=OWN, mountinfo=mountinfo("/b"))
    assert points(read(tmp_path, 7, 8)) == [["/a"]]


def test_each_further_mount_namespace_has_its_own_and_the_oldest_process_s_comes_first(tmp_path: Path) -> None:
    add_process(tmp_path, 7, start_ticks=900, mount_namespace=OWN + 1, mountinfo=mountinfo("/b"))
    add_process(tmp_path, 8, start_ticks=800, mount_namespace=OWN, mountinfo=mountinfo("/a"))
    assert points(read(tmp_path, 7, 8)) == [["/a"], ["/b"]]


def test_a_process_below_a_chroot_is_no_witness_and_the_next_one_is(tmp_path: Path) -> None:
    add_process(tmp_path, 7, root="/srv/jail", mountinfo=mountinfo("/"))
    add_process(tmp_path, 8, mountinfo=mountinfo("/", "/srv/jail", "/host"))
    assert points(read(tmp_path, 7, 8)) == [["/", "/srv/jail", "/host"]]


def test_a_mount_namespace_of_which_nobody_sees_all_is_not_known(tmp_path: Path) -> None:
    add_process(tmp_path, 7, root="/srv/jail")
    container = read(tmp_path, 7)
    assert (points(container), container.unreadable) == ([[]], ())
    add_process(tmp_path, 6, mount_namespace=OWN, mountinfo=mountinfo("/a"))
    assert points(read(tmp_path, 6, 7)) == [["/a"], []]


def test_a_process_whose_root_may_not_be_seen_is_no_witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: ProcessDirectory, name: str) -> str:
        if name == "root":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return f"{name.removeprefix('ns/')}:[{OWN}]"

    add_process(tmp_path, 7)
    monkeypatch.setattr(ProcessDirectory, "target", denied)
    container = read(tmp_path, 7)
    assert (container.mounts, container.unreadable) == ((), ("7: root: Permission denied",))


def test_more_mount_namespaces_than_are_read_are_one_that_is_not_known(tmp_path: Path) -> None:
    pids = range(7, 7 + MOUNT_NAMESPACES_MAX + 5)
    for pid in pids:
        add_process(tmp_path, pid, mount_namespace=OWN + pid)
    assert points(read(tmp_path, *pids)) == [["/"]] * MOUNT_NAMESPACES_MAX + [[]]


def test_a_process_that_could_not_be_read_may_be_in_a_mount_namespace_of_its_own(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_process(tmp_path, 8, uid_map="0 many\n")
    assert points(read(tmp_path, 7, 8)) == [["/"], []]
    assert points(read(tmp_path, 0, 7)) == [["/"], []]


def test_a_mount_namespace_that_has_ended_with_its_process_is_not_missed(tmp_path: Path) -> None:
    add_process(tmp_path, 7, mount_namespace=OWN)
    ended = add_process(tmp_path, 8, mount_namespace=OWN + 1)
    for name in ("mountinfo", "root"):
        (ended / name).unlink()
    assert points(read(tmp_path, 7, 8)) == [["/"]]


@pytest.mark.parametrize(("age_seconds", "seen"), [(1, [["/a"]]), (RUNTIME_SECONDS_MAX + 1, [["/a"], ["/host"]])])
def test_an_exec_that_is_still_in_the_hosts_mount_namespace_counts_once_it_stays_there(
    tmp_path: Path, age_seconds: float, seen: list[list[str]]
) -> None:
    add_process(tmp_path, 1, mount_namespace=HOSTS)
    add_process(tmp_path, 7, start_ticks=ticks_ago(600), mount_namespace=OWN, mountinfo=mountinfo("/a"))
    add_process(tmp_path, 8, start_ticks=ticks_ago(age_seconds), mount_namespace=HOSTS, mountinfo=mountinfo("/host"))
    assert points(read(tmp_path, 7, 8)) == seen
