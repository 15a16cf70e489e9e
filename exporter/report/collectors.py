"""How the sources are doing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """How one source is doing."""

    name: str
    present: bool  # False: the thing is not on this host
    success: bool
    duration_seconds: float
    age_seconds: float | None  # of what is shown; None when nothing ever was
    reason: str = ""  # why not, one sentence
    events: int = 0
    events_lost: int = 0
