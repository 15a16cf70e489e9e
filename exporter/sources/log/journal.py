"""The journal: what the kernel and systemd have told, also while nobody listened.

`journalctl --after-cursor=... --output=json` (journalctl(1), systemd.journal-fields(7)), first for what was left
unread, then with --follow; a child process that outlives journald's restarts, and is started anew at the last cursor
if it ends. Message ids are those of sd-messages.h. An entry, shortened:

    {"__CURSOR":"s=054b...;i=cab;b=65e0...;m=1d9d4ed9;t=660f...;x=2e37...","_BOOT_ID":"65e0bb86b9e74ad094bdcb6ea4444883",
     "__MONOTONIC_TIMESTAMP":"496848601","_SOURCE_REALTIME_TIMESTAMP":"1795491418739182",
     "MESSAGE_ID":"5eb03494b6584870a536b337290809b3","UNIT":"exitloop.service","N_RESTARTS":"5",
     "MESSAGE":"exitloop.service: Scheduled restart job, restart counter is at 5."}

An entry of audit itself (systemd-journald-audit.socket) has `_TRANSPORT` audit, and the serial number in `_AUDIT_ID`.
A kernel's line has `_TRANSPORT` kernel and `_SOURCE_MONOTONIC_TIMESTAMP`, the stamp that /dev/kmsg shows, too.

What journalctl writes to standard error is read as well, or it would stop when that pipe is full; the last line of it
is the reason that is reported.

Looks again: journalctl waits for new entries, and is started again at the last cursor when it ends, after a second and
then less often, a minute at most. A journal that is quiet is well while journalctl waits for it: once a second it is
looked whether that process is there and neither stopped nor stuck in the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import MsgspecError, Struct, field, json

from exporter.facts.evidence import (
    Denial,
    JournalEvent,
    KernelKill,
    OomdKill,
    RestartScheduled,
    UnitFailed,
    UnitOutOfMemory,
    UnitStopping,
)
from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.deadline import SEARCH_PATH, NotInstalled, ProgramError, Programs
from exporter.sources.log.denial import parse_denial, parse_journal_denial
from exporter.sources.log.kill import parse_kill

OUT_OF_MEMORY = "fe6faa94e7774663a0da52717891d8ef"
OOMD_KILL = "d989611b15e44c9dbf31e3c81256e4ed"
RESTART_SCHEDULED = "5eb03494b6584870a536b337290809b3"
FAILURE_RESULT = "d9b373ed55a64feb8242e02dbe79a49c"
STOPPING = "de5b426a63be47a7b6ac3eaac82e2f6f"

FIELDS = (
    *("MESSAGE", "MESSAGE_ID", "UNIT", "N_RESTARTS", "UNIT_RESULT", "N_PROCESSES"),
    *(
        "_AUDIT_ID",
        "SYSLOG_FACILITY",
        "_TRANSPORT",
        "_BOOT_ID",
        "_PID",
        "_SOURCE_MONOTONIC_TIMESTAMP",
        "_SOURCE_REALTIME_TIMESTAMP",
    ),
)
# systemd's word counts only from systemd: anybody may write an entry with these ids.
MATCHES = (
    "_TRANSPORT=kernel",
    *("+", "_TRANSPORT=audit", "_AUDIT_TYPE=1400"),
    *(
        part
        for message in (OUT_OF_MEMORY, OOMD_KILL, RESTART_SCHEDULED, FAILURE_RESULT, STOPPING)
        for part in ("+", f"MESSAGE_ID={message}", "_PID=1", "_UID=0")
    ),
)
_LINE_BYTES = 1 << 20
_COMPLAINT_BYTES = 4096
_MAX_REASON_CHARACTERS = 200
_QUIETLY = ("--quiet", "--no-pager")
_CHUNK_BYTES = 1 << 16
_NUMBER = re.compile(r"[0-9]{1,19}")
_IDLE_SECONDS = 1.0
_FIRST_DELAY_SECONDS = 1.0
_LAST_DELAY_SECONDS = 60.0
_TIMEOUT_SECONDS = 60.0

Hear = Callable[[tuple[JournalEvent, ...], str], None]


class Entry(Struct):
    """One entry, as far as it is read. A field that is not UTF-8 comes as a list of bytes, and counts as missing."""

    cursor: str = field(name="__CURSOR")
    boot_id: str = field(name="_BOOT_ID", default="")
    monotonic_us: str = field(name="__MONOTONIC_TIMESTAMP", default="")
    realtime_us: str = field(name="__REALTIME_TIMESTAMP", default="")
    sent_us: object = field(name="_SOURCE_REALTIME_TIMESTAMP", default="")
    stamp_us: object = field(name="_SOURCE_MONOTONIC_TIMESTAMP", default="")
    transport: object = field(name="_TRANSPORT", default="")
    facility: object = field(name="SYSLOG_FACILITY", default="")
    message: object = field(name="MESSAGE", default="")
    message_id: object = field(name="MESSAGE_ID", default="")
    unit: object = field(name="UNIT", default="")
    restarts: object = field(name="N_RESTARTS", default="")
    result: object = field(name="UNIT_RESULT", default="")
    processes: object = field(name="N_PROCESSES", default="")
    audit_id: object = field(name="_AUDIT_ID", default="")


def parse_entry(line: bytes) -> Entry:
    """One line of journalctl's JSON. Raises Unreadable."""
    try:
        return json.decode(line, type=Entry)
    except (MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"journalctl printed what is no entry ({error}): {line[:60]!r}") from error


def event_of(entry: Entry) -> JournalEvent | None:
    """What the entry tells, if it is of any interest here."""
    if entry.transport == "kernel":
        return _kill_of(entry) or _denial_of(entry)
    if entry.transport == "audit":
        message = entry.message if isinstance(entry.message, str) else ""
        return parse_journal_denial(message, _number(entry.sent_us), _number(entry.audit_id))
    if not isinstance(entry.unit, str) or not entry.unit:
        return None
    boot, heard_us, unit = entry.boot_id, _number(entry.monotonic_us), entry.unit
    sent_seconds = (_number(entry.sent_us) or _number(entry.realtime_us)) / 1e6
    sent_us, realtime_us = _number(entry.sent_us), _number(entry.realtime_us)
    delay_us = max(0, realtime_us - sent_us) if sent_us and realtime_us else 0
    count = _number(entry.restarts)
    if entry.message_id == RESTART_SCHEDULED and not count:
        return None
    told: dict[object, Callable[[], JournalEvent]] = {
        RESTART_SCHEDULED: lambda: RestartScheduled(boot, heard_us, max(0, heard_us - delay_us), unit, count),
        OUT_OF_MEMORY: lambda: UnitOutOfMemory(boot, heard_us, unit),
        OOMD_KILL: lambda: OomdKill(boot, heard_us, unit, max(1, _number(entry.processes)), sent_seconds),
        FAILURE_RESULT: lambda: UnitFailed(boot, heard_us, unit, str(entry.result)),
        STOPPING: lambda: UnitStopping(boot, heard_us, unit),
    }
    tell = told.get(entry.message_id) if isinstance(entry.message_id, str) else None
    return tell() if tell else None


def _denial_of(entry: Entry) -> Denial | None:
    return parse_denial(entry.message) if isinstance(entry.message, str) and entry.facility == "0" else None


def _kill_of(entry: Entry) -> KernelKill | None:
    # What a process writes to /dev/kmsg has another facility: the kernel sees to that.
    victim = parse_kill(entry.message) if isinstance(entry.message, str) and entry.facility == "0" else None
    if victim is None or victim.victim_cgroup is None:
        return None
    return KernelKill(
        boot_id=entry.boot_id,
        heard_us=_number(entry.monotonic_us),
        stamp_us=_number(entry.stamp_us),
        pid=victim.pid,
        victim_cgroup=victim.victim_cgroup,
        limit_cgroup=victim.limit_cgroup,
        at_seconds=_number(entry.realtime_us) / 1e6,
    )


class JournalSource:
    """Follows the journal from `cursor` on, or from now on where that is "". `command` is journalctl."""

    def __init__(self, cursor: str, hear: Hear, command: tuple[str, ...] = ("journalctl",)) -> None:
        self._cursor = cursor
        self._hear = hear
        self._command = command
        # Not niced: on a host where everything restarts at once it has to keep up.
        self._programs = Programs(SEARCH_PATH, _LINE_BYTES, niceness=0)
        self._child: subprocess.Popen[bytes] | None = None
        self._complaint = b""  # the end of what it has written to standard error
        self.events = 0
        self.events_lost = 0
        """Times that the cursor was no longer in the journal, or an entry could not be read."""
        self.has_caught_up = False
        """Whether all was heard that was there, and the journal is being followed."""
        self.well_at_seconds: float | None = None
        """Unix time until which all was heard; before the first entry the time at which journalctl was started."""
        self._problem = "has not answered yet"

    def read(self) -> float:
        """Up to when it was heard, unix time. Raises NotHere, Unreadable while it is not followed."""
        if self._problem:
            raise (NotHere if "not installed" in self._problem else Unreadable)(self._problem)
        if self.well_at_seconds is None:
            raise Unreadable("has not answered yet")
        return self.well_at_seconds

    def follow(self, stop: threading.Event) -> None:
        """Hear every entry, until `stop` is set; starts anew whenever journalctl ends."""
        delay = _FIRST_DELAY_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            try:
                if not self._cursor:
                    self._cursor = self._newest()
                    self._hear((), self._cursor)
                self._follow_once(stop)
                self._problem = "journalctl ended, it is started again"
            except (SourceError, OSError, subprocess.SubprocessError) as error:
                self._problem = str(error)
            finally:
                self.has_caught_up = False
                self._end()
            if time.monotonic() - began > delay:
                delay = _FIRST_DELAY_SECONDS
            stop.wait(delay)
            delay = min(2 * delay, _LAST_DELAY_SECONDS)

    def _newest(self) -> str:
        """Where the journal ends now."""
        done = self._run("--lines=1", "--output=json", "--output-fields=MESSAGE_ID")
        lines = done.splitlines()
        return parse_entry(lines[-1]).cursor if lines else ""

    def _run(self, *arguments: str) -> bytes:
        with _in_words():
            ended = self._programs.run("ask", (*self._command, *_QUIETLY, *arguments), _TIMEOUT_SECONDS)
        if ended.status:
            reason = _last_line(ended.complaint)
            raise Unreadable(f"the journal cannot be read ({reason}): run as root, or join group systemd-journal")
        return ended.output

    def _follow_once(self, stop: threading.Event) -> None:
        # What was left unread comes first, from a journalctl that ends: an emulated or starved host prints it with
        # pauses of seconds, and only its end tells that nothing of the past is to come.
        self._hear_all_of(stop)
        if not stop.is_set():
            self.has_caught_up, self._problem = True, ""
            self.well_at_seconds = time.time()
            self._hear_all_of(stop, "--follow", "--no-tail")

    def _hear_all_of(self, stop: threading.Event, *options: str) -> None:
        arguments = [*_QUIETLY, *options, "--output=json", f"--output-fields={','.join(FIELDS)}"]
        if self._cursor:
            arguments.append(f"--after-cursor={self._cursor}")
        self._end()
        with _in_words():
            self._child = self._programs.start("follow", (*self._command, *arguments, *MATCHES))
        self._complaint = b""
        if self.well_at_seconds is None:
            self.well_at_seconds = time.time()
        for lines in self._batches(self._child, stop):
            self._take(lines)
        if not stop.is_set() and self._child.poll() is not None:
            reason = _last_line(self._complaint)
            if b"cursor" in self._complaint.lower():
                # Vacuumed, or another machine's: begin at now, and say that there is a gap.
                self.events_lost += 1
                self._cursor = ""
            if reason or self._child.returncode:
                raise Unreadable(f"journalctl ended: {reason or self._child.returncode}")

    def _batches(self, child: subprocess.Popen[bytes], stop: threading.Event) -> Iterator[list[bytes]]:
        """Whole lines, as many as are there at once."""
        assert child.stdout is not None  # noqa: S101 - Popen was asked for pipes
        assert child.stderr is not None  # noqa: S101
        descriptor, complaints = child.stdout.fileno(), child.stderr.fileno()
        os.set_blocking(complaints, False)
        poll = select.poll()  # select() ends at descriptor 1023, and the cgroups' files are more
        poll.register(descriptor, select.POLLIN)
        poll.register(complaints, select.POLLIN)
        rest = b""
        while not stop.is_set():
            ready = {found for found, _ in poll.poll(_IDLE_SECONDS * 1000)}
            if complaints in ready and self._heard_complaint(complaints) == b"":
                poll.unregister(complaints)
            if descriptor not in ready:
                if not ready:
                    self._problem = ""
                    if child.poll() is not None:
                        return
                if self.has_caught_up and _waits(child.pid):
                    self.well_at_seconds = time.time()
                continue
            chunk = os.read(descriptor, _CHUNK_BYTES)
            self._problem = "" if chunk else self._problem
            if not chunk:
                while self._heard_complaint(complaints):
                    pass
                child.wait(_TIMEOUT_SECONDS)
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LINE_BYTES:
                rest = b""
                self.events_lost += 1
            yield lines

    def _heard_complaint(self, descriptor: int) -> bytes | None:
        """What was written to standard error since; b"" at its end, None if nothing was."""
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        self._complaint = (self._complaint + chunk)[-_COMPLAINT_BYTES:]
        return chunk

    def _take(self, lines: list[bytes]) -> None:
        events: list[JournalEvent] = []
        for line in lines:
            try:
                entry = parse_entry(line)
            except Unreadable:
                self.events_lost += bool(line.strip())
                continue
            self._cursor = entry.cursor
            event = event_of(entry)
            if event is not None:
                events.append(event)
            if realtime_us := _number(entry.realtime_us):
                # A clock that was set back since must not make it well for hours to come.
                self.well_at_seconds = min(time.time(), realtime_us / 1e6)
        self.events += len(events)
        if self._cursor:
            self._hear(tuple(events), self._cursor)

    def _end(self) -> None:
        if self._child is not None:
            self._programs.end("follow", self._child)
            self._child = None


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Why journalctl did not do what it was asked for, as a source reports it."""
    try:
        yield
    except NotInstalled as error:
        raise NotHere("journalctl is not installed: what happens while the agent is down is not told") from error
    except ProgramError as error:
        raise Unreadable(f"journalctl {error}") from error


def _last_line(complaint: bytes) -> str:
    """The last line of standard error, bounded and printable."""
    line = complaint.decode(errors="replace").strip().rpartition("\n")[2][:_MAX_REASON_CHARACTERS]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _waits(pid: int) -> bool:
    """Whether a process is neither stopped nor stuck in the kernel, by its state in /proc/PID/stat (proc(5))."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1]
    except OSError:
        return False
    return state in (b"S", b"R")


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and _NUMBER.fullmatch(text) else 0
