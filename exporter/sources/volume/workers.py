"""Questions to mounts that may never answer: a mount that is late is left behind with the thread that asked it.

Only one thread is idle or at work; beside it there is one for each key that hangs, up to a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from exporter.facts.reading import Unreadable
from exporter.sources.deadline import Caller, ended_within

T = TypeVar("T")

HANGING_MAX = 16


class Workers:
    """Makes calls, each under the key of what it may hang on. One thread at a time asks."""

    def __init__(self, deadline_seconds: float, hanging_max: int = HANGING_MAX) -> None:
        self._deadline_seconds = deadline_seconds
        self._hanging_max = hanging_max
        self._worker: Caller | None = None
        self._hanging: dict[str, Caller] = {}

    def ask(self, key: str, call: Callable[[], T], *, trusted: bool) -> T:
        """What `call` returns or raises. Raises Unreadable: late now, late once and not back yet, or too many are.

        For one that is trusted to answer, too many are twice as many: the dead do not bar the healthy.
        """
        self._hanging = {of: worker for of, worker in self._hanging.items() if worker.is_alive()}
        if key in self._hanging:
            raise Unreadable("has not answered yet, and is not asked again until it does")
        if len(self._hanging) >= self._hanging_max * (2 if trusted else 1):
            raise Unreadable(f"not asked, because {len(self._hanging)} others hang")
        worker = self._worker or Caller("volume")
        self._worker = None
        answer = worker.begin(call)
        if not ended_within(answer, self._deadline_seconds):
            worker.end()
            self._hanging[key] = worker
            raise Unreadable(f"no answer within {self._deadline_seconds:g} s")
        self._worker = worker
        return answer.result()

    def rest(self) -> None:
        """Let the idle worker go."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
