from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.evidence import Denial, KernelKill
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.log import KernelLogSource
from exporter.sources.log.kernel import parse_record
from exporter.sources.log.kill import Victim, parse_kill

PAYLOAD = "/system.slice/web.service/libpod-payload-" + "a" * 64
NOW_US = 9_000_000


def first(pid: int = 1856, victim: str = PAYLOAD, limit: str = f"oom_memcg={PAYLOAD}", task: str = "tail") -> str:
    return (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,{limit},"
        f"task_memcg={victim},task={task},pid={pid},uid=0"
    )


def second(pid: int = 1856) -> str:
    return f"Memory cgroup out of memory: Killed process {pid} (tail) total-vm:33044kB, anon-rss:1kB"


class Kmsg:
    """/dev/kmsg: a socket that keeps records apart, as the device does."""

    def __init__(self, source: KernelLogSource) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        source._descriptor = theirs.detach()
        self.number = 0

    def say(self, text: str, priority: int = 6, stamp_us: int | None = None) -> None:
        self.number += 1
        self.ours.send(f"{priority},{self.number},{stamp_us or self.number},-;{text}\n SUBSYSTEM=x\n".encode())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[KernelLogSource, Kmsg]]:
    source = KernelLogSource(tmp_path / "kmsg", tmp_path, "boot1", -1, lambda: NOW_US)
    kmsg = Kmsg(source)
    yield source, kmsg
    source.close()
    kmsg.ours.close()


def kills(source: KernelLogSource) -> list[KernelKill]:
    return [told for told in source.read() if isinstance(told, KernelKill)]


def lives(proc: Path, pid: int, text: str) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cgroup").write_text(text)


def test_both_lines_of_a_kill_are_one(log: tuple[KernelLogSource, Kmsg]) -> None:
    source, kmsg = log
    source.read()
    kmsg.say(first())
    kmsg.say(second())
    (kill,) = kills(source)
    assert (kill.pid, kill.victim_cgroup, kill.limit_cgroup) == (1856, PAYLOAD, PAYLOAD)
    assert (kill.stamp_us, kill.heard_us, source.sequence) == (1, NOW_US, 2)
    assert source.read() == ()


DENIAL = (
    'audit: type=1400 audit(1795624675.055:22): avc:  denied  { relabelto } for  pid=555 comm="systemd-tmpfile" '
    "scontext=system_u:system_r:systemd_tmpfiles_t:s0 tcontext=system_u:object_r:bin_t:s0 tclass=lnk_file permissive=1"
)


def test_a_denial_is_told_of_as_the_kernel_tells_it_where_no_auditd_runs(log: tuple[KernelLogSource, Kmsg]) -> None:
    source, kmsg = log
    kmsg.say(DENIAL, priority=5)
    assert source.read() == (Denial("1795624675.055:22", 555, "system_u:system_r:systemd_tmpfiles_t:s0"),)


def test_a_denial_that_a_process_wrote_there_is_none(log: tuple[KernelLogSource, Kmsg]) -> None:
    source, kmsg = log
    kmsg.say(DENIAL, priority=(1 << 3) + 5)
    assert source.read() == ()


def test_the_two_lines_may_come_in_two_reads(log: tuple[KernelLogSource, Kmsg]) -> None:
    source, kmsg = log
    source.read()
    kmsg.say(first())
    assert len(source.read()) == 1
    kmsg.say(second())
    assert source.read() == ()


def test_a_second_line_alone_asks_the_dying_process(log: tuple[KernelLogSource, Kmsg], tmp_path: Path) -> None:
    source, kmsg = log
    source.read()
    lives(tmp_path, 7, f"0::{PAYLOAD} (deleted)\n")
    lives(tmp_path, 8, "0::/\n")
    for pid in (7, 8, 9):
        kmsg.say(second(pid))
    (kill,) = kills(source)
    assert (kill.pid, kill.victim_cgroup, kill.limit_cgroup) == (7, PAYLOAD, None)


def test_what_was_said_before_is_of_its_own_time_and_no_process_is_asked(
    log: tuple[KernelLogSource, Kmsg], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    source, kmsg = log
    lives(tmp_path, 7, f"0::{PAYLOAD}\n")
    kmsg.say(first(), stamp_us=NOW_US - 5_000_000)
    kmsg.say(second(7))
    (kill,) = kills(source)
    assert (kill.heard_us, kill.at_seconds) == (NOW_US - 5_000_000, 995.0)


def test_more_than_one_read_of_old_records_are_all_of_their_own_time(
    log: tuple[KernelLogSource, Kmsg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.log.kernel._RECORDS_A_READ", 2)
    source, kmsg = log
    for number in range(4):
        kmsg.say(first(number), stamp_us=1_000 + number)
    assert [kill.heard_us for kill in (*kills(source), *kills(source))] == [1_000, 1_001, 1_002, 1_003]


def test_a_log_that_never_pauses_has_caught_up_with_a_record_as_young_as_its_opening(
    log: tuple[KernelLogSource, Kmsg], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.log.kernel._RECORDS_A_READ", 3)
    source, kmsg = log
    for pid in (7, 8):
        lives(tmp_path, pid, f"0::{PAYLOAD}\n")
    kmsg.say(second(7), stamp_us=NOW_US - 1)
    kmsg.say("eth0: link is up", stamp_us=NOW_US)
    kmsg.say(second(8), stamp_us=NOW_US + 1)
    (kill,) = kills(source)
    assert (kill.pid, kill.victim_cgroup, kill.heard_us) == (8, PAYLOAD, NOW_US)


def test_a_log_that_never_pauses_is_as_young_as_the_last_record_that_was_read(
    log: tuple[KernelLogSource, Kmsg], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.log.kernel._RECORDS_A_READ", 1)
    monkeypatch.setattr("time.time", lambda: 1000.0)
    source, kmsg = log
    ages = []
    for stamp_us in (NOW_US - 3_000_000, NOW_US - 2_000_000, NOW_US + 10):
        kmsg.say("eth0: link is up", stamp_us=stamp_us)
        source.read()
        assert source.well_at_seconds is not None
        ages.append(1000.0 - source.well_at_seconds)
    assert ages == [3.0, 2.0, 0.0]


def test_records_that_were_read_before_are_not_read_again(tmp_path: Path) -> None:
    source = KernelLogSource(tmp_path / "kmsg", tmp_path, "boot1", 2, lambda: NOW_US)
    kmsg = Kmsg(source)
    for pid in (1, 2, 3):
        kmsg.say(first(pid))
    assert [kill.pid for kill in source.read()] == [3]
    source.close()
    kmsg.ours.close()


def test_a_line_that_a_process_wrote_is_no_kill(log: tuple[KernelLogSource, Kmsg]) -> None:
    source, kmsg = log
    kmsg.say(first(), priority=(1 << 3) | 6)
    assert source.read() == ()


def test_what_was_overwritten_is_counted_and_the_rest_is_read(
    log: tuple[KernelLogSource, Kmsg], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, kmsg = log
    kmsg.say(first())
    real, failures = os.read, [BrokenPipeError(errno.EPIPE, "Broken pipe")]

    def read(descriptor: int, size: int) -> bytes:
        if failures:
            raise failures.pop()
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    assert len(source.read()) == 1
    assert source.events_lost == 1


def test_a_host_without_the_device_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(NotHere):
        KernelLogSource(tmp_path / "kmsg", tmp_path, "boot1", -1).open()
    with pytest.raises(Unreadable, match="grant CAP_SYSLOG"):
        KernelLogSource(Path("/proc/self/mem/x"), tmp_path, "boot1", -1).open()


class Device:
    """/dev/kmsg that can be opened: a pipe with a name, quiet while somebody holds its other end."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = directory / "kmsg"
        self.clock_us = 0
        self.now_seconds = 1000.0
        self.told: list[str] = []
        self._writer: int | None = None
        monkeypatch.setattr("time.time", lambda: self.now_seconds)
        self.source = KernelLogSource(
            self.path,
            directory,
            "boot1",
            -1,
            lambda: self.clock_us,
            opened=lambda _: self.told.append("opened"),
            closing=lambda _: self.told.append("closing"),
        )

    def appear(self) -> None:
        os.mkfifo(self.path)
        self._writer = os.open(self.path, os.O_RDWR)

    def say(self, text: str) -> None:
        assert self._writer is not None
        os.write(self._writer, text.encode())

    def end(self) -> None:
        assert self._writer is not None
        os.close(self._writer)
        self._writer = None

    def pass_seconds(self, seconds: float) -> None:
        self.clock_us += int(seconds * 1e6)
        self.now_seconds += seconds

    @property
    def age_seconds(self) -> float:
        assert self.source.well_at_seconds is not None
        return self.now_seconds - self.source.well_at_seconds

    def close(self) -> None:
        self.source.close()
        if self._writer is not None:
            self.end()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    made = Device(tmp_path, monkeypatch)
    yield made
    made.close()


def test_a_quiet_log_stays_young_while_it_is_read(device: Device) -> None:
    device.appear()
    device.source.open()
    for _ in range(100):
        device.pass_seconds(30)
        assert device.source.read() == ()
        device.source.check()
        assert device.age_seconds == 0


def test_a_log_that_nobody_reads_grows_old(device: Device) -> None:
    device.appear()
    device.source.open()
    device.source.read()
    device.pass_seconds(700)
    assert device.age_seconds == 700


def test_a_log_that_never_comes_to_its_end_grows_old(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.appear()
    device.source.open()

    def overwritten(_descriptor: int, _size: int) -> bytes:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    device.pass_seconds(700)
    with monkeypatch.context() as patch:
        patch.setattr(os, "read", overwritten)
        device.source.read()
    assert device.age_seconds == 700
    device.source.read()
    assert device.age_seconds == 0


def test_a_log_that_has_ended_fails_grows_old_and_is_opened_again(device: Device) -> None:
    device.appear()
    device.source.open()
    device.say(f"6,7,1,-;{first()}\n")
    assert len(device.source.read()) == 1
    device.end()
    device.pass_seconds(20)
    assert device.source.read() == ()
    with pytest.raises(Unreadable, match="cannot be read any more"):
        device.source.check()
    assert device.told == ["opened", "closing"]
    device.path.unlink()
    device.appear()
    device.pass_seconds(20)
    device.source.read()
    assert device.age_seconds == 40
    device.pass_seconds(20)
    device.source.read()
    device.source.check()
    assert (device.age_seconds, device.told) == (0, ["opened", "closing", "opened"])
    device.say(f"6,7,1,-;{first()}\n")  # as the device does, it begins with the oldest record that it has
    assert device.source.read() == ()
    device.say(f"6,8,2,-;{first()}\n")
    assert len(device.source.read()) == 1


def test_a_descriptor_that_somebody_closed_fails_and_is_opened_again(device: Device) -> None:
    device.appear()
    os.close(device.source.open())
    assert device.source.read() == ()
    with pytest.raises(Unreadable, match="Bad file descriptor"):
        device.source.check()
    device.pass_seconds(31)
    device.source.read()
    device.source.check()


def test_a_device_that_comes_later_is_opened_then(device: Device) -> None:
    with pytest.raises(NotHere):
        device.source.open()
    device.appear()
    assert device.source.read() == ()
    with pytest.raises(NotHere):
        device.source.check()
    device.pass_seconds(31)
    device.source.read()
    device.source.check()
    assert (device.age_seconds, device.told) == (0, ["opened"])


@pytest.mark.parametrize(
    ("text", "victim"),
    [
        (first(), Victim(1856, PAYLOAD, PAYLOAD)),
        (first(limit="global_oom"), Victim(1856, PAYLOAD, "")),
        (
            first(victim="/a,b=c.slice/x", limit="oom_memcg=/a,b=c.slice"),
            Victim(1856, "/a,b=c.slice/x", "/a,b=c.slice"),
        ),
        (first(victim="/elsewhere/x"), None),
        (first(task="x,pid=1,uid=0"), Victim(1856, PAYLOAD, PAYLOAD)),
        (second(), Victim(1856, None)),
        ("Out of memory: Killed process 5 (a) total-vm:1kB", Victim(5, None)),
        ("Out of memory (oom_kill_allocating_task): Killed process 5 (a)", Victim(5, None)),
        ("oom-kill:constraint=CONSTRAINT_MEMCG", None),
        ("", None),
    ],
)
def test_a_line_and_its_victim(text: str, victim: Victim | None) -> None:
    assert parse_kill(text) == victim


def test_a_task_may_not_choose_its_victim() -> None:
    liar = first(task="x,oom_memcg=/b,task_memcg=/c,task=y")
    told = parse_kill(liar)
    assert told is not None
    assert told.pid == 1856
    assert told.victim_cgroup == PAYLOAD


def test_escapes_are_undone() -> None:
    assert parse_record(rb"6,1,2,-;a\x5cb\x09c").text == "a\\b\tc"
    assert parse_record(b"30,1,2,c,x;a;b\n SUB=1\n").facility == 3


@given(st.binary())
def test_no_bytes_break_the_record(raw: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parse_kill(parse_record(raw).text)


@given(st.text())
def test_no_text_breaks_the_line(text: str) -> None:
    parse_kill(text)
    parse_kill(first(task=text))
    parse_kill("oom-kill:constraint=CONSTRAINT_MEMCG," + text)
