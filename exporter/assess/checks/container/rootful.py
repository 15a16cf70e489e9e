"""Containers are run by root's podman, which has the sandboxing features that rootless lacks.

Declared: whose podman lists it. In force: its processes sit outside user.slice. Neither is enough to pass: a unit of
the system may run a user's podman (User=), and that one's containers sit outside user.slice too.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity, Verdict


def declared(subject: ContainerSubject) -> Outcome:
    """Judge whose podman it is."""
    if subject.user:
        return failed("run by a user", f"podman of {subject.user}")
    if subject.container is None:
        return unknown("podman did not say")
    return passed("run by root's podman")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge by where the processes sit; a container of another user is found there even when no socket shows it."""
    cgroups = subject.cgroups
    if cgroups is not None and cgroups.owner_uid != 0:
        return failed("run by a user", f"its cgroup belongs to {subject.user or cgroups.owner_uid}")
    wanted = declared(subject)
    return unknown("cgroup not readable") if cgroups is None and wanted.verdict is Verdict.PASS else wanted


CHECK = Check(
    id="rootful",
    title="Run by root's podman",
    severity=Severity.INFO,
    why="Only root's podman can give each container its own ids, idmapped volumes and macvlan, "
    "and only there does one `podman ps` show every container.",
    fix_quadlet="Move the .container file to /etc/containers/systemd",
    fix_podman="Run podman as root, with --userns auto",
    references=("podman-run(1)",),
    examine=examine,
    declared=declared,
    causes=("[Container]",),
)
