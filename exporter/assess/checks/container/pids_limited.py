"""The number of the container's processes has a limit.

Declared: podman's --pids-limit, TasksMax= of the unit. In force: pids.max.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, declared_anywhere, judge_limited, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import PIDS
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were asked."""
    wanted = declared_anywhere(subject, PIDS)
    return asked("number of processes limited", "number of processes not limited", stands=wanted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge pids.max of the container's own levels."""
    return judge_limited(subject, PIDS, declared=promise(declared(subject)), noun="number of processes")


CHECK = Check(
    id="pids_limited",
    title="The number of processes is limited",
    severity=Severity.WARNING,
    why="A fork bomb in one container cannot use up the host's process ids.",
    fix_quadlet="PidsLimit=200 and [Service] TasksMax=220",
    fix_podman="--pids-limit=200",
    references=("systemd.resource-control(5): TasksMax=", "CIS Docker 5.28"),
    examine=examine,
    declared=declared,
    causes=("--pids-limit", "TasksMax", "--cgroups=disabled", "[Service]"),
)
