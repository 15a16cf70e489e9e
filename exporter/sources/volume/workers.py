"""Calls that may never return, made by a worker with a deadline: one that is late is left behind.

Only one worker is idle or at work; beside it there is one for each key that hangs, up to a bound.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from exporter.facts.reading import Unreadable

T = TypeVar("T")

HANGING_MAX = 16


class Workers:
    """Makes calls, each under the key of what it may hang on. One thread at a time asks."""

    def __init__(self, deadline_seconds: float, hanging_max: int = HANGING_MAX) -> None:
        self._deadline_seconds = deadline_seconds
        self._hanging_max = hanging_max
        self._worker: _Worker | None = None
        self._hanging: dict[str, _Worker] = {}

    def ask(self, key: str, call: Callable[[], T], *, trusted: bool) -> T:
        """What `call` returns or raises. Raises Unreadable: late now, late once and not back yet, or too many are.

        For one that is trusted to answer, too many are twice as many: the dead do not bar the healthy.
        """
        self._hanging = {of: worker for of, worker in self._hanging.items() if worker.is_alive()}
        if key in self._hanging:
            raise Unreadable("has not answered yet, and is not asked again until it does")
        if len(self._hanging) >= self._hanging_max * (2 if trusted else 1):
            raise Unreadable(f"not asked, because {len(self._hanging)} others hang")
        worker = self._worker or _Worker()
        self._worker = None
        answer = worker.begin(call)
        try:
            outcome = answer.get(timeout=self._deadline_seconds)
        except queue.Empty:
            worker.end()
            self._hanging[key] = worker
            raise Unreadable(f"no answer within {self._deadline_seconds:g} s") from None
        self._worker = worker
        return outcome.take()

    def rest(self) -> None:
        """Let the idle worker go."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None


class _Outcome(Generic[T]):
    """What a call came to: its value, or what it raised."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._error: Exception | None = None
        try:
            self._value = call()
        except Exception as error:  # noqa: BLE001 - raised again where it is taken
            self._error = error

    def take(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value


class _Worker:
    """One thread that makes one call after another until it is told to end."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[_Outcome[Any]]] | None]
        self._calls = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="volume", daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], T]) -> queue.SimpleQueue[_Outcome[T]]:
        answer: queue.SimpleQueue[_Outcome[T]] = queue.SimpleQueue()
        self._calls.put((call, answer))
        return answer

    def end(self) -> None:
        """End after the call that is being made, if that ever returns."""
        self._calls.put(None)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        while (order := self._calls.get()) is not None:
            call, answer = order
            answer.put(_Outcome(call))
