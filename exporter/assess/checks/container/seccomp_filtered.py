"""Every process is under podman's seccomp filter.

Declared: no seccomp=unconfined. In force: Seccomp 2 of every process in /proc/PID/status. A program may filter its own
system calls as well, with a filter that allows all of them, and the kernel shows the mode and the number of filters,
never whose they are: what was declared decides whether one of them is podman's.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, judge_every_process, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity, Verdict

_FILTER = 2


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the profile that podman was asked for."""
    profile = subject.container.security.seccomp if subject.container else None
    filtered = None if profile is None else profile != "unconfined"
    return asked("system calls are filtered", "system calls are not filtered", stands=filtered)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the seccomp mode of every process, then whether podman was asked for a filter."""
    promised = promise(declared(subject))
    outcome = judge_every_process(
        subject,
        lambda process: process.seccomp_mode == _FILTER,
        declared=promised,
        good="system calls are filtered",
        bad="a process may make any system call",
    )
    if outcome.verdict is not Verdict.PASS or promised:
        return outcome
    if promised is None:
        return unknown("nothing says whose filter it is", "podman did not say, and a program may filter itself")
    return failed("only the program's own filter", "podman was asked for seccomp=unconfined")


CHECK = Check(
    id="seccomp_filtered",
    title="System calls are filtered",
    severity=Severity.CRITICAL,
    why="A hole in a system call that containers do not need cannot be reached from inside one.",
    fix_quadlet="Remove SeccompProfile=unconfined",
    fix_podman="Remove --security-opt seccomp=unconfined and --privileged",
    references=("CIS Docker 5.21", "PSS restricted: seccomp", "seccomp(2)"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=seccomp", "--privileged", "[Container]"),
)
