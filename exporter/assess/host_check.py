"""What a check of the host itself is: a declaration and a pure function of one subject, as for containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.assess.check import failed, not_applicable, passed, unknown
from exporter.assess.waivers import Waiver
from exporter.facts.host import Firewall, Host
from exporter.facts.reading import Reading
from exporter.facts.storage import Storage
from exporter.report.findings import Outcome, Severity


@dataclass(frozen=True, slots=True)
class HostSubject:
    """The host as its checks see it."""

    now_seconds: float
    host: Host | None  # None: did not answer
    storage: Reading[Storage]
    firewall: Reading[Firewall]
    containers: int = 0  # of root, that may want ids of their own
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True)
class HostCheck:
    """One check of the host. Its id is its file's name."""

    id: str
    title: str  # what holds when it passes
    severity: Severity
    why: str  # one or two sentences
    fix: str
    references: tuple[str, ...]
    examine: Callable[[HostSubject], Outcome]


def judge_sysctl(
    subject: HostSubject, name: str, allowed: frozenset[str], *, good: str, bad: str, without: str
) -> Outcome:
    """Judge a sysctl by its value in force. `without`: why a kernel that has none needs no such wall."""
    if subject.host is None:
        return unknown("the host not readable")
    value = dict(subject.host.sysctls).get(name)
    path = "proc/sys/" + name.replace(".", "/")
    if value is None:
        return (
            unknown(f"{name} not readable", f"/{path}") if path in subject.host.unreadable else not_applicable(without)
        )
    return passed(good) if value in allowed else failed(bad, f"{name} is {value}")
