"""What a hardening check is: a declaration and pure functions of one subject, a container or the host.

A check's file holds all about it: `examine(subject) -> Outcome`, for a container also `declared(subject) -> Outcome`,
and at its end the declaration `CHECK`. `examine` judges what runs: what is in force decides the verdict, and where it
differs from what was declared, drift is raised. `declared` judges what was asked for alone, as quadlet files and
podman's inspect tell it, and `causes` says where in a quadlet that stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from exporter.assess.checks.subject import ContainerSubject, HostSubject
from exporter.report.findings import CheckInfo, Finding, Outcome, Severity, Verdict

Subject = TypeVar("Subject")

_NOT_DECLARED = Outcome(Verdict.NOT_APPLICABLE, "decided by what runs, not by what is asked")


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One check. Its id is its file's name."""

    id: str
    title: str  # what holds when it passes
    severity: Severity
    why: str  # one or two sentences
    references: tuple[str, ...]
    examine: Callable[[Subject], Outcome]
    fix_quadlet: str = ""  # of a container: both ways to mend it
    fix_podman: str = ""
    fix_host: str = ""  # of the host
    judges_stopped: bool = False  # most walls stand only around a running container
    declared: Callable[[Subject], Outcome] | None = None  # None: what is asked for does not decide it
    # The flags, keys and sections of a quadlet that decide it: the first that a file has is the finding's place.
    causes: tuple[str, ...] = ()

    @property
    def info(self) -> CheckInfo:
        """Its entry in the catalogue."""
        return CheckInfo(
            self.id,
            self.severity,
            self.title,
            self.why,
            self.fix_quadlet,
            self.fix_podman,
            self.references,
            self.fix_host,
        )

    def judge(self, subject: Subject) -> Finding:
        """What it finds in force."""
        return Finding(self.id, self.severity, self.examine(subject))

    def judge_declared(self, subject: Subject) -> Finding:
        """What it finds in what was asked for."""
        return Finding(self.id, self.severity, self.declared(subject) if self.declared else _NOT_DECLARED)


ContainerCheck: TypeAlias = Check[ContainerSubject]
HostCheck: TypeAlias = Check[HostSubject]
