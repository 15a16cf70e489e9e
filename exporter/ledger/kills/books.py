"""What the kernel has counted in each slice, less what the slices below it report themselves: one book for each life.

A slice's oom_kill is hierarchical. What it rose by more than those below it is *open*: kills of cgroups that are
in no slice further down. A slice is read before those below it, so what is open is never too much: were it read
after them, a host where kills go on would always seem to have some that are nobody's.

    its children saw a kill after it was read      what is open falls below 0, and is right again at the next reading
    it could not be read, its children could       theirs is subtracted now, its own rise is added when it is read
    it is stopped, or made anew                    what was open in it goes to its parent, which still counts it
    it is read after its book was lost             what it counted before is left out: it may be in totals already
    it is read for the first time                  what its children have reported is theirs, and a parent that was
                                                   known has reported the rest; without one, what it counted before is
                                                   its owner's, or nobody's if several live in it
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from exporter.facts.evidence import KillCount
from exporter.ledger.kills.claims import hand_over, move_nobodys
from exporter.ledger.places import is_below, nearest
from exporter.ledger.state import NOBODY, Identities, LifeBook, Now, SliceBook, State


def see_slices(
    state: State,
    counts: Sequence[KillCount],
    waits: AbstractSet[str],
    identities: Identities,
    now: Now,
    *,
    read_at_us: int,
) -> tuple[dict[str, SliceBook], AbstractSet[str]]:
    """The book of each slice that was read, by path, deepest first, with what is open in it now.

    And the paths among them that were never read before. `counts` are deepest first, in this list; `waits` are slices
    that are there and were not read.
    """
    known = {book.path for book in state.slices.values()}
    owners = {book.path: book.owner for book in state.slices.values() if book.owner}
    live = _live(state, {count.path: count.inode for count in counts}, waits, now, read_at_us)
    before: dict[str, int] = {}
    for book in state.slices.values():
        if book.boot == now.boot:  # also those that have ended: whatever is above has counted theirs
            before[book.path] = before.get(book.path, 0) + book.last
    books: dict[str, SliceBook] = {}
    rose: dict[str, int] = {}
    opened: set[str] = set()
    for count in counts:
        told = 0
        if count.path not in live:
            opened.add(count.path)
            told = _reported_below(before, count.path)
            live[count.path] = _open(state, count, owners.get(count.path), now)
        book = books[count.path] = live[count.path]
        rose[count.path] = max(0, count.oom_kill - book.last - told)
        book.last = max(book.last, count.oom_kill)
        book.read_at_us = read_at_us
        _see_owner(state, book, identities)
    first_seen = books.keys() - known
    _raise(state, books, live, rose, first_seen)
    _leave_what_is_nobodys(state, books, opened)
    return books, first_seen


def _open(state: State, count: KillCount, owner: str | None, now: Now) -> SliceBook:
    """The book of a slice that was not there at the last reading."""
    made = SliceBook(count.path, now.boot, count.inode, owner=owner, floor_since_us=now.us)
    if state.host.has_holes:
        made.last = count.oom_kill
    # A slice that could not be found for a while goes on where it was.
    book = state.slices.setdefault(made.key, made)
    book.closed = False
    state.touch_book(book)
    return book


def _live(
    state: State, inodes: Mapping[str, int], waits: AbstractSet[str], now: Now, read_at_us: int
) -> dict[str, SliceBook]:
    """The books that go on, by path; the others are closed."""
    live: dict[str, SliceBook] = {}
    over: list[SliceBook] = []
    for book in state.slices.values():
        if book.closed:
            continue
        if book.boot == now.boot and (inodes.get(book.path) == book.inode or book.path in waits):
            live[book.path] = book
        else:
            over.append(book)
    for book in sorted(over, key=lambda book: -book.path.count("/")):
        book.closed = True
        book.floor, book.floor_since_us = 0, now.us
        above = nearest(live, book.path)
        if book.boot == now.boot and above is not None:
            hand_over(state, book, live[above])
            if above not in waits:
                book.read_at_us = read_at_us  # what happened in it until now, its parent reports
        state.touch_book(book)
    return live


def _reported_below(before: Mapping[str, int], path: str) -> int:
    """What the slices below a slice that is read for the first time have reported already."""
    above = nearest(before, path)
    return sum(last for child, last in before.items() if is_below(child, path) and nearest(before, child) == above)


def _raise(
    state: State,
    books: dict[str, SliceBook],
    live: dict[str, SliceBook],
    rose: Mapping[str, int],
    first_seen: AbstractSet[str],
) -> None:
    """Have each slice count what it rose by, less what those below it did.

    Also a slice that is left out: slices below it, which are read later, may have counted a kill that it has not yet.
    """
    before = live.keys() - first_seen
    left_out = {path for path in first_seen if books[path].owner is None and nearest(before, path) is None}
    uncredited = _uncredited(state, books) if left_out else {}
    own = dict(rose)
    for path, risen in rose.items():
        above = nearest(live, path)
        if above is not None:
            own[above] = own.get(above, 0) - risen
    for path, risen in own.items():
        live[path].counted += min(risen, uncredited.get(path, 0)) if path in left_out else risen
        if risen or rose.get(path):
            state.touch_book(live[path])


def _leave_what_is_nobodys(state: State, books: Mapping[str, SliceBook], opened: AbstractSet[str]) -> None:
    """What a slice counted while it was not known, a slice above may have called unattributed."""
    for path in opened:
        book = books[path]
        for above in upwards(books, path):
            move_nobodys(state, above, book, max(0, min(book.open, -above.open, above.unproven.get(NOBODY, 0))))


def _uncredited(state: State, books: Mapping[str, SliceBook]) -> dict[str, int]:
    """What a shared slice counted before it was known is left out, but for what its containers still report."""
    told: dict[str, int] = {}
    for life in state.lives.values():
        path = nearest(books, life.path) if life.name and life.seen > life.credited else None
        if path is not None and books[path].boot == life.boot:
            told[path] = told.get(path, 0) + life.seen - life.credited
    return told


def _see_owner(state: State, book: SliceBook, identities: Identities) -> None:
    occupants = identities.occupants.get(book.path, frozenset())
    alone = next(iter(occupants)) if len(occupants) == 1 else None
    if not occupants:
        owner = book.owner
    elif alone in identities.unidentified or (not identities.slices_complete and alone != book.owner):
        owner = None  # somebody else may live there
    else:
        owner = alone
    if owner != book.owner:
        book.owner = owner
        state.touch_book(book)


def above_of_old_boot(state: State, life: LifeBook) -> list[SliceBook]:
    """The slices above a life of a boot that is over: the nearest first, and of its lives the last."""
    above = [book for book in state.slices.values() if book.boot == life.boot and is_below(life.path, book.path)]
    return sorted(above, key=lambda book: (-len(book.path), -book.read_at_us))


def upwards(books: Mapping[str, SliceBook], path: str) -> Iterator[SliceBook]:
    """The books above the path, the nearest first."""
    while (found := nearest(books, path)) is not None:
        yield books[found]
        path = found
