"""Addresses of the kernel are hidden from whoever has no CAP_SYSLOG: kernel.kptr_restrict is 1 or 2."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_sysctl
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge kernel.kptr_restrict."""
    return judge_sysctl(
        subject,
        "kernel.kptr_restrict",
        frozenset({"1", "2"}),
        good="hidden",
        bad="addresses of the kernel are shown",
        without="the kernel prints none",
    )


CHECK = Check(
    id="kptr_restricted",
    title="Addresses of the kernel are hidden",
    severity=Severity.WARNING,
    why="Most kernel exploits first need to know where something is.",
    fix_host="kernel.kptr_restrict = 1 (or 2) in /etc/sysctl.d",
    references=("sysctl/kernel: kptr_restrict",),
    examine=examine,
)
