"""Every process runs under a confined SELinux type with a category pair, and SELinux enforces.

Declared: ProcessLabel. In force: /proc/PID/attr/current, /sys/fs/selinux/enforce.
A label reads `system_u:system_r:container_t:s0:c229,c276`.
"""

from __future__ import annotations

from exporter.assess.check import Check, Subject, asked, failed, judge_every_process, not_applicable, promise, unknown
from exporter.assess.report import Outcome, Severity, Verdict
from exporter.facts.process import Process

# Types that container processes get when nothing confines them (podman-run(1): label=disable is spc_t).
_UNCONFINED = frozenset(
    {
        "container_runtime_t",
        "init_t",
        "initrc_t",
        "kernel_t",
        "spc_t",
        "unconfined_service_t",
        "unconfined_t",
    }
)
_FIELDS_WITH_CATEGORIES = 5


def is_confined(label: str | None) -> bool:
    """Whether a process label has a confined type and categories of its own."""
    parts = (label or "").split(":")
    return len(parts) >= _FIELDS_WITH_CATEGORIES and parts[2] not in _UNCONFINED and parts[4].startswith("c")


def _process_is_confined(process: Process) -> bool:
    return is_confined(process.security_label)


def declared(subject: Subject) -> Outcome:
    """Judge the label that podman was asked for."""
    label = subject.container.security.selinux_process_label if subject.container else None
    confined = None if label is None else is_confined(label)
    return asked("confined", "not confined", stands=confined, detail=f"label {label or 'disabled'}")


def examine(subject: Subject) -> Outcome:
    """Judge the host's mode, then the label of every process."""
    if subject.host is None:
        return unknown("host's SELinux mode not readable")
    if subject.host.selinux_mode in (None, "disabled"):
        if subject.host.apparmor_enabled:
            return not_applicable("AppArmor is the host's access control")
        return failed("SELinux is off", "the host has no mandatory access control")
    outcome = judge_every_process(
        subject,
        _process_is_confined,
        declared=promise(declared(subject)),
        good="confined",
        bad="a process is not confined",
    )
    if outcome.verdict is Verdict.PASS and subject.host.selinux_mode != "enforcing":
        return failed("SELinux does not enforce", f"the label is right, and the host is {subject.host.selinux_mode}")
    return outcome


CHECK = Check(
    id="selinux_confined",
    title="Confined by SELinux",
    severity=Severity.CRITICAL,
    why="The label stops a fully compromised process from touching the host's files and every other container's.",
    fix_quadlet="Remove SecurityLabelDisable=; on the host: setenforce 1 and SELINUX=enforcing in /etc/selinux/config",
    fix_podman="Remove --security-opt label=disable",
    references=("seed: SELinux", "CIS Docker 5.2", "container_selinux(8)"),
    examine=examine,
    declared=declared,
)
