"""What several checks share: how an outcome is worded, and judgements of processes, limits, labels and sysctls."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.assess.checks.subject import ContainerSubject, HostSubject, Sharers
from exporter.assess.isolation.selinux import categories_of, process_label
from exporter.assess.limits.resources import Resource
from exporter.facts.cgroup import COMMON_SLICES, CgroupLevel, Level
from exporter.facts.container import DeclaredMount
from exporter.facts.host import APPARMOR_ENABLED, SELINUX_ENFORCE, Host
from exporter.facts.process import Process
from exporter.report.findings import Outcome, Verdict

_NAMED_MAX = 5
# An owner in subuid(5) may be written as the number of an account.
_FILES_OF_IDS = ("etc/subuid", "etc/subgid", "etc/passwd")


def passed(reason: str, *, drift: bool = False) -> Outcome:
    """The wall stands."""
    return Outcome(Verdict.PASS, reason, drift=drift)


def failed(reason: str, detail: str = "", *, drift: bool = False) -> Outcome:
    """The wall does not stand."""
    return Outcome(Verdict.FAIL, reason, detail, drift)


def not_applicable(reason: str) -> Outcome:
    """This host or container has no such wall to judge."""
    return Outcome(Verdict.NOT_APPLICABLE, reason)


def unknown(reason: str, detail: str = "", *, drift: bool = False) -> Outcome:
    """The facts that would decide it could not be read."""
    return Outcome(Verdict.UNKNOWN, reason, detail, drift)


def asked(good: str, bad: str, *, stands: bool | None, detail: str = "") -> Outcome:
    """The declared outcome of a wall; None: nobody said whether it was asked for."""
    match stands:
        case True:
            return passed(good)
        case False:
            return failed(bad, detail)
        case None:
            return unknown("nothing says what was asked for")


def of_another(subject: ContainerSubject, *walls: str) -> Outcome | None:
    """Unknown where a quadlet takes one of these walls from a container or pod that no file says more of."""
    found = sorted(subject.container.security.of_others.intersection(walls)) if subject.container else []
    return unknown("the walls of another container", f"taken from it: {', '.join(found)}") if found else None


def asked_of_own(outcome: Outcome, subject: ContainerSubject, *walls: str) -> Outcome:
    """The declared outcome; unknown in place of a pass where one of these walls is another container's."""
    return outcome if outcome.verdict is Verdict.FAIL else of_another(subject, *walls) or outcome


def label_in_force(subject: ContainerSubject) -> str | Outcome:
    """The label of the container's processes, to compare labels of volumes with; an outcome where there is none."""
    if subject.host is None:
        return unknown("host's SELinux mode not readable")
    if not subject.host.has_selinux:
        return selinux_unread(subject.host) or not_applicable("SELinux is not on this host")
    label = process_label(subject.processes)
    if label is None:
        return unknown("label of the processes not readable")
    if not categories_of(label):
        return not_applicable("the container is not confined by a label")
    return label


def selinux_unread(host: Host) -> Outcome | None:
    """Unknown where the kernel did not say whether SELinux is on: no mode is then no proof that it is off."""
    if SELINUX_ENFORCE in host.unreadable:
        return unknown("SELinux's mode not readable", f"/{SELINUX_ENFORCE}")
    return None


def apparmor_unread(host: Host) -> Outcome | None:
    """The same of AppArmor."""
    if APPARMOR_ENABLED in host.unreadable:
        return unknown("AppArmor's state not readable", f"/{APPARMOR_ENABLED}")
    return None


def named(places: Iterable[str]) -> str:
    """A detail of at most five places."""
    shown = list(places)
    more = len(shown) - _NAMED_MAX
    return "; ".join(shown[:_NAMED_MAX]) + (f"; {more} more" if more > 0 else "")


def promise(declared: Outcome) -> bool | None:
    """Whether the wall was asked for, to compare with what is in force; None when that is not known."""
    return {Verdict.PASS: True, Verdict.FAIL: False}.get(declared.verdict)


def judge_every_process(
    subject: ContainerSubject, holds: Callable[[Process], bool], *, declared: bool | None, good: str, bad: str
) -> Outcome:
    """Judge a wall by every process of the container, and raise drift against what was declared.

    One process outside the wall fails the check. A living process that could not be read makes a pass
    impossible, because it may stand outside.
    """
    if subject.processes is None or not subject.processes.processes:
        return unknown("processes not readable")
    outside = [process for process in subject.processes.processes if not holds(process)]
    if outside:
        return failed(bad, _names_of(outside), drift=declared is True)
    if subject.processes.unreadable:
        return unknown("a process not readable", "; ".join(subject.processes.unreadable[:3]))
    return passed(good, drift=declared is False)


def with_mounts_seen(outcome: Outcome, unseen: Iterable[DeclaredMount]) -> Outcome:
    """The outcome; unknown, with drift, where nothing is amiss but that a mount that was asked for is seen no more.

    Whoever unmounts it, or hides it behind another root, takes it out of every judgement of mounts.
    """
    hidden = [f"{one.source} at {one.destination}" for one in unseen]
    if hidden and outcome.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE):
        return unknown("a mount that was asked for is not seen", named(hidden), drift=True)
    return outcome


def is_label_unread(subject: ContainerSubject, process: Process) -> bool:
    """Whether the label of a process could not be read: it is then no label that fails, and nothing passes either."""
    unreadable = subject.processes.unreadable if subject.processes else ()
    return any(line.startswith(f"{process.pid}: attr/current: ") for line in unreadable)


def _names_of(processes: list[Process]) -> str:
    shown = ", ".join(f"{process.comm} ({process.pid})" for process in processes[:5])
    more = len(processes) - 5
    return f"{shown} and {more} more" if more > 0 else shown


def own_levels(subject: ContainerSubject) -> list[CgroupLevel]:
    """The levels of its cgroup that are the container's own: neither an ancestor nor any that others share."""
    return [
        level
        for level in (subject.cgroups.levels if subject.cgroups else ())
        if level.path not in subject.shared_levels and _may_be_own(subject, level)
    ]


def _may_be_own(subject: ContainerSubject, level: CgroupLevel) -> bool:
    if level.level is Level.SLICE:
        return not subject.other_occupants and level.name not in COMMON_SLICES
    return level.level is not Level.ANCESTOR


def judge_limited(subject: ContainerSubject, resource: Resource, *, declared: bool | None, noun: str) -> Outcome:
    """Pass if the payload, the service or a slice of its own has a limit, no larger than what the host has."""
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    figures = [figure for level in own_levels(subject) if (figure := resource.in_force(level)) is not None]
    limiting = {resource.is_limited_by(figure, subject.host) for figure in figures}
    if True in limiting:
        return passed(f"{noun} limited", drift=declared is False)
    if subject.cgroups.unreadable:
        return unknown("a cgroup file not readable", "; ".join(subject.cgroups.unreadable[:3]))
    if None in limiting:
        return unknown("nothing says how much the host has", f"its limit is {min(figures):.15g}")
    lacking = f"{min(figures):.15g} is all that the host has" if figures else "no level of its cgroup has a limit"
    return failed(f"{noun} not limited", lacking, drift=declared is True)


def declared_anywhere(subject: ContainerSubject, resource: Resource) -> bool | None:
    """Whether podman or the unit asks for a limit that limits; None: neither does, and one has not answered."""
    container, unit = subject.container, subject.unit
    asked = (resource.of_podman(container.limits) if container else None, resource.of_unit(unit) if unit else None)
    # Of a host that nobody has asked, as of one that a quadlet is written for, any limit may be one.
    if any(resource.is_limited_by(limit, subject.host) is not False for limit in asked):
        return True
    # A container names the unit that runs it: systemd that does not answer is not a unit that asks for nothing.
    return False if container is not None and (unit is not None or not container.unit) else None


def judge_unshared(
    subject: ContainerSubject, sharers: Sharers, has_own: Callable[[Process], bool], *, declared: bool | None, noun: str
) -> Outcome:
    """Fail if another container has the same ids or label; not applicable where no process has any of its own."""
    if subject.processes is None or not subject.processes.processes:
        return unknown("processes not readable")
    if sharers.in_force:
        return failed(f"{noun} shared", f"with {', '.join(sharers.in_force)}", drift=declared is True)
    if subject.processes.unreadable:
        return unknown("a process not readable", "; ".join(subject.processes.unreadable[:3]))
    if not any(has_own(process) for process in subject.processes.processes):
        return not_applicable(f"no {noun} of its own")
    return passed(f"{noun} not shared", drift=declared is False)


def with_ranges_read(outcome: Outcome, host: Host, *others: str) -> Outcome:
    """The outcome; unknown in place of a pass while a file that tells whose ids are whose could not be read."""
    unread = [path for path in (*_FILES_OF_IDS, *others) if path in host.unreadable]
    if unread and outcome.verdict is Verdict.PASS:
        return unknown("host's id ranges not readable", named(f"/{path}" for path in unread))
    return outcome


def judge_sysctl(
    subject: HostSubject, name: str, allowed: frozenset[str], *, good: str, bad: str, without: str
) -> Outcome:
    """Judge a sysctl by its value in force. `without`: why a kernel without this sysctl needs no such wall."""
    if subject.host is None:
        return unknown("the host not readable")
    value = dict(subject.host.sysctls).get(name)
    path = "proc/sys/" + name.replace(".", "/")
    if value is None:
        return (
            unknown(f"{name} not readable", f"/{path}") if path in subject.host.unreadable else not_applicable(without)
        )
    return passed(good) if value in allowed else failed(bad, f"{name} is {value}")
