from __future__ import annotations

import os
import resource
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import Unreadable
from exporter.sources.agent import AgentSource, FrontProcess, _open_files, parse_agent, parse_boot_seconds

STAT = b"4242 (a) R 9 (b) S 1 4242 4242 0 -1 4194560 20114 0 0 0 318 74 0 0 20 0 31 0 18234 412815360 13540 0\n"
LIMITS = (
    b"Limit                     Soft Limit           Hard Limit           Units     \n"
    b"Max cpu time              unlimited            unlimited            seconds   \n"
    b"Max open files            1024                 524288               files     \n"
)
TICKS = os.sysconf("SC_CLK_TCK")


def test_the_figures_are_those_of_proc() -> None:
    agent = parse_agent("agent", STAT, LIMITS, 12, 1_800_000_000)
    assert agent.cpu_seconds == (318 + 74) / TICKS
    assert agent.resident_memory_bytes == 13540 * os.sysconf("SC_PAGE_SIZE")
    assert agent.virtual_memory_bytes == 412815360
    assert agent.start_time_seconds == 1_800_000_000 + 18234 / TICKS
    assert (agent.open_files, agent.open_files_max) == (12, 1024)


@pytest.mark.parametrize("limits", [LIMITS.replace(b"1024  ", b"unlimited"), b"", b"Max open files", b"\xff\n"])
def test_no_limit_of_open_files_is_no_figure(limits: bytes) -> None:
    assert parse_agent("agent", STAT, limits, 12, 0).open_files_max is None


def test_this_very_process_is_read() -> None:
    source = AgentSource(Path("/proc"))
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
    (before,) = source.read()
    for descriptor in files:
        os.close(descriptor)
    (after,) = source.read()
    assert before.name == after.name == "agent"
    assert before.open_files - after.open_files == 20
    assert before.start_time_seconds == after.start_time_seconds < time.time()
    assert before.cpu_seconds == pytest.approx(time.process_time(), abs=1)
    assert before.open_files_max == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_open_files_are_counted_where_the_kernel_gives_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    open_before = sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1  # less the descriptor that lists
    monkeypatch.setattr(Path, "stat", lambda _: SimpleNamespace(st_size=0))
    assert _open_files(Path("/proc/self/fd")) == open_before


def test_a_clock_that_is_set_gives_no_other_start(tmp_path: Path) -> None:
    (tmp_path / "self/fd").mkdir(parents=True)
    (tmp_path / "self/stat").write_bytes(STAT)
    (tmp_path / "self/limits").write_bytes(LIMITS)
    source, starts = AgentSource(tmp_path), set()
    for seconds in (1_800_000_000, 1_800_003_600):
        (tmp_path / "stat").write_bytes(f"btime {seconds}\n".encode())
        (agent,) = source.read()
        starts.add(agent.start_time_seconds)
    assert len(starts) == 1


def test_without_proc_there_are_no_figures(tmp_path: Path) -> None:
    assert AgentSource(tmp_path).read() == ()


def test_the_front_is_a_second_process_that_is_read_by_its_pid() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as front:
        try:
            source = AgentSource(Path("/proc"), "collector", lambda: FrontProcess(front.pid, os.getuid()))
            collector, other = source.read()
            assert (collector.name, other.name) == ("collector", "front")
            assert other.open_files < collector.open_files
            assert other.start_time_seconds >= collector.start_time_seconds
        finally:
            front.kill()
    assert [process.name for process in source.read()] == ["collector"]


def test_a_process_of_another_account_that_has_got_the_fronts_pid_is_not_the_front() -> None:
    source = AgentSource(Path("/proc"), "collector", lambda: FrontProcess(os.getpid(), os.getuid() + 1))
    assert [process.name for process in source.read()] == ["collector"]


@given(st.binary(), st.binary())
def test_no_bytes_break_the_parsers(stat: bytes, limits: bytes) -> None:
    with suppress(Unreadable):
        parse_agent("agent", stat, limits, 0, 0)
    with suppress(Unreadable):
        parse_boot_seconds(limits)
    parse_agent("agent", STAT, limits, 0, 0)
