"""A failure that somebody has accepted: what the configuration says, and the judgement follows."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted failure."""

    container: str  # pattern of names; "" is the host itself, whose checks no container has
    check: str  # pattern of ids
    reason: str
    ends_at_seconds: float | None = None  # the first second in which it holds no more; None: for ever

    def is_for(self, name: str) -> bool:
        """Whether it is for the container of this name, or "" for the host."""
        return fnmatchcase(name, self.container) if name else not self.container

    def has_expired(self, now_seconds: float) -> bool:
        """Whether its date is over."""
        return self.ends_at_seconds is not None and now_seconds >= self.ends_at_seconds
