"""Whether what should be a container's own is shared: the judgement that two checks have in common."""

from __future__ import annotations

from collections.abc import Callable

from exporter.assess.check import Sharers, Subject, failed, not_applicable, passed, unknown
from exporter.facts.process import Process
from exporter.report.findings import Outcome


def judge_unshared(
    subject: Subject, sharers: Sharers, has_own: Callable[[Process], bool], *, declared: bool | None, noun: str
) -> Outcome:
    """Fail if another has the same; not applicable where no process has any of its own."""
    if subject.processes is None or not subject.processes.processes:
        return unknown("processes not readable")
    if sharers.in_force:
        return failed(f"{noun} shared", f"with {', '.join(sharers.in_force)}", drift=declared is True)
    if subject.processes.unreadable:
        return unknown("a process not readable", "; ".join(subject.processes.unreadable[:3]))
    if not any(has_own(process) for process in subject.processes.processes):
        return not_applicable(f"no {noun} of its own")
    return passed(f"{noun} not shared", drift=declared is False)
