"""Whether a resource is limited at a container's own levels: the judgement that three checks share."""

from __future__ import annotations

from collections.abc import Callable

from exporter.assess.check import Subject, failed, passed, unknown
from exporter.facts.cgroup import CgroupLevel, Level
from exporter.facts.container import DeclaredLimits
from exporter.facts.unit import Unit
from exporter.report.findings import Outcome


def judge_limited(
    subject: Subject, in_force: Callable[[CgroupLevel], float | None], *, declared: bool | None, noun: str
) -> Outcome:
    """Pass if the payload, the service or a slice of its own has the limit; an ancestor's limits the neighbours too."""
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    own = {Level.PAYLOAD, Level.SERVICE} | (set() if subject.neighbours_in_slice else {Level.SLICE})
    holders = [
        level.level.value for level in subject.cgroups.levels if level.level in own and in_force(level) is not None
    ]
    if not holders and subject.cgroups.unreadable:
        return unknown("a cgroup file not readable", "; ".join(subject.cgroups.unreadable[:3]))
    if not holders:
        return failed(f"{noun} not limited", "no level of its cgroup has a limit", drift=declared is True)
    return passed(f"{noun} limited", drift=declared is False)


def declared_anywhere(
    subject: Subject, of_podman: Callable[[DeclaredLimits], float | None], of_unit: Callable[[Unit], float | None]
) -> bool | None:
    """Whether podman or the unit asks for a limit; None when neither does, and one of them has not answered."""
    container, unit = subject.container, subject.unit
    asked = (of_podman(container.limits) if container else None, of_unit(unit) if unit else None)
    if any(limit is not None for limit in asked):
        return True
    # A container names the unit that runs it: systemd that does not answer is not a unit that asks for nothing.
    return False if container is not None and (unit is not None or not container.unit) else None
