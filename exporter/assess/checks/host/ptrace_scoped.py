"""A process may trace its own children at most: kernel.yama.ptrace_scope is 1, 2 or 3."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_sysctl
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge kernel.yama.ptrace_scope."""
    return judge_sysctl(
        subject,
        "kernel.yama.ptrace_scope",
        frozenset({"1", "2", "3"}),
        good="scoped",
        bad="a process may trace any other of its user",
        without="the kernel is built without Yama",
    )


CHECK = Check(
    id="ptrace_scoped",
    title="Processes cannot trace one another",
    severity=Severity.WARNING,
    why="A compromised process must not read the memory of its neighbours of the same user.",
    fix_host="kernel.yama.ptrace_scope = 1 (or more) in /etc/sysctl.d",
    references=("LSM/Yama: ptrace_scope",),
    examine=examine,
)
