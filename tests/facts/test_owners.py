from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.owners import in_turn


@given(st.lists(st.sampled_from(["", "alice", "bob", "carol"])), st.integers(0, 5))
def test_roots_are_all_there_and_first_and_each_user_has_a_share(owners: list[str], most: int) -> None:
    things = list(enumerate(owners))
    chosen, left_out = in_turn(things, lambda thing: thing[1], most)
    of_root = [thing for thing in things if not thing[1]]
    assert list(chosen[: len(of_root)]) == of_root
    shares = Counter(owner for _, owner in chosen[len(of_root) :])
    had = Counter(owner for owner in owners if owner)
    assert all(shares[owner] + left_out.get(owner, 0) == count for owner, count in had.items())
    assert max(shares.values(), default=0) <= most


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 20))
def test_a_cut_gives_the_user_with_few_as_much_as_the_one_with_many(many: int, few: int, room: int) -> None:
    chosen, _ = in_turn(["alice"] * many + ["bob"] * few, str, 100)
    shares = Counter(chosen[:room])
    assert shares["bob"] >= min(few, room // 2)
    assert shares["alice"] >= min(many, room // 2)


def test_each_owners_own_stay_in_their_order() -> None:
    chosen, _ = in_turn(["a2", "r1", "b1", "a1", "r2"], lambda name: "" if name[0] == "r" else name[0], 9)
    assert chosen == ("r1", "r2", "a2", "b1", "a1")
