"""Each thing that must add up is said with its numbers when it does not."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from exporter.facts.evidence import KillCount, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, State, Store
from exporter.ledger.invariant import what_does_not_add_up
from exporter.ledger.kills.claims import forget_holder, take_out

SHARED, TOP, WEB = "/system.slice", "/services.slice", "/services.slice/services-web.slice"
IDENTITIES = Identities({"a" * 64: "web"}, occupants={WEB: frozenset({"web"})})


def state_with_kills() -> State:
    """web has lost two, and nobody one."""
    ledger = Ledger(Store(None))
    for second, kills in enumerate((0, 1, 1)):
        counts = tuple(
            KillCount(path, number, kills * times, 0)
            for number, (path, times) in enumerate({TOP: 2, WEB: 2, SHARED: 1}.items())
        )
        now = Now("boot1", (100 + 100 * second) * 1_000_000, 1.8e9)
        ledger.settle(Batch(counts=KillCounts(counts), identities=IDENTITIES), now)
    totals = ledger.totals()
    assert (totals.containers[0].oom_kills, totals.unattributed_oom_kills) == (2, 1)
    return ledger._state


def credited_without_a_claim(state: State) -> None:
    state.account("web").oom_kills += 1


def claimed_without_a_total(state: State) -> None:
    state.slices[f"boot1:{WEB}:1"].proven["ghost"] = 1


def unattributed_twice(state: State) -> None:
    state.host.unattributed_oom_kills += 1


def counted_in_two_slices(state: State) -> None:
    state.slices[f"boot1:{TOP}:0"].counted += 1


def claimed_below_zero(state: State) -> None:
    state.slices[f"boot1:{SHARED}:2"].unexplained -= 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (credited_without_a_claim, "web: 3 kills in the total that slices counted, 2 in claims"),
        (claimed_without_a_total, "ghost: 0 kills in the total that slices counted, 1 in claims"),
        (unattributed_twice, "?: 2 kills in the total that slices counted, 1 in claims"),
        (counted_in_two_slices, f"{TOP} of boot boot1: its books hold 3 kills, the kernel counted 2"),
        (
            claimed_below_zero,
            (
                f"{SHARED} (inode 2, boot boot1): counted 1, claims with evidence {{}}, without {{'?': 1}}, unexplained"
                " -1, open 0: a claim is below 0"
            ),
        ),
    ],
)
def test_what_does_not_add_up_is_said_with_its_numbers(fault: Callable[[State], None], said: str) -> None:
    state = state_with_kills()
    assert what_does_not_add_up(state) == ()
    fault(state)
    assert what_does_not_add_up(state) == (said,)


def test_a_container_that_is_forgotten_takes_its_claims_with_it_and_can_come_back_at_zero() -> None:
    state = state_with_kills()
    del state.accounts["web"]
    forget_holder(state, "web")
    assert what_does_not_add_up(state) == ()
    assert state.account("web").oom_kills == 0
    assert what_does_not_add_up(state) == ()


def test_the_claims_of_a_book_that_is_dropped_stay_in_the_totals() -> None:
    state = state_with_kills()
    for book in list(state.slices.values()):
        take_out(state, book)
        del state.slices[book.key]
    assert (state.accounts["web"].oom_kills, state.host.unattributed_oom_kills) == (2, 1)
    assert what_does_not_add_up(state) == ()


def test_the_ledger_logs_once_what_does_not_add_up_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(Store(None))
    credited_without_a_claim(ledger._state)
    for second in range(3):
        ledger._settle(Batch(identities=IDENTITIES), Now("boot1", second, 1.8e9))
        ledger._report_what_does_not_add_up()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "do not add up" in record.message
    assert "web: 1 kills in the total that slices counted, 0 in claims" in str(vars(record))
