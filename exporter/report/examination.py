"""One look at a host or at quadlet files: findings by subject, ready to be shown or to set an exit code.

`bulkhead audit` makes one of a Report, `bulkhead lint` one of quadlet files; both are shown by the same writers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from exporter.report.findings import CheckInfo, Finding, WaiverReport

STARTING = "starting"
"""The state of a container that is not judged yet, beside podman's words."""


class SubjectKind(StrEnum):
    """What is judged. A container may have any name, "host" too: the kind tells them apart."""

    CONTAINER = "container"
    HOST = "host"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file the cause of a finding stands."""

    file: str
    line: int  # from 1


@dataclass(frozen=True, slots=True)
class Examined:
    """One subject (a container, the host, a quadlet file) with what the checks say of it."""

    name: str
    findings: tuple[Finding, ...]
    file: str = ""  # of a quadlet; "" for what runs
    places: tuple[tuple[str, Place], ...] = ()  # check's id, where its cause stands
    kind: SubjectKind = SubjectKind.CONTAINER
    state: str = ""  # of a container: starting, running, exited, ...


@dataclass(frozen=True, slots=True)
class Examination:
    """Every subject, with the catalogue of the checks that were made."""

    checks: tuple[CheckInfo, ...]
    subjects: tuple[Examined, ...]
    problems: tuple[str, ...] = ()  # what could not be read, a sentence each: never a reason to pass
    title: str = ""  # what was looked at, in words: a host's name
    waivers: tuple[WaiverReport, ...] = ()  # what becomes of each waiver of the configuration
