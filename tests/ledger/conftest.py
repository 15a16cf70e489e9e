"""In every test of the ledger: after each settlement, all kills add up, and what is given out is what is counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exporter.facts.counts import Totals
from exporter.ledger import Batch, Ledger, Now
from exporter.ledger.counts import counts_of
from exporter.ledger.invariant import what_does_not_add_up


@pytest.fixture(scope="session", autouse=True)
def all_kills_add_up() -> Iterator[None]:
    """Have each settlement of each ledger assert what `invariant` says."""
    settle = Ledger.settle

    def settle_and_assert(ledger: Ledger, batch: Batch, now: Now) -> Totals:
        totals = settle(ledger, batch, now)
        assert what_does_not_add_up(ledger._state) == ()
        accounts = sorted(ledger._state.accounts.items())
        assert totals.containers == tuple(counts_of(account, now.boot) for _, account in accounts)
        return totals

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "settle", settle_and_assert)
        yield
