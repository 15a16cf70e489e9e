"""SELinux enforces its policy, unless AppArmor is the host's access control: /sys/fs/selinux/enforce."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import apparmor_unread, failed, not_applicable, passed, selinux_unread, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge the mode."""
    if subject.host is None:
        return unknown("the host not readable")
    if unread := selinux_unread(subject.host):
        return unread
    mode = subject.host.selinux_mode
    if mode == "enforcing":
        return passed("enforcing")
    if mode in (None, "disabled") and subject.host.apparmor_enabled:
        return not_applicable("AppArmor is the host's access control")
    if mode in (None, "disabled") and (unread := apparmor_unread(subject.host)):
        return unread
    return failed(
        "SELinux does not enforce", f"it is {mode}" if mode else "the kernel has none, and no AppArmor either"
    )


CHECK = Check(
    id="selinux_enforcing",
    title="SELinux enforces",
    severity=Severity.CRITICAL,
    why="A label confines a container only while the host enforces; a permissive host only writes down what it "
    "would have stopped.",
    fix_host="setenforce 1, and SELINUX=enforcing in /etc/selinux/config",
    references=("CIS RHEL 1.3.1", "selinux(8)"),
    examine=examine,
)
