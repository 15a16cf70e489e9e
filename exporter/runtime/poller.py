"""A source on a clock of its own: a poller asks it again and again on its own thread, and keeps its last answer.

Whatever the source's `read` does (answer, refuse, hang, crash on a bug), the poller has a reading, and the other
sources are read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.facts.reading import NOT_YET, Absent, Failed, NotHere, Read, Reading, SourceError, latest
from exporter.sources.deadline import begin, ended_within

T = TypeVar("T")
log = logging.getLogger("bulkhead")

# A burst of events (a failing unit sends some twenty) becomes one read.
_BURST_SECONDS = 0.2
# What is not finished is asked about again after this long, and a source that has failed: it may be starting anew.
_SOON_SECONDS = 1.0


def read_once(read: Callable[[], T], problems: Callable[[], tuple[str, ...]], previous: Reading[T]) -> Reading[T]:
    """Ask a source now. Never raises: a bug in a source is that source's failure alone."""
    started = time.monotonic()
    try:
        value = read()
    except NotHere as error:
        return Absent(str(error), time.monotonic() - started)
    except SourceError as error:
        return Failed(str(error), time.monotonic() - started, _last_read(previous))
    except Exception as error:  # the one place that contains a source's own bugs
        log.debug("a source failed in a way it did not foresee", exc_info=True)
        reason = f"unexpected {type(error).__name__}: {error}; please report this with the log at level debug"
        return Failed(reason, time.monotonic() - started, _last_read(previous))
    return Read(value, time.time(), time.monotonic() - started, problems())


def no_problems() -> tuple[str, ...]:
    """For a source that answers in whole or not at all."""
    return ()


def start_reading(
    deadline_seconds: float, read: Callable[[], T], problems: Callable[[], tuple[str, ...]] = no_problems
) -> Callable[[], Reading[T]]:
    """Ask a source on a thread of its own. What is returned waits for its answer, or for its failure to give one.

    The deadline counts from now on. A read that hangs is left behind in its thread.
    """
    ends_at = time.monotonic() + deadline_seconds
    answer = begin(lambda: read_once(read, problems, NOT_YET), "read-once")

    def wait() -> Reading[T]:
        if ended_within(answer, ends_at - time.monotonic()):
            return answer.result()
        return Failed(f"no answer within {deadline_seconds:g} s", deadline_seconds)

    return wait


@dataclass(frozen=True, slots=True)
class Clock:
    """How often a source is asked, and when its silence counts as failure."""

    interval_seconds: float
    deadline_seconds: float


class Poller(Generic[T]):
    """One source on a thread and a clock of its own.

    `on_answer` is called after each answer, refusal or failure, on the poller's thread: it must be quick.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        clock: Clock,
        problems: Callable[[], tuple[str, ...]] = no_problems,
        *,
        is_unfinished: Callable[[T], bool] = lambda _: False,
        on_answer: Callable[[Reading[T]], None] = lambda _: None,
    ) -> None:
        self.name = name
        self._read = read
        self._clock = clock
        self._problems = problems
        self._is_unfinished = is_unfinished
        self._reading: Reading[T] = NOT_YET
        self._answered = threading.Event()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._asked_at: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"poll-{name}", daemon=True)
        self._on_answer = on_answer

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A read that hangs is left behind: its thread is a daemon."""
        self._stop.set()
        self._wake.set()

    def poke(self) -> None:
        """Something changed: ask soon, not at the next tick."""
        self._wake.set()

    def answered(self, timeout_seconds: float = 0) -> bool:
        """Whether the source has answered, refused or failed at least once."""
        return self._answered.wait(timeout_seconds)

    def reading(self) -> Reading[T]:
        """The latest answer; a read that is over its deadline is a failure while it lasts."""
        asked_at, reading = self._asked_at, self._reading
        if asked_at is not None:
            waited = time.monotonic() - asked_at
            if waited > self._clock.deadline_seconds:
                return Failed(f"no answer for {waited:.0f} s", waited, _last_read(reading))
        return reading

    def value(self) -> T | None:
        """The value last read."""
        return latest(self._reading)

    def _run(self) -> None:
        failures = 0  # in a row
        while not self._stop.is_set():
            self._wake.clear()
            self._asked_at = time.monotonic()
            reading = read_once(self._read, self._problems, self._reading)
            self._tell_change(self._reading, reading, first=not self._answered.is_set())
            self._reading, self._asked_at = reading, None
            self._answered.set()
            self._on_answer(reading)
            failures = failures + 1 if isinstance(reading, Failed) else 0
            if self._wake.wait(self._pause_seconds(reading, failures)):
                self._stop.wait(_BURST_SECONDS)

    def _pause_seconds(self, reading: Reading[T], failures: int) -> float:
        """Until the source is asked again: soon after what is unfinished; after failures soon, and then less often."""
        interval_seconds = self._clock.interval_seconds
        if failures:
            return min(_SOON_SECONDS * (1 << min(failures - 1, 10)), interval_seconds)
        is_unfinished = isinstance(reading, Read) and self._is_unfinished(reading.value)
        return min(_SOON_SECONDS, interval_seconds) if is_unfinished else interval_seconds

    def _tell_change(self, before: Reading[T], after: Reading[T], *, first: bool) -> None:
        told, tells = (None if first else _trouble(before)), _trouble(after)
        if tells == told:
            return
        if tells is None and told is not None:
            log.info("source answers again", extra={"collector": self.name})
        elif isinstance(after, Absent):
            log.info("source is not on this host", extra={"collector": self.name, "reason": tells})
        elif tells is not None:
            log.warning("source cannot be read", extra={"collector": self.name, "reason": tells})


def _trouble(reading: Reading[T]) -> str | None:
    match reading:
        case Read(problems=problems):
            return "; ".join(problems) or None
        case Absent(reason=reason) | Failed(reason=reason):
            return reason


def _last_read(reading: Reading[T]) -> Read[T] | None:
    match reading:
        case Read():
            return reading
        case Failed(last=last):
            return last
        case Absent():
            return None
