"""Keeps the state bounded: drops containers that are gone for long, and evidence that nothing can refer to any more.

what                      is dropped
container                 not seen for `forget_days` while somebody watched; of more than `max_containers` of one
user those that are gone for the longest. A container that is here is never dropped
life                      its container is gone, all its kills are counted, and no source can report it again; of
those that podman alone has reported, the oldest of more than 10,000 of each user
chain of restarts         its container was dropped; of podman's, all but the last 1,000 of each user that are gone
slice that has ended      the oldest of more than 2,000 in which no kill is open
stamps of what was heard  the oldest of more than 10,000 of each kind, of podman's events (heard.py) of each podman

Bounds are of each user: a user whose podman reports any number of containers takes no room of another's.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from exporter.facts.container import user_in
from exporter.ledger.kills.claims import forget_holder, take_out
from exporter.ledger.patience import LIFE_US
from exporter.ledger.state import SEEN_LIMIT, Account, Identities, LifeBook, Now, State

_CLOSED_LIMIT = 2_000
_PODMAN_CHAINS_LIMIT = 1_000


def forget_containers(
    state: State, identities: Identities, *, watched_seconds: float, forget_seconds: float, max_containers: int
) -> None:
    """Drop containers that are gone for long, and the longest gone of too many of one user.

    `watched_seconds`: since the last settlement. Time in which no agent ran does not count.
    """
    absent = _see_absent(state, identities, watched_seconds)
    counts = Counter(user_in(name) for name in state.accounts)
    for account in sorted(absent, key=lambda account: -account.unseen_seconds):
        user = user_in(account.name)
        if account.unseen_seconds > forget_seconds or counts[user] > max_containers:
            counts[user] -= 1
            del state.accounts[account.name]
            forget_holder(state, account.name)
            state.host.forgotten_containers += 1
            state.touch("account", account.name)
            state.touch("host", "")


def _see_absent(state: State, identities: Identities, watched_seconds: float) -> list[Account]:
    known = identities.known()
    absent: list[Account] = []
    for account in state.accounts.values():
        hours_before = account.unseen_seconds // 3600
        if account.name not in known:
            account.unseen_seconds += watched_seconds
            absent.append(account)
            is_changed = account.unseen_seconds // 3600 != hours_before  # a row each hour is exact enough
        else:
            is_changed = bool(account.unseen_seconds)
            account.unseen_seconds = 0.0
        if is_changed:
            state.touch("account", account.name)
    return absent


def drop_lives(state: State, identities: Identities, now: Now, *, heard_all: bool) -> None:
    """Drop the evidence of lives that are over and counted. `heard_all`: the journal has caught up."""

    def is_over(life: LifeBook) -> bool:
        gone = life.container_id not in identities.names_by_id or life.boot != now.boot
        # The journal may report again what is known of a life of an earlier boot.
        old = heard_all if life.boot != now.boot else now.us - life.heard_us > LIFE_US
        return gone and old and life.seen <= life.credited

    reported: defaultdict[str, list[str]] = defaultdict(list)
    for key, life in state.lives.items():
        if life.called and not life.path:
            reported[min(life.called)].append(key)  # root's, if root's podman is one of several
    too_many = {key for keys in reported.values() for key in keys[: max(0, len(keys) - SEEN_LIMIT)]}
    for key in [key for key, life in state.lives.items() if key in too_many or is_over(life)]:
        del state.lives[key]
        state.touch("life", key)


def drop_chains(state: State, identities: Identities) -> None:
    """Drop the restarts of containers that were dropped, and of too many that podman does not list any more."""
    # A podman that is silent for a while must not have its containers counted anew: few of the gone are kept.
    gone: defaultdict[str, list[str]] = defaultdict(list)
    for key in state.chains:
        user, container_id = _container_in(key)
        if container_id and container_id not in identities.names_by_id:
            gone[user].append(key)
    over = {key for keys in gone.values() for key in keys[: max(0, len(keys) - _PODMAN_CHAINS_LIMIT)]}
    for key in [key for key, chain in state.chains.items() if key in over or chain.name not in state.accounts]:
        del state.chains[key]
        state.restarts_read_us.pop(key, None)
        state.touch("chain", key)


def _container_in(key: str) -> tuple[str, str]:
    """User and container id in podman:ID or podman:USER/ID; "" and "" for a unit."""
    container = key.removeprefix("podman:") if key.startswith("podman:") else ""
    return user_in(container), container.rpartition("/")[2]


def drop_stamps(state: State) -> None:
    """Drop the oldest of too many stamps of kills and denials that were heard."""
    stamps = {"kill": state.kills_seen, "denial": state.denials_seen}
    excess = {kind: list(seen)[: max(0, len(seen) - SEEN_LIMIT)] for kind, seen in stamps.items()}
    for kind, keys in excess.items():
        for key in keys:
            del stamps[kind][key]
            state.touch(kind, key)


def drop_slices(state: State, now: Now) -> None:
    """Drop those of too many slices that have ended in which no kill is open."""
    closed = [book for book in state.slices.values() if book.closed and not book.open]
    # A slice goes after those below it: what these have counted is part of what it has counted.
    closed.sort(key=lambda book: (book.boot == now.boot, -book.path.count("/")))
    for book in closed[: max(0, len(closed) - _CLOSED_LIMIT)]:
        take_out(state, book)
        del state.slices[book.key]
        state.touch_book(book)
