"""Claims: who was given which kill of a slice's life. The only code that moves kills from one holder to another.

    open -> claim with evidence       a line, or the container's own count, says whose kill it was
    open -> claim without evidence    the slice's only container; a hint; or nobody, which is `unattributed`
    open -> open in the slice above   the slice has ended: the slice above has counted its kills, too
    claim of nobody -> lower slice    a slice that is found late had counted a kill that was called unattributed above

A kill for which no slice was read is given outside of all books. A container's total only ever grows by `give`.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.ledger.exits import add_kills_of_no_life
from exporter.ledger.kills.limits import add_limits
from exporter.ledger.state import FORGOTTEN, NO_CONTAINER, NOBODY, SliceBook, State


def give(
    state: State,
    book: SliceBook | None,
    name: str,
    count: int,
    *,
    limits: Sequence[str],
    heard_us: int,
    at_seconds: float | None,
    has_evidence: bool,
) -> None:
    """Give kills to a container: as a claim in this book, or outside of all books (None)."""
    if book is not None:
        _claim(state, book, name, count, has_evidence=has_evidence)
    if name == NO_CONTAINER:
        return
    account = state.account(name)
    account.oom_kills += count
    if book is None:
        account.oom_kills_outside += count
    if at_seconds is not None:
        account.last_oom_kill_seconds = max(account.last_oom_kill_seconds or 0.0, at_seconds)
        if not has_evidence:
            add_kills_of_no_life(account, count, at_seconds)
    add_limits(account, count, limits, heard_us=heard_us)


def give_to_nobody(state: State, book: SliceBook | None, count: int) -> None:
    """Call kills unattributed."""
    if book is not None:
        _claim(state, book, NOBODY, count, has_evidence=False)
    else:
        state.host.unattributed_oom_kills_outside += count
    state.host.unattributed_oom_kills += count
    state.touch("host", "")


def use_up(state: State, book: SliceBook) -> None:
    """Have late evidence explain a kill that was claimed without evidence: no total changes."""
    book.unexplained -= 1
    state.touch_book(book)


def hand_over(state: State, ended: SliceBook, above: SliceBook) -> None:
    """Leave what is open in a slice that has ended to the slice above, which has counted it, too."""
    left = ended.open
    ended.counted -= left
    above.counted += left
    # Late evidence of kills in the ended slice is looked for in the slice above, too.
    above.unexplained += ended.unexplained
    ended.unexplained = 0
    above.given_until_us = max(above.given_until_us, ended.given_until_us)
    state.touch_book(above)


def move_nobodys(state: State, above: SliceBook, below: SliceBook, count: int) -> None:
    """Leave kills that were called unattributed in a slice to the lower slice that had counted them."""
    if not count:
        return
    _add(above.unproven, NOBODY, -count)
    _add(below.unproven, NOBODY, count)
    state.touch_book(above)
    state.touch_book(below)


def forget_holder(state: State, name: str) -> None:
    """Have the claims of a container count for nobody any more: its total is dropped."""
    for book in state.slices.values():
        for claims in (book.proven, book.unproven):
            if name in claims:
                _add(claims, FORGOTTEN, claims.pop(name))
                state.touch_book(book)


def take_out(state: State, book: SliceBook) -> None:
    """Keep the claims of a book that is dropped as given outside of all books."""
    for name, count in (*book.proven.items(), *book.unproven.items()):
        if name == NOBODY:
            state.host.unattributed_oom_kills_outside += count
            state.touch("host", "")
        elif name in state.accounts:
            state.account(name).oom_kills_outside += count


def _claim(state: State, book: SliceBook, holder: str, count: int, *, has_evidence: bool) -> None:
    _add(book.proven if has_evidence else book.unproven, holder, count)
    book.unexplained += 0 if has_evidence else count
    state.touch_book(book)


def _add(claims: dict[str, int], holder: str, count: int) -> None:
    claims[holder] = claims.get(holder, 0) + count
    if not claims[holder]:
        del claims[holder]
