"""What one source said, or why it said nothing.

Absent is not zero, and failed is not absent:

- `Read`: the source answered.
- `Absent`: the thing is not on this host (no ZFS, no SELinux). Checks on it are not applicable.
- `Failed`: it is here and did not answer. Its last answer is kept for names and gauges, shown
  with its age; it is never a ground for a check to pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")


class SourceError(Exception):
    """A source has nothing to say. The message is one sentence: what, where, what to do."""


class NotHere(SourceError):
    """The thing does not exist on this host."""


class Unreadable(SourceError):
    """The thing exists and could not be read (denied, timed out, malformed)."""


def words_of(error: Exception) -> str:
    """The words for what went wrong, without the number and the path that an OSError puts around them."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """The source answered."""

    value: T
    read_at_seconds: float
    duration_seconds: float
    problems: tuple[str, ...] = ()  # one sentence for each part that could not be read; the rest is in the value


@dataclass(frozen=True, slots=True)
class Absent:
    """The thing is not on this host."""

    reason: str
    duration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed(Generic[T]):
    """The source is on this host and did not answer."""

    reason: str
    duration_seconds: float
    last: Read[T] | None = None


Reading: TypeAlias = Read[T] | Absent | Failed[T]

NOT_YET: Failed[Any] = Failed("has not answered yet", 0.0)
"""The source was asked for the first time, and its answer is awaited."""


def is_awaited(reading: Reading[T]) -> bool:
    """Whether the source has yet to answer for the first time: it may answer at any moment."""
    return reading == NOT_YET


def fresh(reading: Reading[T]) -> T | None:
    """The value, only if the source answered the last time it was asked."""
    return reading.value if isinstance(reading, Read) else None


def latest(reading: Reading[T]) -> T | None:
    """The value last read, even if the source has failed since."""
    read = last_read(reading)
    return read.value if read else None


def last_read(reading: Reading[T]) -> Read[T] | None:
    """The same with the time at which it was read."""
    match reading:
        case Read():
            return reading
        case Failed():
            return reading.last
        case Absent():
            return None
