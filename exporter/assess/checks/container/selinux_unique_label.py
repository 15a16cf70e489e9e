"""No other container's SELinux categories are among its own, or its own among another's, unless it is of the same pod.

Declared: ProcessLabel. In force: /proc/PID/attr/current of every process, against those of every other container.
A label reads `system_u:system_r:container_t:s0:c229,c276`: the type is the same for all, the pair tells them apart.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    failed,
    judge_unshared,
    not_applicable,
    of_another,
    passed,
    promise,
    selinux_unread,
    unknown,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.selinux import categories_of
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the label that podman was asked for, or chose."""
    label = subject.container.security.selinux_process_label if subject.container else None
    if label is None:
        return unknown("nothing says what was asked for")
    if others := subject.label_shared_with.declared:
        return failed("label shared", f"with {', '.join(others)}")
    if anothers := of_another(subject, "label"):
        return anothers
    return passed("label not shared") if categories_of(label) else not_applicable("no label of its own")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the label of every process against everybody else's."""
    if subject.host is None:
        return unknown("host's access control not readable")
    if not subject.host.has_selinux:
        return selinux_unread(subject.host) or not_applicable("SELinux is not the host's access control")
    return judge_unshared(
        subject,
        subject.label_shared_with,
        lambda process: bool(categories_of(process.security_label)),
        declared=promise(declared(subject)),
        noun="label",
    )


CHECK = Check(
    id="selinux_unique_label",
    title="SELinux label is unique",
    severity=Severity.CRITICAL,
    why="Two containers with one pair of categories may read and write each other's files, and signal each other.",
    fix_quadlet="Remove SecurityLabelLevel=: podman then chooses a pair that nobody has",
    fix_podman="Remove --security-opt label=level:...",
    references=("CIS Docker 5.2", "container_selinux(8)"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=label", "--pid", "--ipc", "--pod", "[Container]"),
)
