"""No process can gain privileges by running a program.

Declared: noNewPrivileges. In force: NoNewPrivs of every process in /proc/PID/status.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, judge_every_process, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked."""
    held = subject.container.security.no_new_privileges if subject.container else None
    return asked("no new privileges", "processes can gain privileges", stands=held)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the flag of every process."""
    return judge_every_process(
        subject,
        lambda process: process.no_new_privileges,
        declared=promise(declared(subject)),
        good="no new privileges",
        bad="a process can gain privileges",
    )


CHECK = Check(
    id="no_new_privileges",
    title="No new privileges",
    severity=Severity.CRITICAL,
    why="A set-user-id program or file capabilities inside the image give nothing to whoever runs them.",
    fix_quadlet="NoNewPrivileges=true",
    fix_podman="--security-opt no-new-privileges",
    references=("userspace-api/no_new_privs", "CIS Docker 5.25", "PSS restricted: allowPrivilegeEscalation"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=no-new-privileges", "[Container]"),
)
