"""Every process runs under an AppArmor profile that is enforced, where AppArmor is the host's access control.

Declared: AppArmorProfile. In force: /proc/PID/attr/current, which reads `containers-default-0.62.1 (enforce)`.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    apparmor_unread,
    asked,
    is_label_unread,
    judge_every_process,
    not_applicable,
    promise,
    selinux_unread,
    unknown,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the profile that podman was asked for."""
    profile = subject.container.security.apparmor_profile if subject.container else None
    confined = None if profile is None else profile not in {"", "unconfined"}
    return asked("confined", "not confined", stands=confined, detail=f"profile {profile or 'none'}")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the profile of every process."""
    if subject.host is None:
        return unknown("host's access control not readable")
    if subject.host.has_selinux:
        return not_applicable("SELinux is the host's access control")
    # Where SELinux may be the access control, nobody knows whether AppArmor has to be.
    if unread := selinux_unread(subject.host) or apparmor_unread(subject.host):
        return unread
    if not subject.host.apparmor_enabled:
        return not_applicable("no AppArmor on this host")
    return judge_every_process(
        subject,
        lambda process: (process.security_label or "").endswith(" (enforce)") or is_label_unread(subject, process),
        declared=promise(declared(subject)),
        good="confined",
        bad="a process is not confined",
    )


CHECK = Check(
    id="apparmor_confined",
    title="Confined by AppArmor",
    severity=Severity.CRITICAL,
    why="On a host without SELinux the profile is what stops a process that has broken out of its namespaces.",
    fix_quadlet="Remove AppArmor=unconfined",
    fix_podman="Remove --security-opt apparmor=unconfined",
    references=("CIS Docker 5.1", "PSS baseline: AppArmor", "apparmor(7)"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=apparmor", "--privileged", "[Container]"),
)
