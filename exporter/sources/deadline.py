"""A call that may never return, and an answer that is waited for no longer than a deadline.

A system call on a dead network mount, a suspended pool or a podman that stopped cannot be cancelled: the thread that
makes it sleeps for as long as the kernel says. So the call is made in a thread of its own, and the reader waits for
the answer. What becomes of a late answer is the reader's choice: podman and `zfs list` keep it for the next round, the
volumes and the channel program drop it, and each of them makes no second call while the first one hangs.

An answer is a Future of the standard library. Its executors are of no use here: a ThreadPoolExecutor joins its threads
when the process exits, and a call that hangs would then keep the process for ever. These threads are daemons.

It lies in `sources` because calls that hang are calls to the host; `runtime` lies above and may use it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Caller:
    """One daemon thread that makes one call after another. It costs a fifth of a new thread for each call."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """What `call` will return or raise. It is made when all calls before it have returned."""
        answer: Future[T] = Future()
        self._calls.put((call, answer))
        return answer

    def end(self) -> None:
        """Let the thread end after the calls that were begun, if they ever return."""
        self._calls.put(None)

    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (order := self._calls.get()) is not None:
            _make(*order)
            del order  # else the last answer would live until the next call


def begin(call: Callable[[], T], name: str) -> Future[T]:
    """What `call`, made in a thread of its own with this name, will return or raise."""
    caller = Caller(name)
    answer = caller.begin(call)
    caller.end()
    return answer


def ended_within(answer: Future[Any], patience_seconds: float) -> bool:
    """Whether the call has returned or raised before that much time from now has passed."""
    try:
        # Not `result`: a TimeoutError that the call itself raised would look like a late answer.
        answer.exception(max(0.0, patience_seconds))
    except TimeoutError:
        return False
    return True


def _make(call: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is taken
        answer.set_exception(error)
