"""What a hardening check is: a declaration and a pure function of one subject.

A check file holds `examine(subject) -> Outcome` and `declared(subject) -> Outcome`, and ends with its declaration
`CHECK`. `examine` judges what runs: what is in force decides the verdict, and where it differs from what was
declared, drift is raised. `declared` judges what was asked for alone, as quadlet files and podman's inspect tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.assess.checks.subject import ContainerSubject, HostSubject
from exporter.report.findings import Outcome, Severity


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
    examine: Callable[[ContainerSubject], Outcome]
    judges_stopped: bool = False  # most walls stand only around a running container
    declared: Callable[[ContainerSubject], Outcome] | None = None  # None: what is asked for does not decide it


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
