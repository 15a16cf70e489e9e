"""No other kernel can be loaded into the running one: kernel.kexec_load_disabled is 1."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_sysctl
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge kernel.kexec_load_disabled."""
    return judge_sysctl(
        subject,
        "kernel.kexec_load_disabled",
        frozenset({"1"}),
        good="disabled",
        bad="root may load another kernel",
        without="the kernel has no kexec",
    )


CHECK = Check(
    id="kexec_disabled",
    title="No other kernel can be loaded",
    severity=Severity.INFO,
    why="kexec replaces the running kernel by one of root's choice, past every signature.",
    fix_host="kernel.kexec_load_disabled = 1 in /etc/sysctl.d; kdump has to be loaded before",
    references=("sysctl/kernel: kexec_load_disabled",),
    examine=examine,
)
