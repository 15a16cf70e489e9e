"""Unprivileged processes may not load BPF programs: kernel.unprivileged_bpf_disabled is 1 or 2."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_sysctl
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge kernel.unprivileged_bpf_disabled."""
    return judge_sysctl(
        subject,
        "kernel.unprivileged_bpf_disabled",
        frozenset({"1", "2"}),
        good="disabled",
        bad="anybody may load BPF programs",
        without="the kernel has no BPF",
    )


CHECK = Check(
    id="unprivileged_bpf_disabled",
    title="BPF is for root alone",
    severity=Severity.WARNING,
    why="The verifier of BPF has been a way into the kernel again and again; no container needs it.",
    fix_host="kernel.unprivileged_bpf_disabled = 1 (or 2) in /etc/sysctl.d",
    references=("sysctl/kernel: unprivileged_bpf_disabled",),
    examine=examine,
)
