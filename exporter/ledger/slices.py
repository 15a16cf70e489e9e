"""What the kernel has counted in each slice, less what the slices below it tell themselves.

A slice's oom_kill is hierarchical. What it rose by more than those below it is *pending*: kills of cgroups that are
in no slice further down. A slice is read before those below it, so what is pending is never too much: were it read
after them, a host where kills go on would always seem to have some that are nobody's.

    they saw a kill after it was read              what is pending falls below 0, and is right again at the next reading
    it could not be read, its children could       theirs is subtracted now, its own rise is added when it is read
    it is stopped, or made anew                    what was pending in it goes to its parent, which still counts it
    it is read for the first time                  what its children have told is theirs, and a parent that was known
                                                   has told of the rest; without one, what it counted before is its
                                                   owner's, or nobody's if several live in it
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from exporter.facts.evidence import KillCount
from exporter.ledger.state import Household, Now, SliceBook, State


def see_slices(
    state: State,
    counts: Sequence[KillCount],
    waits: AbstractSet[str],
    household: Household,
    now: Now,
    *,
    read_at_us: int,
) -> dict[str, SliceBook]:
    """The book of each slice that was read, by path, deepest first, with what is pending in it now.

    `counts` are deepest first, in this list; `waits` are slices that are there and were not read.
    """
    known = {book.path for book in state.slices.values()}
    owners = {book.path: book.owner for book in state.slices.values() if book.owner}
    live = _live(state, {count.path: count.inode for count in counts}, waits, now, read_at_us)
    books: dict[str, SliceBook] = {}
    rose: dict[str, int] = {}
    opened: set[str] = set()
    before: dict[str, int] = {}
    for book in state.slices.values():
        if book.boot == now.boot:  # also those that have ended: whatever is above has counted theirs
            before[book.path] = before.get(book.path, 0) + book.last
    for count in counts:
        found = live.get(count.path)
        told = 0
        if found is None:
            opened.add(count.path)
            told = _told_below(before, count.path)
            found = SliceBook(count.path, now.boot, count.inode, owner=owners.get(count.path), floor_since_us=now.us)
            found.read_before = count.path in known
            # One that could not be found for a while goes on where it was.
            found = state.slices.setdefault(_key(found), found)
            found.closed = False
            live[count.path] = found
            touch_slice(state, found)
        books[count.path] = found
        rose[count.path] = max(0, count.oom_kill - found.last - told)
        found.last = max(found.last, count.oom_kill)
        found.read_at_us = read_at_us
        _see_owner(state, found, household)
    _raise(state, books, live, rose, books.keys() - known)
    _leave_what_was_told(books, opened)
    return books


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
            parent = live[above]
            parent.pending += book.pending
            parent.anonymous += book.anonymous
            parent.told_until_us = max(parent.told_until_us, book.told_until_us)
            book.pending = book.anonymous = 0
            if above not in waits:
                book.read_at_us = read_at_us  # what happened in it until now, its parent tells
            touch_slice(state, parent)
        touch_slice(state, book)
    return live


def _told_below(before: Mapping[str, int], path: str) -> int:
    """What the slices below one that is read for the first time have told of already."""
    above = nearest(before, path)
    return sum(last for child, last in before.items() if is_below(child, path) and nearest(before, child) == above)


def _raise(
    state: State,
    books: dict[str, SliceBook],
    live: dict[str, SliceBook],
    rose: Mapping[str, int],
    first_seen: AbstractSet[str],
) -> None:
    """Make pending what each slice rose by, less what those below it did."""
    before = live.keys() - first_seen
    left_out = {path for path in first_seen if books[path].owner is None and nearest(before, path) is None}
    uncredited = _uncredited(state, books) if left_out else {}
    for path, book in books.items():
        book.pending += uncredited.get(path, 0) if path in left_out else rose[path]
        above = nearest(live, path)
        if above is not None and above not in left_out:
            live[above].pending -= rose[path]
        if rose[path]:
            touch_slice(state, book)
            if above is not None:
                touch_slice(state, live[above])


def _leave_what_was_told(books: Mapping[str, SliceBook], opened: AbstractSet[str]) -> None:
    """What a slice counted while it was not known, one above may have told of as nobody's."""
    for path in opened:
        for parent in upwards(books, path):
            told = max(0, min(books[path].pending, -parent.pending, parent.nobodys))
            books[path].pending -= told
            parent.pending += told
            parent.nobodys -= told


def _uncredited(state: State, books: Mapping[str, SliceBook]) -> dict[str, int]:
    """What a shared slice counted before it was known is left out, but for what its containers still tell."""
    told: dict[str, int] = {}
    for life in state.lives.values():
        path = nearest(books, life.path) if life.name and life.seen > life.credited else None
        if path is not None and books[path].boot == life.boot:
            told[path] = told.get(path, 0) + life.seen - life.credited
    return told


def _see_owner(state: State, book: SliceBook, household: Household) -> None:
    tenants = household.tenants.get(book.path, frozenset())
    alone = next(iter(tenants)) if len(tenants) == 1 else None
    if not tenants:
        owner = book.owner
    elif alone in household.strangers or (not household.is_whole and alone != book.owner):
        owner = None  # somebody else may live there
    else:
        owner = alone
    if owner != book.owner:
        book.owner = owner
        touch_slice(state, book)


def upwards(books: Mapping[str, SliceBook], path: str) -> Iterator[SliceBook]:
    """The books above the path, the nearest first."""
    while (found := nearest(books, path)) is not None:
        yield books[found]
        path = found


def nearest(paths: Collection[str], path: str) -> str | None:
    """The deepest of `paths` above the path."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in paths:
            return path
    return None


def is_below(path: str, above: str) -> bool:
    """Whether the one cgroup lies in the other."""
    return path.startswith(f"{above}/")


def touch_slice(state: State, book: SliceBook) -> None:
    """Have this book written."""
    state.touch("slice", _key(book))


def _key(book: SliceBook) -> str:
    return f"{book.boot}:{book.path}:{book.inode}"
