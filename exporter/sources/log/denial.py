"""SELinux's word that it denied something, wherever it was read, and where the process was.

The kernel's audit prints one record a denial (security/selinux/avc.c, slow_avc_audit). It goes to auditd if that runs
and writes /var/log/audit/audit.log; else it goes to the kernel's log, at most 10 in 5 s; and to the journal as well
where systemd-journald-audit.socket is on:

    audit: type=1400 audit(1795624675.055:22): avc:  denied  { relabelto } for  pid=555 comm="systemd-tmpfile" name=...
    type=AVC msg=audit(1795624726.523:73): avc:  denied  { write } for  pid=793 comm="hold" path="pipe:[6355]"
    dev="pipefs" ino=6355 scontext=system_u:system_r:container_t:s0:c161,c724 tcontext=... tclass=fifo_file permissive=1
    AVC avc:  denied  { read } for  pid=1402 comm="cat" ...

Time and serial number in the brackets are the same wherever it is told. What a process may choose, as its name, the
kernel writes without spaces and quotes, or in hex: no field can be forged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from exporter.facts.evidence import Denial
from exporter.sources.log.process_cgroup import read_cgroup

T = TypeVar("T")

_TOLD = re.compile(
    r"^(?:audit: type=1400 |(?:node=\S{1,255} )?type=AVC msg=)audit\((?P<stamp>\d{1,12}\.\d{3}:\d{1,20})\): "
    r"(?P<rest>avc:  denied  \{.*)$",
    re.DOTALL,
)
_JOURNALS = re.compile(r"^AVC (?P<rest>avc:  denied  \{.*)$", re.DOTALL)
_FIELDS = re.compile(r"^avc:  denied  \{[^}]*\} for  pid=(?P<pid>\d{1,10}) (?:.*? )?scontext=(?P<context>\S{1,4096}) ")
_JUST_NOW_SECONDS = 10.0


def parse_denial(text: str) -> Denial | None:
    """What a line of the kernel's log or of audit.log tells of a denial; None for every other line."""
    found = _TOLD.match(text)
    return _denial(found["stamp"], found["rest"]) if found else None


def parse_journal_denial(message: str, at_us: int, serial: int) -> Denial | None:
    """What an entry of the journal's that came from audit itself tells of a denial; None for every other."""
    found = _JOURNALS.match(message)
    stamp = f"{at_us // 1_000_000}.{at_us // 1000 % 1000:03d}:{serial}"
    return _denial(stamp, found["rest"]) if found and serial else None


def located(events: Iterable[T], proc: Path, now_seconds: float) -> tuple[T | Denial, ...]:
    """The same, with the cgroup of each process that was denied something just now and still is what it was."""
    return tuple(
        replace(one, cgroup=_cgroup_of(one, proc))
        if isinstance(one, Denial) and abs(now_seconds - float(one.stamp.partition(":")[0])) < _JUST_NOW_SECONDS
        else one
        for one in events
    )


def _denial(stamp: str, rest: str) -> Denial | None:
    found = _FIELDS.match(rest)
    return Denial(stamp, int(found["pid"]), found["context"]) if found else None


def _cgroup_of(denial: Denial, proc: Path) -> str:
    path = read_cgroup(proc, denial.pid)
    try:
        label = (proc / str(denial.pid) / "attr/current").read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
    # Another process may have the pid by now: it hardly has the label too.
    return path if path and label == denial.context else ""
