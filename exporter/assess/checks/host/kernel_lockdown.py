"""The kernel protects itself from root: /sys/kernel/security/lockdown reads `none [integrity] confidentiality`."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge the level in force."""
    if subject.host is None or subject.host.lockdown is None:
        return unknown("lockdown not readable", "/sys/kernel/security/lockdown")
    if not subject.host.lockdown:
        return not_applicable("the kernel is built without lockdown")
    if subject.host.lockdown == "none":
        return failed("not locked down")
    return passed("locked down")


CHECK = Check(
    id="kernel_lockdown",
    title="The kernel is locked down",
    severity=Severity.WARNING,
    why="Locked down, not even root may read or change the running kernel: an exploit that became root stays "
    "outside of it.",
    fix_host="lockdown=integrity on the kernel's command line (Secure Boot sets it on most distributions); unsigned "
    "modules, as of ZFS by DKMS, then need a signature",
    references=("kernel_lockdown(7)",),
    examine=examine,
)
