"""Whether a resource is limited at a container's own levels: the judgement that three checks share."""

from __future__ import annotations

from collections.abc import Callable

from exporter.assess.check import Subject, failed, passed, unknown
from exporter.assess.report import Outcome
from exporter.facts.cgroup import CgroupLevel, Level


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


def declared_anywhere(*asked: float | None, known: bool) -> bool | None:
    """Whether any source asks for a limit; None when no source could be read."""
    return any(one is not None for one in asked) if known else None
