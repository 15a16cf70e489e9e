"""Makes what was left of a damaged ledger add up again: rows that are lost leave holes in what others say.

    lost                    what is left of it                     and so
    a container's account   its claims in books of slices          they are a forgotten container's; it begins at 0
    the book of a slice     its kills in the totals of containers  they count as given outside of all books
    the host's sums         claims of nobody                       they are the total of unattributed kills
    where a source stands   nothing                                it is read from now on

No total grows by it. A total that was lost begins at 0, which `increase()` of Prometheus does not take for kills.
"""

from __future__ import annotations

from collections import Counter

from exporter.ledger.kills.claims import forget_holder
from exporter.ledger.state import FORGOTTEN, NO_CONTAINER, NOBODY, State


def mend(state: State) -> tuple[str, ...]:
    """Close the holes; the names of containers whose totals are known to be lost."""
    claims = _claims(state)
    named = claims.keys() | {chain.name for chain in state.chains.values()}
    lost = sorted(named - state.accounts.keys() - {NO_CONTAINER, NOBODY, FORGOTTEN})
    for name in lost:
        forget_holder(state, name)
    for account in state.accounts.values():
        account.oom_kills_outside = max(0, account.oom_kills - claims[account.name])
    host = state.host
    host.unattributed_oom_kills = max(host.unattributed_oom_kills, claims[NOBODY])
    host.unattributed_oom_kills_outside = host.unattributed_oom_kills - claims[NOBODY]
    return tuple(lost)


def _claims(state: State) -> Counter[str]:
    claims: Counter[str] = Counter()
    for book in state.slices.values():
        claims.update(book.proven)
        claims.update(book.unproven)
    return claims
