"""Decides who claims the kills that are open in slices, in three steps: evidence, then the one owner, then time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from exporter.facts.evidence import KillCount, KillCounts, OomdKill
from exporter.ledger.exits import add_kills_of_no_life
from exporter.ledger.kills.books import above_of_old_boot, see_slices, upwards
from exporter.ledger.kills.claims import give, give_to_nobody, use_up
from exporter.ledger.kills.evidence import happened_us, learn_names, see_life
from exporter.ledger.kills.hints import drop_hints, take_hints
from exporter.ledger.kills.limits import (
    UNKNOWN_LIMIT,
    add_late_limits,
    fired_limits,
    give_up_limits,
    likely_limits,
)
from exporter.ledger.patience import COUNT_US, EVIDENCE_US, LATE_EVIDENCE_US
from exporter.ledger.places import home_of, is_below, nearest
from exporter.ledger.state import NO_CONTAINER, Identities, LifeBook, Now, SliceBook, State


@dataclass(frozen=True, slots=True)
class _Read:
    """What this settlement has read."""

    books: Mapping[str, SliceBook]  # of the slices that were read, by path
    first_seen: AbstractSet[str]  # slices that were never read before
    unread: AbstractSet[str]  # slices that are there, and must wait, as they or slices below could not be read
    ended: AbstractSet[str]  # slices of this boot that are gone
    fired: frozenset[str]  # cgroups whose own limit has fired


def hear_oomd(state: State, kill: OomdKill, identities: Identities) -> None:
    """Take a kill by systemd-oomd: only the journal reports it, and its cursor keeps it from being reported twice."""
    name = identities.names_by_unit.get(kill.unit)
    if name:
        add_kills_of_no_life(state.account(name), kill.processes, kill.at_seconds)
        give(
            state,
            None,
            name,
            kill.processes,
            limits=["systemd_oomd"] * kill.processes,
            heard_us=kill.heard_us,
            at_seconds=kill.at_seconds,
            has_evidence=True,
        )


def settle(state: State, read: KillCounts, identities: Identities, now: Now, *, may_age: bool = True) -> None:
    """Bring the totals up to what was read and heard. Slices were read parents first.

    What lies above and below slices that are there and could not be read waits. `may_age`: whoever could say whose
    kill it was has been heard, so that what waits for it may be called unattributed in the end.
    """
    seen = _read(state, read, identities, now)
    learn_names(state, identities)
    there = seen.unread | seen.books.keys()
    for key, life in state.lives.items():
        if life.seen <= life.credited:
            continue
        if life.boot != now.boot:
            _match_old(state, key, life, now)
        elif nearest(there, life.path) not in seen.unread:
            _match(state, key, life, seen, now)
    _give_to_owners(state, seen, now)
    _give_up(state, seen, identities, now, may_age=may_age and identities.slices_complete)
    give_up_limits(state, now)
    drop_hints(state, now)


def _read(state: State, read: KillCounts, identities: Identities, now: Now) -> _Read:
    counts = sorted(read.counts, key=lambda count: -count.path.count("/"))
    fired = fired_limits(state, counts)
    read_at_us = now.us if read.began_us is None else read.began_us
    for count in counts:
        if count.is_evidence:
            see_life(state, count, identities, now, read_at_us=read_at_us)
    unread = _unread(read, counts)
    slices = [count for count in counts if count.is_slice and count.path not in unread]
    books, first_seen = see_slices(state, slices, unread, identities, now, read_at_us=read_at_us)
    ended = {book.path for book in state.slices.values() if book.closed and book.boot == now.boot}
    return _Read(books, first_seen, unread, ended | read.absent, fired)


def _unread(read: KillCounts, counts: Sequence[KillCount]) -> frozenset[str]:
    unreadable = frozenset(path for path in read.unreadable if path.endswith(".slice"))
    return unreadable | {count.path for count in counts if any(is_below(path, count.path) for path in unreadable)}


def _match(state: State, key: str, life: LifeBook, seen: _Read, now: Now) -> None:
    """Match the evidence of one life, kill by kill, with what the slices above have open or have given away.

    The slice right above it reports all its kills. A slice further up is asked only if that slice has ended, or had a
    life before this one: what is open there is of somebody else, else.
    """
    authorities = tuple(upwards(seen.books, life.path))
    home = home_of(life.path)
    if authorities and home not in seen.ended:
        if authorities[0].path != home:
            return  # nobody has looked whether it is there: it is asked for at the next reading
        authorities = authorities[:1]
    if not authorities and life.name is not None:
        _take(state, key, life, None, life.seen - life.credited, at_seconds=now.seconds, fired=seen.fired)
    for _ in range(life.seen - life.credited):
        book = _book_of_next_kill(life, authorities, now)
        name = life.name
        if book is None and now.us - happened_us(life) <= LATE_EVIDENCE_US:
            return  # the kernel prints its line before it counts: the next reading will show it
        if book is not None and not _is_explained(life, book, now):
            life.name = name if name is not None else book.owner
            _take(state, key, life, book, 1, at_seconds=now.seconds, fired=seen.fired)
            continue
        if book is not None:
            use_up(state, book)
        _explain(state, key, life)  # with no book: of a time before its slice was known


def _book_of_next_kill(life: LifeBook, authorities: Sequence[SliceBook], now: Now) -> SliceBook | None:
    """The book in which the next kill of this evidence is open, or was claimed without evidence."""
    # The kernel prints its line before it counts: what is open further up meanwhile may be of another.
    may_be_further_up = now.us - happened_us(life) > COUNT_US
    for book in authorities:
        may_claim = book is authorities[0] or may_be_further_up
        has_name = life.name is not None or book.owner is not None
        if _is_explained(life, book, now) or (book.open > 0 and has_name and may_claim):
            return book
    return None


def _is_explained(life: LifeBook, book: SliceBook, now: Now) -> bool:
    """Whether the next kill of this evidence is one that was claimed in this book without evidence."""
    at_us = happened_us(life)
    return bool(book.unexplained) and (at_us <= book.given_until_us or now.us - at_us > LATE_EVIDENCE_US)


def _match_old(state: State, key: str, life: LifeBook, now: Now) -> None:
    """Evidence of a boot that is over: new if it is of a time after the slice was last read, counted before if not."""
    above = above_of_old_boot(state, life)
    name = life.name if life.name is not None else next((book.owner for book in above if book.owner), None)
    for _ in range(life.seen - life.credited):
        is_counted = life.credited < life.counted  # by its own cgroup, and not reported by a line alone
        at_us = life.counted_at_us if is_counted else happened_us(life)
        was_read = bool(above) and at_us <= above[0].read_at_us
        book = _open_above(above, is_counted=is_counted) if was_read and name is not None else None
        if was_read and book is None:
            _explain(state, key, life)
        elif name is not None:
            life.name = name
            _take(state, key, life, book, 1, at_seconds=None, fired=frozenset())
        elif _waits_for_name(state, key, life, now):
            return
        else:
            give_to_nobody(state, None, 1)
            _explain(state, key, life)


def _waits_for_name(state: State, key: str, life: LifeBook, now: Now) -> bool:
    if life.waits_since_us is None:
        life.waits_since_us = now.us
        state.touch("life", key)
        return True
    return 0 <= now.us - life.waits_since_us < LATE_EVIDENCE_US


def _open_above(above: Sequence[SliceBook], *, is_counted: bool) -> SliceBook | None:
    """The book in which a kill that was read is open still.

    That is further up if the slice right above has ended since. A line alone is not enough to look there: its kill may
    have been credited long ago.
    """
    home = [book for book in above if book.path == above[0].path]
    further_up = [book for book in above if is_counted and not any(one.unexplained for one in home)]
    return next((book for book in (*home, *further_up) if book.open > 0), None)


def _take(
    state: State,
    key: str,
    life: LifeBook,
    book: SliceBook | None,
    count: int,
    *,
    at_seconds: float | None,
    fired: frozenset[str],
) -> None:
    """Give so many kills to the container of this life, which has evidence of them."""
    limits = [limit for limit, _ in life.limits[:count] if limit != UNKNOWN_LIMIT]
    del life.limits[:count]
    limits += likely_limits(fired, life.path, count - len(limits))
    life.credited += count
    state.touch("life", key)
    name = life.name or NO_CONTAINER
    give(state, book, name, count, limits=limits, heard_us=life.heard_us, at_seconds=at_seconds, has_evidence=True)


def _explain(state: State, key: str, life: LifeBook) -> None:
    """Use late evidence of one kill for what it still can say: whose limit fired."""
    limits = [limit for limit, _ in life.limits[:1]]
    del life.limits[:1]
    life.credited += 1
    state.touch("life", key)
    add_late_limits(state, life, limits)


def _waiting(state: State, seen: _Read) -> tuple[SliceBook, ...]:
    return (*seen.books.values(), *(book for book in state.slices.values() if book.closed and book.open > 0))


def _give_to_owners(state: State, seen: _Read, now: Now) -> None:
    """Give what no evidence asked for to the slice's one owner."""
    living = {life.name: life.path for life in state.lives.values() if life.name and life.boot == now.boot}
    for book in _waiting(state, seen):
        if not book.owner or book.open <= 0:
            continue
        give(
            state,
            book,
            book.owner,
            book.open,
            limits=likely_limits(seen.fired, living.get(book.owner, f"{book.path}/"), book.open),
            heard_us=now.us,
            # What a slice counted before it was known may be of long ago.
            at_seconds=None if book.path in seen.first_seen else now.seconds,
            has_evidence=False,
        )
        book.given_until_us = now.us


def _give_up(state: State, seen: _Read, identities: Identities, now: Now, *, may_age: bool) -> None:
    """Let what is open in slices of several age, unless one of the several is unidentified."""
    for book in _waiting(state, seen):
        if book.owner is None and identities.unidentified.isdisjoint(identities.occupants.get(book.path, ())):
            _age(state, book, now, may_age=may_age)


def _age(state: State, book: SliceBook, now: Now, *, may_age: bool) -> None:
    """Give what has been open in a slice of several for long enough to hints, and the rest to nobody."""
    floor = max(0, min(book.floor, book.open)) if book.floor else max(0, book.open)
    # The clock begins anew with each boot, and a book that was closed in an earlier one waits on.
    if not book.floor or not floor or not may_age or book.floor_since_us > now.us:
        book.floor_since_us = now.us
    if floor != book.floor:
        book.floor = floor
        state.touch_book(book)
    if not floor or now.us - book.floor_since_us < EVIDENCE_US:
        return
    hinted = take_hints(state, book, now)
    for name in hinted:
        give(state, book, name, 1, limits=[], heard_us=now.us, at_seconds=now.seconds, has_evidence=False)
    if len(hinted) < floor:
        give_to_nobody(state, book, floor - len(hinted))
    book.given_until_us = book.floor_since_us
    book.floor, book.floor_since_us = 0, now.us
