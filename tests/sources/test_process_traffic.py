from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.network import Interface
from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.reading import Unreadable
from exporter.sources.cgroup import CgroupSource
from exporter.sources.process import ProcessSource, TrafficSource
from exporter.sources.process.directory import ProcessDirectory
from exporter.sources.process.parse import parse_traffic
from exporter.sources.process.traffic import INTERFACES_MAX
from tests.sources.host_trees import CONTAINER_ID, HOST, OTHER_ID, add_process, open_files

HEAD = (HOST / "proc/766/net/dev").read_text().partition("    lo:")[0]
HOST_NAMESPACE = 4026531000


def line(name: str, received: int = 0, sent: int = 0) -> str:
    return f"{name:>6}: {received} 1 2 3 0 0 0 0 {sent} 5 6 7 0 0 0 0\n"


def containers_at(proc: Path, pids: dict[str, int]) -> ProcessTable:
    """The table of one process a container, each with the namespace that its directory shows."""
    found: list[ContainerProcesses] = []
    for container_id, pid in pids.items():
        found += ProcessSource(proc, lambda pid=pid: {CONTAINER_ID: (pid,)}).read().containers[:1]  # type: ignore[misc]
        found[-1] = ContainerProcesses(container_id, found[-1].processes, ())
    return ProcessTable(tuple(found), ())


def host_at(proc: Path, **namespaces: int) -> Path:
    """A /proc whose process 1 is in the host's namespace, and pN in the one that is given."""
    for pid, namespace in {"p1": HOST_NAMESPACE, **namespaces}.items():
        directory = add_process(proc, int(pid[1:]), net__dev=HEAD + line("lo") + line("eth0", int(pid[1:]), 9))
        (directory / "ns/net").unlink()
        (directory / "ns/net").symlink_to(f"net:[{namespace}]")
    return proc


def test_the_recorded_container_has_the_traffic_that_the_kernel_counted() -> None:
    table = ProcessSource(HOST / "proc", CgroupSource(HOST / "sys/fs/cgroup").members).read()
    source = TrafficSource(str(HOST / "proc"), lambda: table)
    objects02 = next(one.container_id for one in table.containers if one.processes[0].pid == 766)
    (found,) = [one for one in source.read() if one.container_ids == (objects02,)]
    assert found.interfaces == (Interface("eth0", 100, 1, 0, 0, 1076, 14, 0, 0),)
    assert source.problems == ()


def test_every_figure_is_taken_from_its_own_column() -> None:
    assert parse_traffic((HEAD + line("eth0", 11, 44)).encode()) == (Interface("eth0", 11, 1, 2, 3, 44, 5, 6, 7),)
    assert parse_traffic((HEAD + line("lo")).encode()) == ()


@pytest.mark.parametrize("text", ["eth0 1 2 3\n", "eth0: 1 2 3\n", "eth0:" + " x" * 16 + "\n", "eth0:" + " -1" * 16])
def test_a_line_of_another_shape_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_traffic((HEAD + text).encode())


@given(st.binary())
def test_no_bytes_at_all_break_the_parser(raw: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parse_traffic(HEAD.encode() + raw)


names = st.from_regex(r"[a-z][a-z0-9@._-]{0,14}", fullmatch=True).filter(lambda name: name != "lo")


@given(st.dictionaries(names, st.lists(st.integers(0, 2**64 - 1), min_size=16, max_size=16), max_size=8))
def test_traffic_comes_back_as_it_was_written(written: dict[str, list[int]]) -> None:
    text = HEAD + "".join(f"{name:>6}:{' '.join(map(str, figures))}\n" for name, figures in written.items())
    found = {one.name: one for one in parse_traffic(text.encode())}
    assert {name: one.receive_bytes for name, one in found.items()} == {name: them[0] for name, them in written.items()}
    assert {name: one.transmit_dropped for name, one in found.items()} == {n: them[11] for n, them in written.items()}


def test_a_namespace_that_two_containers_share_is_read_once(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77, p11=77)
    table = containers_at(proc, {CONTAINER_ID: 10, OTHER_ID: 11})
    (found,) = TrafficSource(str(proc), lambda: table).read()
    assert found.container_ids == (CONTAINER_ID, OTHER_ID)
    assert [one.receive_bytes for one in found.interfaces] == [10]


def test_the_next_of_a_shared_namespace_is_asked_when_the_first_has_ended(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77, p11=77)
    table = containers_at(proc, {CONTAINER_ID: 10, OTHER_ID: 11})
    (proc / "10/stat").unlink()
    (found,) = TrafficSource(str(proc), lambda: table).read()
    assert [one.receive_bytes for one in found.interfaces] == [11]


def test_the_hosts_own_namespace_is_no_containers(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=HOST_NAMESPACE, p11=78)
    table = containers_at(proc, {CONTAINER_ID: 10, OTHER_ID: 11})
    assert [one.container_ids for one in TrafficSource(str(proc), lambda: table).read()] == [(OTHER_ID,)]


def test_where_the_hosts_namespace_cannot_be_told_nothing_is_served(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77)
    table = containers_at(proc, {CONTAINER_ID: 10})
    (proc / "1/ns/net").unlink()
    with pytest.raises(Unreadable, match="run as root"):
        TrafficSource(str(proc), lambda: table).read()


def test_another_process_under_the_same_pid_is_not_the_containers(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77)
    table = containers_at(proc, {CONTAINER_ID: 10})
    (proc / "10/stat").write_text((proc / "10/stat").read_text().replace(" 10 10747904", " 11 10747904"))
    assert TrafficSource(str(proc), lambda: table).read() == ()


def test_no_container_makes_more_series_than_it_may(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77)
    (proc / "10/net/dev").write_text(HEAD + "".join(line(f"d{number}") for number in range(40)))
    table = containers_at(proc, {CONTAINER_ID: 10})
    source = TrafficSource(str(proc), lambda: table)
    (found,) = source.read()
    assert len(found.interfaces) == INTERFACES_MAX
    assert "40 interfaces" in source.problems[0]


def test_what_is_denied_is_told_and_takes_no_other_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = host_at(tmp_path, p10=77, p11=78)
    table = containers_at(proc, {CONTAINER_ID: 10, OTHER_ID: 11})
    (proc / "10/net/dev").write_text(HEAD + "nonsense\n")
    source = TrafficSource(str(proc), lambda: table)
    assert [one.container_ids for one in source.read()] == [(OTHER_ID,)]
    assert len(source.problems) == 1

    def denied(_: ProcessDirectory, __: str) -> bytes:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(ProcessDirectory, "text", denied)
    with pytest.raises(Unreadable, match="Permission denied"):
        source.read()


def test_without_processes_there_is_no_traffic(tmp_path: Path) -> None:
    assert TrafficSource(str(tmp_path), lambda: None).read() == ()


def test_no_file_stays_open_because_it_would_keep_the_namespace_alive(tmp_path: Path) -> None:
    proc = host_at(tmp_path, p10=77)
    table = containers_at(proc, {CONTAINER_ID: 10})
    before = open_files()
    TrafficSource(str(proc), lambda: table).read()
    assert not open_files() - before
