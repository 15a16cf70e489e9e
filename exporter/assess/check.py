"""What a hardening check is: a declaration and a pure function of one subject.

A check file holds `examine(subject) -> Outcome` and `declared(subject) -> Outcome`, and ends with its declaration
`CHECK`. `examine` judges what runs: what is in force decides the verdict, and where it differs from what was
declared, drift is raised. `declared` judges what was asked for alone, as quadlet files and podman's inspect tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from exporter.assess.labels import categories_of, has_selinux, process_label
from exporter.assess.volumes import MountedVolume, Sharer
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.host import Host
from exporter.facts.process import ContainerProcesses, MountPoint, Process
from exporter.facts.storage import Dataset
from exporter.facts.unit import Quadlet, Unit
from exporter.report.findings import Outcome, Severity, Verdict

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Sharers:
    """Who else has what should be a container's own: examples of them, by name."""

    in_force: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """One container as checks see it. None: that source did not answer, or has nothing on it."""

    name: str
    user: str  # "" for root's podman
    container: Container | None
    processes: ContainerProcesses | None
    cgroups: ContainerCgroups | None
    unit: Unit | None
    host: Host | None
    running: bool = True
    neighbours_in_slice: tuple[str, ...] = ()  # other containers with processes below this one's slice
    slice_unit: Unit | None = None  # what systemd says of the innermost slice
    host_namespaces: tuple[tuple[str, int], ...] = ()  # kind, inode; () is not known
    host_mounts: Mapping[str, tuple[MountPoint, ...]] = field(default_factory=dict)  # by device; empty is not known
    quadlets: tuple[Quadlet, ...] | None = None  # those of its name; None is not known
    ids_shared_with: Sharers = Sharers()
    label_shared_with: Sharers = Sharers()
    volumes: tuple[MountedVolume, ...] | None = None  # None: its mounts are not readable
    asked_by_others: Mapping[str, tuple[Sharer, ...]] = field(default_factory=dict)  # by source of a volume it asks for
    datasets: Mapping[str, Dataset] | None = None  # by name; None: ZFS is not here, or does not answer


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Its id is its file's name."""

    id: str
    title: str  # what holds when it passes
    severity: Severity
    why: str  # one or two sentences
    fix_quadlet: str
    fix_podman: str
    references: tuple[str, ...]
    examine: Callable[[Subject], Outcome]
    judges_stopped: bool = False  # most walls stand only around a running container
    declared: Callable[[Subject], Outcome] | None = None  # None: what is asked for does not decide it


def passed(reason: str, *, drift: bool = False) -> Outcome:
    """The wall stands."""
    return Outcome(Verdict.PASS, reason, drift=drift)


def failed(reason: str, detail: str = "", *, drift: bool = False) -> Outcome:
    """The wall does not stand."""
    return Outcome(Verdict.FAIL, reason, detail, drift)


def not_applicable(reason: str) -> Outcome:
    """There is no such wall to judge on this host or for this container."""
    return Outcome(Verdict.NOT_APPLICABLE, reason)


def unknown(reason: str, detail: str = "") -> Outcome:
    """What would decide it could not be read."""
    return Outcome(Verdict.UNKNOWN, reason, detail)


def asked(good: str, bad: str, *, stands: bool | None, detail: str = "") -> Outcome:
    """The declared outcome of a wall; None: nobody said whether it was asked for."""
    match stands:
        case True:
            return passed(good)
        case False:
            return failed(bad, detail)
        case None:
            return unknown("nothing says what was asked for")


def label_in_force(subject: Subject) -> str | Outcome:
    """The label of the container's processes; or what to say where there is none to hold a volume's label against."""
    if subject.host is None:
        return unknown("host's SELinux mode not readable")
    if not has_selinux(subject.host):
        return not_applicable("SELinux is not on this host")
    label = process_label(subject.processes)
    if label is None:
        return unknown("label of the processes not readable")
    if not categories_of(label):
        return not_applicable("the container is not confined by a label")
    return label


def named(places: Iterable[str]) -> str:
    """A detail of at most five places."""
    shown = list(places)
    more = len(shown) - _NAMED_MAX
    return "; ".join(shown[:_NAMED_MAX]) + (f"; {more} more" if more > 0 else "")


def promise(declared: Outcome) -> bool | None:
    """Whether the wall was asked for, to be held against what is in force; None when that is not known."""
    return {Verdict.PASS: True, Verdict.FAIL: False}.get(declared.verdict)


def judge_every_process(
    subject: Subject, holds: Callable[[Process], bool], *, declared: bool | None, good: str, bad: str
) -> Outcome:
    """Judge a wall by every process of the container, and raise drift against what was declared.

    One process outside the wall fails it, however the others stand. A living process that could not
    be read makes a pass impossible: it is the one that may stand outside.
    """
    if subject.processes is None or not subject.processes.processes:
        return unknown("processes not readable")
    outside = [process for process in subject.processes.processes if not holds(process)]
    if outside:
        return failed(bad, _names_of(outside), drift=declared is True)
    if subject.processes.unreadable:
        return unknown("a process not readable", "; ".join(subject.processes.unreadable[:3]))
    return passed(good, drift=declared is False)


def _names_of(processes: list[Process]) -> str:
    shown = ", ".join(f"{process.comm} ({process.pid})" for process in processes[:5])
    more = len(processes) - 5
    return f"{shown} and {more} more" if more > 0 else shown
