"""What checks say of a subject: verdicts, findings, the catalogue of checks, and what became of waivers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What a check says. Unknown is never a pass."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"
    WAIVED = "waived"  # it fails, and the configuration accepts that with a reason


class Severity(StrEnum):
    """How much a failed check matters, the gravest first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Its place in this order: 0 is the gravest."""
        return tuple(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check's answer for one subject. The reason is short and fit for a label; the detail names names."""

    verdict: Verdict
    reason: str
    detail: str = ""
    drift: bool = False  # what was declared and what is in force differ


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's outcome, by the check's id."""

    check: str
    severity: Severity
    outcome: Outcome
    waiver: str = ""  # the reason of the waiver for this failure, "" for none; an expired one leaves it failed
    waiver_ends_at_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """The catalogue entry of a check: all that a page needs to show it."""

    id: str
    severity: Severity
    title: str
    why: str
    fix_quadlet: str
    fix_podman: str
    references: tuple[str, ...]
    fix_host: str = ""  # of a check of the host itself, which has neither of the two above

    @property
    def is_of_host(self) -> bool:
        """Whether it is a check of the host itself, and not of containers."""
        return bool(self.fix_host)

    @property
    def fix(self) -> str:
        """How to mend what fails, in the way that is kept: of a container in its quadlet."""
        return self.fix_host or self.fix_quadlet


class WaiverState(StrEnum):
    """What becomes of a waiver."""

    ACTIVE = "active"  # it waives a failure now
    IDLE = "idle"  # its check does not fail
    UNMATCHED = "unmatched"  # no container has such a name
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class WaiverReport:
    """One waiver of the configuration."""

    container: str  # pattern of names; "" is the host
    check: str  # pattern of ids
    reason: str
    ends_at_seconds: float | None
    state: WaiverState


def last_day(ends_at_seconds: float) -> str:
    """The date on which a waiver still holds, as the configuration has it."""
    return datetime.fromtimestamp(ends_at_seconds - 1, UTC).strftime("%Y-%m-%d")
