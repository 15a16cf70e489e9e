"""The container's memory has a limit.

Declared: podman's --memory, MemoryMax= of the unit. In force: memory.max.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, declared_anywhere, judge_limited, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import MEMORY
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were asked."""
    wanted = declared_anywhere(subject, MEMORY)
    return asked("memory limited", "memory not limited", stands=wanted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge memory.max of the container's own levels."""
    return judge_limited(subject, MEMORY, declared=promise(declared(subject)), noun="memory")


CHECK = Check(
    id="memory_limited",
    title="Memory is limited",
    severity=Severity.WARNING,
    why="A leak or an attack in one container cannot take the memory of the others and of the host.",
    fix_quadlet="[Service] MemoryMax=512000000 and [Container] PodmanArgs=--memory=512000000b",
    fix_podman="--memory=512000000b",
    references=("systemd.resource-control(5): MemoryMax=", "CIS Docker 5.10"),
    examine=examine,
    declared=declared,
    causes=("MemoryMax", "--memory", "--cgroups=disabled", "[Service]"),
)
