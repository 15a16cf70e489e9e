"""What must be true of the ledger after each settlement, as a pure function that says what is not.

    for each life of a slice    counted = claims with evidence + claims without + open
    for each tree of slices     what all of its books counted is no more than the kernel has counted at its top
    for each container          total = its claims in all books + its kills that no slice counted
    for nobody                  unattributed = the claims of nobody + unattributed kills that no slice counted

The first holds by construction, as what is open is what is left. What is open is below 0 for a moment while a slice
has not yet been read again after a slice below it; no claim ever is.
"""

from __future__ import annotations

from collections import Counter

from exporter.ledger.places import nearest
from exporter.ledger.state import FORGOTTEN, NO_CONTAINER, NOBODY, SliceBook, State


def what_does_not_add_up(state: State) -> tuple[str, ...]:
    """A sentence with the numbers for each thing that does not add up; nothing if all does."""
    return (*_claims_below_zero(state), *_more_than_the_kernel_counted(state), *_totals_that_are_no_sums(state))


def _claims_below_zero(state: State) -> list[str]:
    return [
        f"{_described(book)}: a claim is below 0"
        for book in state.slices.values()
        if min((book.unexplained, *book.proven.values(), *book.unproven.values())) < 0
    ]


def _more_than_the_kernel_counted(state: State) -> list[str]:
    """Trees whose books hold more kills than the slice at their top: some kill was counted twice."""
    live = {(book.boot, book.path) for book in state.slices.values() if not book.closed}
    paths: dict[str, set[str]] = {}
    for boot, path in live:
        paths.setdefault(boot, set()).add(path)
    counted: Counter[tuple[str, str]] = Counter()
    by_kernel: Counter[tuple[str, str]] = Counter()
    for book in state.slices.values():
        top = _top(paths.get(book.boot, set()), book.path)
        counted[book.boot, top] += book.counted
        by_kernel[book.boot, top] += book.last if book.path == top else 0
    return [
        f"{path} of boot {boot}: its books hold {counted[boot, path]} kills, the kernel counted {kernel}"
        for (boot, path), kernel in by_kernel.items()
        # While no life of the top is being read, what its former lives counted may have been dropped.
        if (boot, path) in live and counted[boot, path] > kernel
    ]


def _top(paths: set[str], path: str) -> str:
    while (above := nearest(paths, path)) is not None:
        path = above
    return path


def _totals_that_are_no_sums(state: State) -> list[str]:
    sums: Counter[str] = Counter()
    for book in state.slices.values():
        for claims in (book.proven, book.unproven):
            for holder, count in claims.items():
                sums[holder] += count
    totals = {account.name: account.oom_kills - account.oom_kills_outside for account in state.accounts.values()}
    totals[NOBODY] = state.host.unattributed_oom_kills - state.host.unattributed_oom_kills_outside
    holders = totals.keys() | sums.keys() - {NO_CONTAINER, FORGOTTEN}
    return [
        f"{holder}: {totals.get(holder, 0)} kills in the total that slices counted, {sums[holder]} in claims"
        for holder in sorted(holders)
        if totals.get(holder, 0) != sums[holder]
    ]


def _described(book: SliceBook) -> str:
    return (
        f"{book.path} (inode {book.inode}, boot {book.boot}): counted {book.counted}, claims with evidence"
        f" {book.proven}, without {book.unproven}, unexplained {book.unexplained}, open {book.open}"
    )
