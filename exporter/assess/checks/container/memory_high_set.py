"""Memory has a mark at which the container is slowed down, before the limit at which it is killed.

Declared: MemoryHigh= of the unit, --cgroup-conf memory.high of podman. In force: memory.high.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, declared_anywhere, judge_limited, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import MEMORY_HIGH
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were asked."""
    wanted = declared_anywhere(subject, MEMORY_HIGH)
    return asked("memory growth limited", "memory growth not limited", stands=wanted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge memory.high of the container's own levels."""
    return judge_limited(subject, MEMORY_HIGH, declared=promise(declared(subject)), noun="memory growth")


CHECK = Check(
    id="memory_high_set",
    title="Memory growth is slowed down",
    severity=Severity.INFO,
    why="Above memory.high the kernel reclaims and throttles: a burst slows the container down and kills nothing.",
    fix_quadlet="[Service] MemoryHigh=512000000",
    fix_podman="--cgroup-conf=memory.high=512000000",
    references=("admin-guide/cgroup-v2: memory.high", "systemd.resource-control(5)"),
    examine=examine,
    declared=declared,
    causes=("MemoryHigh", "--cgroup-conf", "--cgroups=disabled", "[Service]"),
)
