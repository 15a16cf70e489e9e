"""Every start is from a pristine state: the container is removed when it ends.

Declared: HostConfig.AutoRemove. In force: podman keeps no ended container of that name.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity

_ENDED = frozenset({"exited", "stopped", "dead"})


def examine(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked, and what it kept."""
    if subject.container is None or not subject.container.inspected:
        return unknown("podman did not say")
    declared = subject.container.security.auto_remove
    if subject.container.state in _ENDED:
        return failed("kept after its end", f"podman keeps it as {subject.container.state}", drift=declared is True)
    match declared:
        case None:
            return unknown("podman did not say")
        case True:
            return passed("removed when it ends")
        case False:
            return failed("kept after its end", "it was created without --rm")


CHECK = Check(
    id="auto_remove",
    title="Removed when it ends",
    severity=Severity.INFO,
    why="With --rm each start is guaranteed to be from the image alone; what an intruder left in the layer is gone.",
    fix_quadlet="Quadlet always adds --rm: remove what overrides it from PodmanArgs=",
    fix_podman="--rm",
    references=("podman-run(1): --rm",),
    examine=examine,
    declared=examine,
    causes=("--rm", "[Container]"),
    judges_stopped=True,
)
