"""The threads of delivery: one for each Alertmanager, so that one that hangs keeps no alert from the others.

What fails is tried again after a random time up to a bound that doubles (full jitter), so that a fleet of agents does
not come back to an Alertmanager all at once.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from exporter.config import Alertmanager
from exporter.notify.post import Answer, Result, post
from exporter.notify.posting import Posting

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
_MOST_IN_ONE_POST = 64
_TICKS_IN_A_RESEND = 10
log = logging.getLogger("bulkhead")

Post = Callable[[Alertmanager, Iterable[Posting]], Answer]


class Outgoing(Protocol):
    """The alerts that are due, wherever the outbox is that keeps them."""

    def postings(self, peer: str, most: int) -> tuple[Posting, ...]:
        """What this peer is to be sent now: first what is new to it."""

    def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
        """The peer has taken these."""

    def note_rejected(self, peer: str, sent: Posting) -> None:
        """The peer does not take this one."""

    def note_failed(self, peer: str, count: int) -> None:
        """The peer did not take them this time."""


class Couriers:
    """One courier for each Alertmanager."""

    def __init__(
        self, outgoing: Outgoing, peers: tuple[Alertmanager, ...], resend_seconds: float, send: Post = post
    ) -> None:
        self._couriers = tuple(Courier(outgoing, peer, resend_seconds / _TICKS_IN_A_RESEND, send) for peer in peers)

    def wake(self) -> None:
        """Something is new."""
        for courier in self._couriers:
            courier.wake()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set. What waits then stays in the outbox."""
        for courier in self._couriers:
            threading.Thread(target=courier.run, args=(stop,), name=f"notify-{courier.name}", daemon=True).start()
        stop.wait()
        self.wake()


class Courier:
    """The way to one Alertmanager."""

    def __init__(self, outgoing: Outgoing, peer: Alertmanager, tick_seconds: float, send: Post) -> None:
        self.name = peer.url
        self._outgoing = outgoing
        self._peer = peer
        self._tick_seconds = tick_seconds
        self._send = send
        self._new = threading.Event()
        self._failures = 0
        self._trouble = ""

    def wake(self) -> None:
        """Something is new."""
        self._new.set()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.is_set():
            self._new.clear()
            try:
                is_through = self.deliver()
            except Exception:  # a bug must not end delivery: what is not noted is sent again
                log.exception("alerts could not be delivered; please report this", extra={"alertmanager": self.name})
                is_through = False
            if is_through:
                self._failures = 0
                self._new.wait(self._tick_seconds)
            else:
                self._failures += 1
                stop.wait(backoff_seconds(self._failures))

    def deliver(self) -> bool:
        """Send all that is due. False: the peer did not take it, or what the peer took could not be noted."""
        sent: frozenset[str] = frozenset()
        while postings := self._outgoing.postings(self.name, _MOST_IN_ONE_POST):
            keys = frozenset(posting.key for posting in postings)
            if keys == sent:
                return False  # the outbox did not hear what became of them: to post them again at once would never end
            sent = keys
            answer = self._send(self._peer, postings)
            if answer.result is Result.REJECTED and len(postings) > 1:
                # One of these alerts is not valid, and the answer does not say which: each is sent by itself.
                if not all(self._note((posting,), self._send(self._peer, (posting,))) for posting in postings):
                    return False
            elif not self._note(postings, answer):
                return False
        return True

    def _note(self, postings: tuple[Posting, ...], answer: Answer) -> bool:
        match answer.result:
            case Result.ACCEPTED:
                self._log_trouble("")
                self._outgoing.note_accepted(self.name, postings)
            case Result.REJECTED:
                for posting in postings:
                    self._outgoing.note_rejected(self.name, posting)
                    log.error(
                        "an alert was rejected by this Alertmanager and is tried again in some minutes",
                        extra={
                            "alertmanager": self.name,
                            "alert": posting.labels.get("alertname", ""),
                            "container": posting.labels.get("container", ""),
                            "reason": answer.reason,
                        },
                    )
            case Result.FAILED:
                self._outgoing.note_failed(self.name, len(postings))
                self._log_trouble(answer.reason)
                return False
        return True

    def _log_trouble(self, trouble: str) -> None:
        """Once when it begins, once when it ends; reasons that change in between are for whoever debugs."""
        extra = {"alertmanager": self.name, "reason": trouble}
        if trouble and not self._trouble:
            log.warning("Alertmanager takes no alerts: they are kept and tried again", extra=extra)
        elif trouble != self._trouble and trouble:
            log.debug("Alertmanager takes no alerts", extra=extra)
        elif self._trouble and not trouble:
            log.info("Alertmanager takes alerts again", extra={"alertmanager": self.name})
        self._trouble = trouble


def backoff_seconds(failures: int, roll: Callable[[float, float], float] = random.uniform) -> float:
    """How long to wait after so many failures in a row."""
    return roll(0.0, min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(failures, 10)))
