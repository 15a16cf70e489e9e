"""The kernel's log is for CAP_SYSLOG alone: kernel.dmesg_restrict is 1."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_sysctl
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge kernel.dmesg_restrict."""
    return judge_sysctl(
        subject,
        "kernel.dmesg_restrict",
        frozenset({"1"}),
        good="restricted",
        bad="anybody may read the kernel's log",
        without="the kernel keeps no log",
    )


CHECK = Check(
    id="dmesg_restricted",
    title="The log of the kernel is for root alone",
    severity=Severity.WARNING,
    why="The log of the kernel tells addresses, devices and crashes, to containers too.",
    fix_host="kernel.dmesg_restrict = 1 in /etc/sysctl.d",
    references=("sysctl/kernel: dmesg_restrict",),
    examine=examine,
)
