"""systemd's watchdog, pinged only while work is proven: WatchdogSec= of systemd.service(5), sd_notify(3).

    level=error msg="systemd's watchdog gets no ping until this is well again" proof=page reason="no end after 31 s..."

A proof is a function that returns at once: "", or in words what is wrong. systemd restarts a service that has sent no
ping for as long as WatchdogSec= says, so what a proof waits for may take its own time and that time as well.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from exporter.runtime.sdnotify import notify

Proof: TypeAlias = Callable[[], str]
log = logging.getLogger("bulkhead")


def ping() -> None:
    """Report to systemd that the service works."""
    notify("WATCHDOG=1")


class Watchdog:
    """Pings while every proof holds. Without proofs it always pings."""

    def __init__(self, proofs: Mapping[str, Proof], ping: Callable[[], None] = ping) -> None:
        self._proofs = proofs
        self._ping = ping
        self._failing: frozenset[str] = frozenset()

    def look(self) -> None:
        """Ping, or log why not: once for each proof that fails, and again only when it has held meanwhile."""
        wrong = {name: reason for name, proof in self._proofs.items() if (reason := proof())}
        for name, reason in wrong.items():
            if name not in self._failing:
                words = "systemd's watchdog gets no ping until this is well again"
                log.error(words, extra={"proof": name, "reason": reason})
        if self._failing and not wrong:
            log.info("systemd's watchdog gets pings again", extra={"proof": ", ".join(sorted(self._failing))})
        self._failing = frozenset(wrong)
        if not wrong:
            self._ping()


class Trial:
    """A proof: a call that has to end within a deadline, made again and again on a thread of its own.

    One call at a time. While a call hangs its thread is the only one, and no other call is made. The thread starts with
    the first question for the proof.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[], object],
        deadline_seconds: float,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._call = call
        self._deadline_seconds = deadline_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._wanted = threading.Semaphore(0)
        self._asked_at_seconds: float | None = None  # None: no call is being made
        self._ended_at_seconds = -math.inf
        self._failure = ""
        self._thread = threading.Thread(target=self._work, name=f"try-{name}", daemon=True)

    def problem(self) -> str:
        """Why the last call failed, or that the call of now is over its deadline; "" while all is well."""
        now_seconds, asked_at_seconds = self._clock(), self._asked_at_seconds
        if asked_at_seconds is None:
            if now_seconds - self._ended_at_seconds >= self._pause_seconds:
                return self._ask(now_seconds)
        elif now_seconds - asked_at_seconds > self._deadline_seconds:
            return f"no end after {now_seconds - asked_at_seconds:.0f} s; {self._deadline_seconds:g} s are allowed"
        return self._failure

    def _ask(self, now_seconds: float) -> str:
        if not self._thread.is_alive():
            try:
                self._thread.start()
            except RuntimeError as error:  # no thread is left, or it has ended
                return str(error)
        self._asked_at_seconds = now_seconds
        self._wanted.release()
        return self._failure

    def _work(self) -> None:
        while self._wanted.acquire():
            try:
                self._call()
            except Exception as error:  # whatever went wrong, the call has proven nothing
                log.debug("a trial failed", exc_info=True)
                self._failure = f"{type(error).__name__}: {error}"
            else:
                self._failure = ""
            self._ended_at_seconds = self._clock()
            self._asked_at_seconds = None
