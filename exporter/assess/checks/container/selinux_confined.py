"""Every process runs under a SELinux type for containers with a category pair, and SELinux enforces.

Declared: ProcessLabel. In force: /proc/PID/attr/current, /sys/fs/selinux/enforce and policy.
A label reads `system_u:system_r:container_t:s0:c229,c276`. A type that is made for anything else (rpm_t, spc_t), that
opens the host to its container (container_engine_t mounts, container_device_t has each device) or that nobody knows
fails: who has written a type of their own, with udica say, waives the check for that container.

To a domain that was made permissive (semanage permissive -a container_t) nothing is denied on a host that enforces.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    apparmor_unread,
    asked,
    asked_of_own,
    failed,
    is_label_unread,
    judge_every_process,
    not_applicable,
    promise,
    selinux_unread,
    unknown,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.host import Host
from exporter.facts.selinux import TYPES_OF_CONTAINERS, parse_context
from exporter.report.findings import Outcome, Severity, Verdict

_CATEGORIES_MAX = 16
"""podman gives two. Who is cleared for so many may touch what 120 other pairs protect; for c0.c1023, every pair's."""


def is_confined(label: str | None) -> bool:
    """Whether a process label has a type for containers, and categories that leave most of the others' out."""
    context = parse_context(label or "")
    categories = context.categories
    return context.domain in TYPES_OF_CONTAINERS and bool(categories) and len(categories or ()) <= _CATEGORIES_MAX


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the label that podman was asked for."""
    label = subject.container.security.selinux_process_label if subject.container else None
    confined = None if label is None else is_confined(label)
    outcome = asked("confined", "not confined", stands=confined, detail=f"label {label or 'disabled'}")
    return asked_of_own(outcome, subject, "label")


def _without_selinux(host: Host) -> Outcome:
    if unread := selinux_unread(host):
        return unread
    if host.apparmor_enabled:
        return not_applicable("AppArmor is the host's access control")
    return apparmor_unread(host) or failed("SELinux is off", "the host has no mandatory access control")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the host's mode, then the label of every process."""
    if subject.host is None:
        return unknown("host's SELinux mode not readable")
    if not subject.host.has_selinux:
        return _without_selinux(subject.host)
    outcome = judge_every_process(
        subject,
        lambda process: is_confined(process.security_label) or is_label_unread(subject, process),
        declared=promise(declared(subject)),
        good="confined",
        bad="a process is not confined",
    )
    return _as_enforced(outcome, subject, subject.host) if outcome.verdict is Verdict.PASS else outcome


def _as_enforced(outcome: Outcome, subject: ContainerSubject, host: Host) -> Outcome:
    """The outcome of labels that are right; another one where the host does not hold processes to them."""
    if host.selinux_mode != "enforcing":
        return failed("SELinux does not enforce", f"the label is right, and the host is {host.selinux_mode}")
    if host.permissive_types is None:
        return unknown("SELinux's policy not readable", "it says whether the domain is permissive")
    processes = subject.processes.processes if subject.processes else ()
    domains = {parse_context(process.security_label or "").domain for process in processes}
    if loose := sorted(domains.intersection(host.permissive_types)):
        return failed("SELinux does not enforce for its type", f"permissive: {', '.join(loose)}")
    return outcome


CHECK = Check(
    id="selinux_confined",
    title="Confined by SELinux",
    severity=Severity.CRITICAL,
    why="The label stops a fully compromised process from touching the host's files and every other container's.",
    fix_quadlet="Remove SecurityLabelDisable= and SecurityLabelType=; "
    "on the host: setenforce 1, SELINUX=enforcing in /etc/selinux/config, and semanage permissive -d TYPE",
    fix_podman="Remove --security-opt label=disable and label=type:...",
    references=("CIS Docker 5.2", "container_selinux(8)"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=label", "--privileged", "--pid", "--ipc", "--pod", "[Container]"),
)
