"""Whose share of a bound it is: root's comes first, and what is beyond a user's own share takes nobody else's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
Owner = TypeVar("Owner", int, str)

CONTAINERS_OF_A_USER = 500
"""Containers of one user that are looked at; a user who has more honest ones than that is not known."""


def in_turn(
    things: Iterable[T], owner_of: Callable[[T], Owner], most_of_a_user: int
) -> tuple[tuple[T, ...], Mapping[Owner, int]]:
    """Root's, whose owner is 0 or "", then the first of each user, the second of each, and so on; each in its order.

    And how many are left out, of whom: those beyond `most_of_a_user`.
    """
    seen: Counter[Owner] = Counter()
    ranked: list[tuple[int, T]] = []
    for thing in things:
        rank = 0
        if owner := owner_of(thing):
            seen[owner] += 1
            rank = seen[owner]
        if rank <= most_of_a_user:
            ranked.append((rank, thing))
    ranked.sort(key=lambda one: one[0])
    left_out = {owner: count - most_of_a_user for owner, count in seen.items() if count > most_of_a_user}
    return tuple(thing for _, thing in ranked), left_out
