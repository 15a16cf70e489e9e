"""The container cannot take all of the host's swap.

Declared: podman's --memory-swap (as much as --memory where nothing is said), MemorySwapMax= of the unit.
In force: memory.swap.max. A host without swap, or a kernel that does not account it, has nothing to limit.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, declared_anywhere, judge_limited, not_applicable, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import MEMORY_SWAP
from exporter.report.findings import Outcome, Severity, Verdict


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman and the unit were asked."""
    wanted = declared_anywhere(subject, MEMORY_SWAP)
    return asked("swap limited", "swap not limited", stands=wanted)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge memory.swap.max of the container's own levels, where there is swap."""
    outcome = judge_limited(subject, MEMORY_SWAP, declared=promise(declared(subject)), noun="swap")
    if outcome.verdict is Verdict.FAIL and subject.host is not None and subject.host.swap_total_bytes == 0:
        return not_applicable("the host has no swap")
    if outcome.verdict is Verdict.FAIL and subject.cgroups and subject.cgroups.use.memory_swap_bytes is None:
        return not_applicable("the kernel does not account swap")
    return outcome


CHECK = Check(
    id="swap_limited",
    title="Swap is limited",
    severity=Severity.INFO,
    why="A memory limit alone moves a leak to swap, which slows every container of the host down until it is full too.",
    fix_quadlet="[Service] MemorySwapMax=0, or [Container] PodmanArgs=--memory-swap= beside --memory=",
    fix_podman="--memory-swap=512000000b beside --memory=512000000b: no swap at all",
    references=("CIS Docker 5.10", "podman-run(1): --memory-swap", "systemd.resource-control(5)"),
    examine=examine,
    declared=declared,
    causes=("MemorySwapMax", "--memory-swap", "--memory", "--cgroups=disabled", "[Service]"),
)
