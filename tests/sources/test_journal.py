from __future__ import annotations

import json
import os
import resource
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.evidence import JournalEvent, KernelKill, OomdKill, RestartScheduled, UnitFailed, UnitStopping
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.log import journal
from exporter.sources.log.journal import JournalSource, event_of, parse_entry
from tests.sources.sleepers import Sleepers

BOOT = "65e0bb86b9e74ad094bdcb6ea4444883"
KILL = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a.slice,"
    "task_memcg=/a.slice/web.service,task=tail,pid=1856,uid=0"
)


def entry(number: int = 1, **fields: object) -> dict[str, object]:
    return {
        "__CURSOR": f"c{number}",
        "_BOOT_ID": BOOT,
        "__MONOTONIC_TIMESTAMP": "5000000",
        "__REALTIME_TIMESTAMP": str(int(time.time() * 1e6)),
        **fields,
    }


def restart(number: int = 1, **fields: object) -> dict[str, object]:
    told = {"MESSAGE_ID": journal.RESTART_SCHEDULED, "UNIT": "web.service", "N_RESTARTS": str(number)}
    return entry(number) | told | fields


def told(**fields: object) -> JournalEvent | None:
    return event_of(parse_entry(json.dumps(entry() | fields).encode()))


class Journalctl:
    """A script in its place: what it does for each call, in order; the last one is repeated.

    A call for what was left unread, which is neither to follow nor for the newest entry, is not among these: it gets
    `unread`.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journalctl"
        self.calls = directory / "calls"
        self.calls_for_unread = directory / "calls-for-unread"
        self.calls.write_text("")

    def plays(self, *scripts: str, unread: str = "") -> tuple[str, ...]:
        for number, script in (*enumerate(scripts), (-1, unread)):
            (self.path.parent / f"script{number}.py").write_text(f"import os, sys, time\n{script}\n")
        self.path.write_text(
            "import os, runpy, sys\n"
            f"calls = {str(self.calls)!r}\n"
            "if '--follow' not in sys.argv and '--lines=1' not in sys.argv:\n"
            f"    open({str(self.calls_for_unread)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
            f"    runpy.run_path({str(self.path.parent / 'script-1.py')!r})\n"
            "    sys.exit()\n"
            "number = len(open(calls).read().splitlines())\n"
            "open(calls, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
            f"runpy.run_path({str(self.path.parent)!r} + f'/script{{min(number, {len(scripts) - 1})}}.py')\n"
        )
        return (sys.executable, "-S", str(self.path))

    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journalctl:
    monkeypatch.setattr(journal, "_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(journal, "_FIRST_DELAY_SECONDS", 0.01)
    return Journalctl(tmp_path)


def says(*entries: dict[str, object], then: str = "time.sleep(60)") -> str:
    lines = "".join(json.dumps(one) + "\n" for one in entries)
    return f"sys.stdout.write({lines!r}); sys.stdout.flush()\n{then}"


class Heard:
    def __init__(self) -> None:
        self.events: list[JournalEvent] = []
        self.cursors: list[str] = []

    def __call__(self, events: tuple[JournalEvent, ...], cursor: str) -> None:
        self.events += events
        self.cursors.append(cursor)

    @property
    def counts(self) -> list[int]:
        return [event.count for event in self.events if isinstance(event, RestartScheduled)]


@contextmanager
def followed(command: tuple[str, ...], cursor: str = "c0") -> Iterator[tuple[JournalSource, Heard]]:
    heard, stop = Heard(), threading.Event()
    source = JournalSource(cursor, heard, command)
    thread = threading.Thread(target=source.follow, args=(stop,))
    thread.start()
    try:
        yield source, heard
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def until(is_so: object) -> None:
    ends_at = time.monotonic() + 10
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def test_what_was_left_unread_is_heard_then_what_comes(journalctl: Journalctl) -> None:
    unread = says(restart(1), restart(2), then="")
    with followed(journalctl.plays(says(restart(3)), unread=unread)) as (source, heard):
        until(lambda: heard.counts == [1, 2, 3])
        until(lambda: source.has_caught_up)
        assert time.time() - source.read() < 5
        assert heard.cursors[-1] == "c3"
        assert (source.events, source.events_lost) == (3, 0)
    assert not source.has_caught_up
    asked = journalctl.calls_for_unread.read_text()
    assert "--after-cursor=c0" in asked
    assert "--after-cursor=c2" in journalctl.asked()[0]
    assert "_PID=1 _UID=0" in asked


def test_it_has_not_caught_up_while_unread_entries_come_however_slowly(journalctl: Journalctl) -> None:
    an_hour_ago = str(int((time.time() - 3600) * 1e6))
    unread = says(restart(1, __REALTIME_TIMESTAMP=an_hour_ago))  # and then nothing for a while
    with followed(journalctl.plays(says(restart(2)), unread=unread)) as (source, heard):
        until(lambda: heard.counts == [1])
        time.sleep(0.4)  # several times what counts as idle
        assert not source.has_caught_up
        assert time.time() - source.read() > 3000
        assert not journalctl.asked()


def test_unread_entries_that_cannot_be_read_are_asked_for_again(journalctl: Journalctl) -> None:
    with followed(journalctl.plays(says(), unread="sys.exit(3)")) as (source, _):
        until(lambda: journalctl.calls_for_unread.exists() and journalctl.calls_for_unread.read_text().count("\n") > 1)
        assert not source.has_caught_up
    assert not journalctl.asked()


def test_descriptors_beyond_a_thousand_are_waited_for(journalctl: Journalctl) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            stack.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        with followed(journalctl.plays(says(restart(1)))) as (_, heard):
            until(lambda: heard.counts == [1])


def test_the_first_time_it_begins_at_now(journalctl: Journalctl) -> None:
    with followed(journalctl.plays(says(entry(7), then=""), says(restart(8))), cursor="") as (_, heard):
        until(lambda: heard.counts == [8])
    assert heard.cursors == ["c7", "c8"]
    assert "--lines=1" in journalctl.asked()[0]
    assert "--after-cursor=c7" in journalctl.asked()[1]


def test_after_its_death_it_goes_on_at_the_last_entry(journalctl: Journalctl) -> None:
    with followed(journalctl.plays(says(restart(1), then="os.kill(os.getpid(), 9)"), says(restart(2)))) as (_, heard):
        until(lambda: heard.counts == [1, 2])
    assert "--after-cursor=c1" in journalctl.asked()[1]


def test_a_cursor_that_is_refused_is_a_gap_and_it_begins_at_now(journalctl: Journalctl) -> None:
    refused = "sys.exit('Failed to seek to cursor: Invalid argument')"
    with followed(journalctl.plays(refused, says(entry(9), then=""), says(restart(10)))) as (source, heard):
        until(lambda: heard.counts == [10])
        assert source.events_lost == 1
    assert "--after-cursor=c9" in journalctl.asked()[2]


def test_garbage_is_skipped_and_counted(journalctl: Journalctl) -> None:
    garbage = r"sys.stdout.buffer.write(b'\xff\xfe\n{\n[]\n\n' + b'x' * 100 + b'\n')" + "\nsys.stdout.flush()\n"
    with followed(journalctl.plays(garbage + says(restart(1)))) as (source, heard):
        until(lambda: heard.counts == [1])
        assert source.events_lost == 4


def test_a_line_without_an_end_does_not_fill_the_memory(
    journalctl: Journalctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LINE_BYTES", 100_000)
    endless = "sys.stdout.write('x' * 500_000 + '\\n')\nsys.stdout.flush()\n"
    with followed(journalctl.plays(endless + says(restart(1)))) as (source, heard):
        until(lambda: heard.counts == [1])
        assert source.events_lost >= 1


def test_one_that_hangs_does_not_hold_up_the_end(journalctl: Journalctl) -> None:
    began = time.monotonic()
    with followed(journalctl.plays("import signal\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)")):
        until(journalctl.asked)
    assert time.monotonic() - began < 5


def test_complaints_beyond_what_a_pipe_holds_hold_up_no_entry(journalctl: Journalctl) -> None:
    noise = "sys.stderr.write('x' * 20_000 + '\\n'); sys.stderr.flush()\n"
    script = "".join(noise + says(restart(number), then="") + "\n" for number in range(1, 21))
    with followed(journalctl.plays(script + "time.sleep(60)")) as (source, heard):
        until(lambda: heard.counts == [*range(1, 21)])
        assert len(source._complaint) <= 4096
        source.read()


def test_of_many_complaints_the_last_line_is_the_reason(journalctl: Journalctl) -> None:
    many = "sys.stderr.write('noise\\n' * 50_000); sys.exit('Journal file corrupted\\x1b[31m')"
    with followed(journalctl.plays(many)) as (source, _):
        until(lambda: len(journalctl.asked()) > 1)
        until(lambda: source._problem == "journalctl ended: Journal file corrupted?[31m")


def test_journalctl_gets_no_environment_but_a_locale_and_a_time_zone(
    journalctl: Journalctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEMD_LOG_LEVEL", "debug")
    monkeypatch.setenv("PATH", str(tmp_path))
    writes = f"open({str(tmp_path / 'environment')!r}, 'a').write(' '.join(sorted(os.environ)) + '\\n')\n"
    commands = journalctl.plays(writes + says(entry(7), then=""), writes + says(restart(8)), unread=writes)
    with followed(commands, cursor="") as (_, heard):
        until(lambda: heard.counts == [8])
    assert (tmp_path / "environment").read_text().splitlines() == ["LC_ALL TZ"] * 3


def test_no_second_journalctl_is_started_while_the_first_cannot_be_killed(
    journalctl: Journalctl, sleepers: Sleepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    closes_its_output = "os.close(1); time.sleep(600)"
    monkeypatch.setattr(journal, "_TIMEOUT_SECONDS", 0.05)
    with followed(journalctl.plays(closes_its_output)) as (source, _):
        until(lambda: "still hangs in the kernel" in source._problem)
        assert f"process {sleepers.children[0].pid} of" in source._problem
    assert len(journalctl.asked()) == 1


def test_a_journal_that_is_never_quiet_has_caught_up_all_the_same(journalctl: Journalctl) -> None:
    busy = f"line = {json.dumps(entry(5))!r}\nwhile True:\n    print(line, flush=True)\n    time.sleep(0.01)"
    with followed(journalctl.plays(busy)) as (source, _):
        until(lambda: source.has_caught_up)
        source.read()


def test_a_quiet_journal_stays_young_while_journalctl_waits_for_it(journalctl: Journalctl) -> None:
    with followed(journalctl.plays("time.sleep(60)")) as (source, _):
        until(lambda: source.has_caught_up)
        before = source.read()
        until(lambda: source.read() > before)


def test_a_journal_whose_journalctl_was_stopped_grows_old(
    journalctl: Journalctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    waits = journal._waits

    def looking(pid: int) -> bool:
        looks.append(waits(pid))
        return looks[-1]

    monkeypatch.setattr(journal, "_waits", looking)
    stops_itself = "import signal; os.kill(os.getpid(), signal.SIGSTOP)"
    with followed(journalctl.plays(stops_itself)) as (source, _):
        until(lambda: False in looks)
        before, count = source.read(), len(looks)
        until(lambda: len(looks) > count + 2)
        assert source.read() == before


def test_a_journal_that_does_not_come_to_the_end_of_what_was_left_unread_grows_old(
    journalctl: Journalctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls: list[float] = []
    poll_of = select.poll

    class CountingPoll:
        def __init__(self) -> None:
            self._poll = poll_of()
            self.register = self._poll.register

        def poll(self, timeout: float) -> object:
            polls.append(timeout)
            return self._poll.poll(timeout)

    monkeypatch.setattr(select, "poll", CountingPoll)
    with followed(journalctl.plays("time.sleep(60)", unread="time.sleep(60)")) as (source, _):
        until(lambda: len(polls) > 1)
        before, count = source.read(), len(polls)
        until(lambda: len(polls) > count + 2)
        assert not source.has_caught_up
        assert source.read() == before


def test_a_process_that_is_not_there_does_not_wait() -> None:
    assert journal._waits(os.getpid())
    assert not journal._waits(2**22 + 1)


def test_one_that_is_refused_says_why(journalctl: Journalctl) -> None:
    denied = "sys.exit('No journal files were opened due to insufficient permissions.')"
    with followed(journalctl.plays(denied), cursor="") as (source, _):
        until(lambda: len(journalctl.asked()) > 1)
        with pytest.raises(Unreadable, match="insufficient permissions"):
            source.read()


def test_a_host_without_it_is_no_failure(tmp_path: Path) -> None:
    with followed((str(tmp_path / "none"),), cursor="") as (source, _):
        until(lambda: "not installed" in source._problem)
        with pytest.raises(NotHere):
            source.read()


def test_a_restart_was_sent_before_the_journal_took_it() -> None:
    late = told(
        MESSAGE_ID=journal.RESTART_SCHEDULED,
        UNIT="web.service",
        N_RESTARTS="5",
        __REALTIME_TIMESTAMP="1795491420000000",
        _SOURCE_REALTIME_TIMESTAMP="1795491418000000",
    )
    assert late == RestartScheduled(BOOT, 5_000_000, 3_000_000, "web.service", 5)


def test_what_systemd_tells() -> None:
    assert told(MESSAGE_ID=journal.STOPPING, UNIT="web.service") == UnitStopping(BOOT, 5_000_000, "web.service")
    failed = told(MESSAGE_ID=journal.FAILURE_RESULT, UNIT="web.service", UNIT_RESULT="watchdog")
    assert failed == UnitFailed(BOOT, 5_000_000, "web.service", "watchdog")
    killed = told(MESSAGE_ID=journal.OOMD_KILL, UNIT="web.service", N_PROCESSES="3")
    assert isinstance(killed, OomdKill)
    assert killed.processes == 3


def test_a_kill_counts_from_the_kernel_alone() -> None:
    kill = told(_TRANSPORT="kernel", SYSLOG_FACILITY="0", MESSAGE=KILL, _SOURCE_MONOTONIC_TIMESTAMP="4999999")
    assert isinstance(kill, KernelKill)
    assert (kill.stamp_us, kill.pid, kill.limit_cgroup) == (4_999_999, 1856, "/a.slice")
    assert told(_TRANSPORT="kernel", SYSLOG_FACILITY="1", MESSAGE=KILL) is None
    assert told(_TRANSPORT="stdout", SYSLOG_FACILITY="0", MESSAGE=KILL) is None


@pytest.mark.parametrize("field", ["MESSAGE", "MESSAGE_ID", "UNIT", "N_RESTARTS", "UNIT_RESULT", "SYSLOG_FACILITY"])
def test_a_field_that_is_no_text_is_missing(field: str) -> None:
    fields: dict[str, object] = {"MESSAGE_ID": journal.RESTART_SCHEDULED, "UNIT": "web.service", "N_RESTARTS": "1"}
    odds: tuple[object, ...] = ([119, 255, 101], None, ["a", "b"], {}, 7)
    for odd in odds:
        told(**(fields | {field: odd}))
    fields |= {"_TRANSPORT": "kernel", "MESSAGE": [255, 1], "SYSLOG_FACILITY": "0"}
    assert told(**fields) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = st.sampled_from([*journal.FIELDS, "__CURSOR", "__MONOTONIC_TIMESTAMP", "__REALTIME_TIMESTAMP"])
IDS = st.sampled_from([journal.RESTART_SCHEDULED, journal.OOMD_KILL, journal.FAILURE_RESULT, journal.STOPPING])


@given(st.binary() | st.dictionaries(FIELDS, JSON | IDS).map(lambda fields: json.dumps(fields).encode()))
def test_no_bytes_break_the_parser(line: bytes) -> None:
    with suppress(Unreadable):
        event_of(parse_entry(line))
