from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.evidence import Denial, KernelKill
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.log import AuditLogSource, located
from exporter.sources.log.denial import parse_denial, parse_journal_denial

CONTEXT = "system_u:system_r:container_t:s0:c161,c724"
# Of a real host: auditd's log, the kernel's log without auditd.
REST = (
    'avc:  denied  { write } for  pid=793 comm="hold" path="pipe:[6355]" dev="pipefs" ino=6355 '
    f"scontext={CONTEXT} tcontext=unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023 tclass=fifo_file permissive=1"
)
OTHER = (
    "type=USER_START msg=audit(1795624726.600:80): pid=1 uid=0 auid=0 ses=1 subj=system_u:system_r:init_t:s0 "
    'msg=\'op=PAM:session_open acct="root" res=success\'\x1dUID="root"\n'
)


def record(serial: int = 73, rest: str = REST) -> str:
    return f"type=AVC msg=audit(1795624726.523:{serial}): {rest}\n"


class Log:
    """auditd's directory, and all that was heard of it."""

    def __init__(self, directory: Path, cursor: str = "") -> None:
        self.directory = directory
        self.current = directory / "audit.log"
        self.heard: list[str] = []
        self.cursor = cursor
        self.source = AuditLogSource(cursor, self._hear, directory)

    def _hear(self, denials: tuple[Denial, ...], cursor: str) -> None:
        self.heard += [denial.stamp.partition(":")[2] for denial in denials]
        self.cursor = cursor

    def write(self, *texts: str) -> None:
        with self.current.open("a") as file:
            file.write("".join(texts))

    def rotate(self) -> None:
        for number in range(8, 0, -1):
            if (old := self.directory / f"audit.log.{number}").exists():
                old.rename(self.directory / f"audit.log.{number + 1}")
        self.current.rename(self.directory / "audit.log.1")
        self.current.touch()

    def next_agent(self) -> Log:
        after = Log(self.directory, self.cursor)
        after.heard = self.heard
        return after


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Log(tmp_path)
    made.write(record(1))
    made.source.catch_up()
    return made


def test_it_begins_with_what_comes_after_the_first_start(log: Log) -> None:
    assert log.heard == []
    log.write(OTHER, record(2), record(3))
    log.source.catch_up()
    log.source.catch_up()
    assert (log.heard, log.source.events) == (["2", "3"], 2)
    log.source.read()


def test_an_event_with_two_records_is_told_twice_under_one_stamp(log: Log) -> None:
    # Of a real host: `cat` was denied read and open in one system call.
    for words in (
        '{ read } for  pid=5891 comm="cat" name="secret"',
        '{ open } for  pid=5891 comm="cat" path="/data/secret"',
    ):
        log.write(
            record(460, f'avc:  denied  {words} dev="vda" ino=133515 scontext={CONTEXT} tclass=file permissive=1')
        )
    log.source.catch_up()
    assert log.heard == ["460", "460"]


def test_half_a_line_waits_for_its_end(log: Log) -> None:
    log.write(record(2)[:50])
    log.source.catch_up()
    assert log.heard == []
    log.write(record(2)[50:])
    log.source.catch_up()
    assert log.heard == ["2"]


def test_the_next_agent_reads_on_where_the_last_one_stood(log: Log) -> None:
    log.write(record(2))
    log.source.catch_up()
    log.write(record(3))
    after = log.next_agent()
    after.source.catch_up()
    assert after.heard == ["2", "3"]


def test_what_was_written_before_the_file_was_renamed_is_read_first(log: Log) -> None:
    for serial in (2, 3, 4):
        log.write(record(serial))
        log.rotate()
    log.write(record(5))
    log.source.catch_up()
    assert log.heard == ["2", "3", "4", "5"]


def test_files_that_are_gone_were_older_than_all_that_are_left(log: Log) -> None:
    for serial in (2, 3):
        log.rotate()
        log.write(record(serial))
    (log.directory / "audit.log.2").unlink()
    after = log.next_agent()
    after.source.catch_up()
    assert after.heard == ["2", "3"]


def test_a_file_that_is_gone_before_it_was_read_to_its_end_is_counted_as_lost_once_and_logged(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    log.write(record(2))
    log.rotate()
    log.write(record(3))
    (log.directory / "audit.log.1").rename(log.directory / "elsewhere")  # deleted, its inode would be the next file's
    for _ in range(2):
        log.source.catch_up()
    assert (log.heard, log.source.events_lost) == (["3"], 1)
    assert [each.getMessage() for each in caplog.records] == [
        "a file of the audit log was deleted before it was read to its end: denials may be missing"
    ]


def test_a_file_that_is_gone_after_it_was_read_to_its_end_is_no_loss(log: Log) -> None:
    log.write(record(2))
    log.rotate()
    log.source.catch_up()
    (log.directory / "audit.log.1").unlink()
    log.write(record(3))
    log.source.catch_up()
    assert (log.heard, log.source.events_lost) == (["2", "3"], 0)


def test_a_file_that_was_cut_is_read_from_its_start_and_told(log: Log) -> None:
    log.write(record(2), record(3))
    log.source.catch_up()
    log.current.write_text("")
    log.write(record(4))
    log.source.catch_up()
    assert (log.heard, log.source.events_lost) == (["2", "3", "4"], 1)


def test_without_auditd_there_is_no_such_log_until_there_is(tmp_path: Path) -> None:
    log = Log(tmp_path / "audit")
    log.source.catch_up()
    with pytest.raises(NotHere, match="auditd does not run"):
        log.source.read()
    log.directory.mkdir()
    log.write(record(1))
    log.source.catch_up()
    log.source.read()


def test_a_log_that_may_not_be_read_is_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "iterdir", denied)
    log.source.catch_up()
    with pytest.raises(Unreadable, match="run as root"):
        log.source.read()


def test_a_quiet_log_stays_young_while_it_is_read_to_its_end_and_grows_old_when_it_is_not(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_seconds = 1000.0
    monkeypatch.setattr("time.time", lambda: now_seconds)
    for _ in range(3):
        now_seconds += 700
        log.source.catch_up()
        assert log.source.well_at_seconds == now_seconds
    log.current.rename(log.directory / "elsewhere")
    now_seconds += 700
    log.source.catch_up()
    assert log.source.well_at_seconds == now_seconds - 700
    log.current.touch()
    log.source.catch_up()
    assert log.source.well_at_seconds == now_seconds


def test_a_cursor_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    log = Log(tmp_path, "nonsense")
    log.write(record(1))
    log.source.catch_up()
    assert log.heard == []


def test_a_line_without_an_end_does_not_fill_memory(log: Log) -> None:
    log.write("x" * 3_000_000)
    log.source.catch_up()
    log.write("\n", record(2))
    log.source.catch_up()
    assert log.heard == ["2"]


def test_it_is_followed_until_it_is_stopped(log: Log) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=log.source.follow, args=(stop,))
    log.write(record(2))
    thread.start()
    for _ in range(500):
        if log.heard:
            break
        threading.Event().wait(0.01)
    stop.set()
    thread.join(10)
    assert log.heard == ["2"]


def test_all_that_tell_of_a_denial_tell_of_the_same() -> None:
    denial = Denial("1795624726.523:73", 793, CONTEXT)
    assert parse_denial(record().rstrip("\n")) == denial
    assert parse_denial("node=lab.example.org " + record().rstrip("\n")) == denial
    assert parse_denial(f"audit: type=1400 audit(1795624726.523:73): {REST}") == denial
    assert parse_journal_denial(f"AVC {REST}", 1795624726523000, 73) == denial


@pytest.mark.parametrize(
    "text",
    [
        "",
        OTHER.rstrip("\n"),
        record(rest=REST.replace("denied", "granted")),
        record().replace("type=AVC", "type=USER_AVC"),
        f"audit: type=1107 audit(1795624726.523:73): {REST}",
        f"said: audit: type=1400 audit(1795624726.523:73): {REST}",
        record(rest='avc:  denied  { write } for  pid=793 comm="hold"'),
    ],
)
def test_what_is_no_denial_tells_of_none(text: str) -> None:
    assert parse_denial(text) is None


def test_a_process_that_calls_itself_a_context_is_not_believed() -> None:
    # The kernel writes a name with a space or a quote in hex, and one without stands in quotes.
    forged = REST.replace('comm="hold"', 'comm="scontext=a:b:c:s0"')
    denial = parse_denial(record(rest=forged).rstrip("\n"))
    assert denial is not None
    assert denial.context == CONTEXT


@given(st.text())
def test_no_text_at_all_breaks_the_parsers(text: str) -> None:
    parse_denial(text)
    parse_denial(record(rest=text))
    parse_journal_denial(text, 1, 1)


@given(st.integers(0, 10**11), st.integers(0, 999), st.integers(1, 2**63), st.integers(0, 2**22))
def test_a_denial_comes_back_as_it_was_written(seconds: int, milliseconds: int, serial: int, pid: int) -> None:
    rest = REST.replace("pid=793", f"pid={pid}")
    stamp = f"{seconds}.{milliseconds:03d}:{serial}"
    denial = Denial(stamp, pid, CONTEXT)
    assert parse_denial(f"type=AVC msg=audit({stamp}): {rest}") == denial
    assert parse_journal_denial(f"AVC {rest}", seconds * 1_000_000 + milliseconds * 1000, serial) == denial


NOW = 1795624726.9
HOME = "/services.slice/x.service/libpod-payload-" + "a" * 64


def lives(proc: Path, label: str = CONTEXT, cgroup: str = f"0::{HOME}\n") -> Path:
    (proc / "793/attr").mkdir(parents=True)
    (proc / "793/attr/current").write_text(label + "\0")
    (proc / "793/cgroup").write_text(cgroup)
    return proc


def test_a_process_that_still_lives_is_asked_where(tmp_path: Path) -> None:
    kill = KernelKill("b", 1, 1, 1, "/x", None, 1.0)
    found = located((Denial("1795624726.523:73", 793, CONTEXT), kill), lives(tmp_path), NOW)
    assert found == (Denial("1795624726.523:73", 793, CONTEXT, HOME), kill)


@pytest.mark.parametrize(
    ("label", "now"), [("system_u:system_r:container_t:s0:c9,c10", NOW), (CONTEXT, NOW + 60), (CONTEXT, NOW - 60)]
)
def test_another_process_under_the_same_pid_and_one_of_long_ago_are_not(tmp_path: Path, label: str, now: float) -> None:
    denial = Denial("1795624726.523:73", 793, CONTEXT)
    assert located((denial,), lives(tmp_path, label), now) == (denial,)
    assert located((denial,), tmp_path / "nothing", NOW) == (denial,)
