"""The container's CPU time has a limit.

Declared: podman's --cpus, CPUQuota= of the unit. In force: cpu.max.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, declared_anywhere, judge_limited, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import CPU
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were asked."""
    wanted = declared_anywhere(subject, CPU)
    return asked("CPU limited", "CPU not limited", stands=wanted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge cpu.max of the container's own levels."""
    return judge_limited(subject, CPU, declared=promise(declared(subject)), noun="CPU")


CHECK = Check(
    id="cpu_limited",
    title="CPU time is limited",
    severity=Severity.WARNING,
    why="A spinning or mining container cannot starve the others.",
    fix_quadlet="[Service] CPUQuota=400% and [Container] PodmanArgs=--cpus=4",
    fix_podman="--cpus=4",
    references=("systemd.resource-control(5): CPUQuota=", "CIS Docker 5.11"),
    examine=examine,
    declared=declared,
    causes=("CPUQuota", "--cpus", "--cgroups=disabled", "[Service]"),
)
