from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from exporter.runtime.watchdog import Trial, Watchdog

PATIENCE_SECONDS = 10


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


class Proofs:
    """Two proofs whose answers the test sets, and the pings that they let through."""

    def __init__(self) -> None:
        self.wrong = {"keeper": "", "page": ""}
        self.pings = 0
        self.watchdog = Watchdog(
            {name: (lambda name=name: self.wrong[name]) for name in self.wrong},  # type: ignore[misc]  # a default binds it
            self._ping,
        )

    def _ping(self) -> None:
        self.pings += 1


def test_systemd_gets_a_ping_only_while_every_proof_holds() -> None:
    proofs = Proofs()
    proofs.watchdog.look()
    assert proofs.pings == 1
    proofs.wrong["page"] = "no end after 31 s"
    proofs.watchdog.look()
    proofs.wrong["keeper"] = "nothing was counted"
    proofs.watchdog.look()
    proofs.wrong["page"] = ""
    proofs.watchdog.look()
    assert proofs.pings == 1
    proofs.wrong["keeper"] = ""
    proofs.watchdog.look()
    assert proofs.pings == 2


def test_the_log_has_the_reason_once_and_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    proofs = Proofs()
    with caplog.at_level(logging.INFO, "bulkhead"):
        for seconds in range(31, 36):
            proofs.wrong["page"] = f"no end after {seconds} s"
            proofs.watchdog.look()
        proofs.wrong["page"] = ""
        proofs.watchdog.look()
    told = [(record.levelname, vars(record)["proof"], vars(record).get("reason")) for record in caplog.records]
    assert told == [("ERROR", "page", "no end after 31 s"), ("INFO", "page", None)]


def test_without_proofs_it_always_pings() -> None:
    pings: list[int] = []
    Watchdog({}, lambda: pings.append(1)).look()
    assert pings == [1]


class Tried:
    """A trial on a clock of the test's own, and how often its call was made."""

    def __init__(self, gate: threading.Event) -> None:
        self.now_seconds = 1000.0
        self.begun = threading.Semaphore(0)
        self.calls = 0
        self.gate = gate
        self.error: Exception | None = None
        self.trial = Trial("test", self._call, deadline_seconds=30, pause_seconds=15, clock=lambda: self.now_seconds)

    def _call(self) -> None:
        self.calls += 1
        self.begun.release()
        self.gate.wait(PATIENCE_SECONDS)
        if self.error:
            raise self.error

    def is_over(self) -> None:
        """Wait until the call has ended."""
        ended = threading.Event()
        while self.trial._asked_at_seconds is not None:
            assert not ended.wait(0.005)


def test_a_call_that_hangs_is_wrong_after_its_deadline_and_no_other_is_made(never: threading.Event) -> None:
    tried = Tried(never)
    assert tried.trial.problem() == ""
    assert tried.begun.acquire(timeout=PATIENCE_SECONDS)
    threads = threading.active_count()
    tried.now_seconds += 30
    assert tried.trial.problem() == ""
    for _ in range(100):
        tried.now_seconds += 1
        assert "30 s are allowed" in tried.trial.problem()
    assert (tried.calls, threading.active_count()) == (1, threads)


def test_a_late_end_is_well_again_and_the_next_call_is_made_after_a_pause(never: threading.Event) -> None:
    tried = Tried(never)
    tried.trial.problem()
    tried.now_seconds += 40
    assert tried.trial.problem() == "no end after 40 s; 30 s are allowed"
    never.set()
    tried.is_over()
    assert tried.trial.problem() == ""
    assert tried.calls == 1
    tried.now_seconds += 15
    assert tried.trial.problem() == ""
    assert tried.begun.acquire(timeout=PATIENCE_SECONDS)
    tried.is_over()
    assert tried.calls == 2


def test_a_call_that_fails_is_wrong_until_another_one_ends_well(never: threading.Event) -> None:
    tried = Tried(never)
    never.set()
    tried.error = ValueError("no page")
    tried.trial.problem()
    tried.is_over()
    assert tried.trial.problem() == "ValueError: no page"
    tried.error = None
    tried.now_seconds += 15
    tried.trial.problem()
    tried.is_over()
    assert tried.trial.problem() == ""


def test_nothing_is_tried_before_somebody_asks_for_the_proof() -> None:
    threads = threading.active_count()
    trial = Trial("idle", lambda: None, deadline_seconds=30, pause_seconds=15)
    assert threading.active_count() == threads
    assert not trial._thread.is_alive()
