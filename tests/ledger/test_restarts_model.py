"""Entries of the journal that lag, are lost or go on after a reboot, and NRestarts as it was: each restart once."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.facts.evidence import RestartScheduled
from exporter.ledger import Batch, Identities, Ledger, Now, RestartCount, Store
from tests.effort import examples, steps

UNIT = "web.service"
LATE_US = 40_000_000


@dataclass
class Systemd:
    boots: int = 1
    us: int = 1_000_000
    restarts: int = 0
    journal: list[RestartScheduled] = field(default_factory=list)

    @property
    def boot(self) -> str:
        return f"boot{self.boots}"


class Restarts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.systemd = Systemd()
        self.ledger = Ledger(Store(None))
        self.happened = 0
        self.has_lost = self.was_started_by_hand = self.came_late = False
        self.wall_seconds = 1.8e9
        self.settle()

    @rule(is_lost=st.sampled_from((False, False, True)))
    def restart(self, *, is_lost: bool) -> None:
        systemd = self.systemd
        systemd.us += 1000
        systemd.restarts += 1
        self.happened += 1
        self.has_lost |= is_lost
        if not is_lost:
            systemd.journal.append(RestartScheduled(systemd.boot, systemd.us, systemd.us, UNIT, systemd.restarts))

    @rule()
    def start_by_hand(self) -> None:
        self.systemd.restarts = 0
        self.was_started_by_hand = True

    @rule()
    def reboot(self) -> None:
        self.was_started_by_hand = True
        self.systemd.boots += 1
        self.systemd.us, self.systemd.restarts = 1_000_000, 0

    @rule(hours=st.sampled_from((-1, 1)))
    def the_clock_jumps(self, hours: int) -> None:
        self.wall_seconds += 3600 * hours

    @rule(some=st.integers(0, 3), is_read=st.booleans(), follows=st.booleans())
    def settle(self, some: int = 0, *, is_read: bool = True, follows: bool = True) -> None:
        systemd = self.systemd
        systemd.us += 1000
        entries, systemd.journal = tuple(systemd.journal[:some]), systemd.journal[some:]
        # A journal that has caught up tells of all that was sent some seconds ago.
        self._settle(entries, is_read=is_read, journal_tells=follows)

    @rule()
    def wait(self) -> None:
        self.systemd.us += LATE_US
        self.wall_seconds += LATE_US / 1e6
        self._settle((), is_read=True, journal_tells=True)

    def _settle(self, entries: tuple[RestartScheduled, ...], *, is_read: bool, journal_tells: bool) -> None:
        systemd = self.systemd
        readings = (RestartCount(UNIT, "web", systemd.restarts, self.wall_seconds),) if is_read else ()
        batch = Batch(
            entries, restarts=readings, identities=Identities(names_by_unit={UNIT: "web"}), journal_tells=journal_tells
        )
        self.ledger.settle(batch, Now(systemd.boot, systemd.us, self.wall_seconds))

    @property
    def counted(self) -> int:
        return self.ledger.totals().containers[0].restarts

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        assert self.counted <= self.happened

    def teardown(self) -> None:
        self.settle(some=len(self.systemd.journal))
        for _ in range(3):
            self.wait()
        if not (self.has_lost and self.was_started_by_hand):
            assert self.counted == self.happened


Restarts.TestCase.settings = settings(max_examples=examples(300), stateful_step_count=steps(30), deadline=None)
TestRestarts = Restarts.TestCase
