"""One answer for all who ask at one moment: what was begun less than half a second before the question.

So a hundred scrapers cost what two of them cost, in time and in memory: they are sent the same bytes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOMENT_SECONDS = 0.5  # less than anybody scrapes again after


class Moment(Generic[T]):
    """The last answer, as long as it is of this moment. Safe to use from several threads.

    Who asks while an answer is being made waits for it. `is_failure` names answers that whoever waited is to have too,
    however long they took: otherwise each would wait for as long again.
    """

    def __init__(
        self,
        make: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        is_failure: Callable[[T], bool] = lambda _: False,
    ) -> None:
        self._make = make
        self._clock = clock
        self._is_failure = is_failure
        self._lock = threading.Lock()
        self._last: T | None = None
        self._fits_until_seconds = float("-inf")

    def answer(self) -> T:
        """The answer of this moment. May raise whatever `make` raises, and then there is none for the next who asks."""
        asked_at_seconds = self._clock()
        with self._lock:
            if self._last is None or asked_at_seconds >= self._fits_until_seconds:
                began_at_seconds = self._clock()
                self._last = None  # if this raises; and the old one need not stay beside the new one
                self._last = self._make()
                is_failure = self._is_failure(self._last)
                self._fits_until_seconds = self._clock() if is_failure else began_at_seconds + MOMENT_SECONDS
            return self._last
