"""The number of the container's processes has a limit.

Declared: podman's --pids-limit, TasksMax= of the unit. In force: pids.max.
"""

from __future__ import annotations

from exporter.assess.check import Check, Subject
from exporter.assess.limited import declared_anywhere, judge_limited
from exporter.assess.report import Outcome, Severity


def examine(subject: Subject) -> Outcome:
    """Judge pids.max of the container's own levels."""
    declared = declared_anywhere(
        subject.container.limits.pids if subject.container else None,
        subject.unit.tasks_max if subject.unit else None,
        known=subject.container is not None or subject.unit is not None,
    )
    return judge_limited(subject, lambda level: level.pids_max, declared=declared, noun="number of processes")


CHECK = Check(
    id="pids_limited",
    title="The number of processes is limited",
    severity=Severity.WARNING,
    why="A fork bomb in one container cannot use up the host's process ids.",
    fix_quadlet="PidsLimit=200 and [Service] TasksMax=220",
    fix_podman="--pids-limit=200",
    references=("seed: limits", "CIS Docker 5.28"),
    examine=examine,
)
