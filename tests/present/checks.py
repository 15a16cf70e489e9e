"""Checks as reports name them, and what one of them found."""

from __future__ import annotations

from dataclasses import replace

from exporter.report.findings import CheckInfo, Finding, Outcome, Severity, Verdict

READ_ONLY = CheckInfo(
    id="read_only_rootfs",
    severity=Severity.WARNING,
    title="The root file system is read-only",
    why="A compromised process cannot replace the image's programs.",
    fix_quadlet="ReadOnly=true",
    fix_podman="--read-only",
    references=("CIS 5.13",),
)
CAPABILITIES = CheckInfo(
    id="all_capabilities_dropped",
    severity=Severity.CRITICAL,
    title="No process has any capability",
    why="A process without capabilities cannot do what root can.",
    fix_quadlet="DropCapability=all",
    fix_podman="--cap-drop all",
    references=("CIS 5.4",),
)
SELINUX = CheckInfo(
    id="selinux_confined",
    severity=Severity.CRITICAL,
    title="Processes run in a confined SELinux domain and the host enforces it",
    why="A confined process reaches nothing that is not labelled for it.",
    fix_quadlet="SecurityLabelDisable=false",
    fix_podman="no --security-opt label=disable",
    references=(),
)
ROOTFUL = CheckInfo(
    id="rootful",
    severity=Severity.INFO,
    title="The container is run by root's podman",
    why="macvlan, idmap and private id ranges need it.",
    fix_quadlet="Put the unit below /etc/containers/systemd",
    fix_podman="sudo podman run",
    references=(),
)

DMESG = CheckInfo(
    id="dmesg_restricted",
    severity=Severity.WARNING,
    title="The log of the kernel is for root alone",
    why="The log of the kernel tells addresses.",
    fix_quadlet="",
    fix_podman="",
    references=(),
    fix_host="kernel.dmesg_restrict = 1 in /etc/sysctl.d",
)
CLOCK = replace(DMESG, id="clock_synchronised", title="The clock is synchronised", fix_host="Enable chrony")
PTRACE = replace(DMESG, id="ptrace_scoped", title="Processes cannot trace one another", fix_host="ptrace_scope = 1")
LOCKDOWN = replace(DMESG, id="kernel_lockdown", title="The kernel is locked down", fix_host="lockdown=integrity")


def finding(check: CheckInfo, verdict: Verdict, reason: str = "", detail: str = "", *, drift: bool = False) -> Finding:
    """One check's outcome."""
    return Finding(check.id, check.severity, Outcome(verdict, reason, detail, drift=drift))
