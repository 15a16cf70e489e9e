"""A call that may never return, made in a thread of its own: whoever asks waits for its answer as long as it wants."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def begin(call: Callable[[], T], name: str) -> tuple[threading.Thread, queue.SimpleQueue[T | Exception]]:
    """The thread that makes the call, and where what it returns or raises will be."""
    answers: queue.SimpleQueue[T | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(call())
        except Exception as error:  # noqa: BLE001 - the reader raises it on
            answers.put(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread, answers
