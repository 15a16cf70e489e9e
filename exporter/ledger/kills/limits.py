"""Whose limit fired: the label of a kill that is counted already.

told by                                         label
a line of the kernel's log, its oom_memcg       that cgroup's level, as the victim's container sees it
memory.events.local oom of the levels above     that of the only level that rose since the last reading
nobody, for 30 s                                unknown
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.facts.evidence import KillCount
from exporter.ledger.patience import EVIDENCE_US
from exporter.ledger.places import is_below, limit_that_fired
from exporter.ledger.state import Account, LifeBook, Now, State

UNKNOWN_LIMIT = "unknown"


def fired_limits(state: State, counts: Sequence[KillCount]) -> frozenset[str]:
    """Cgroups whose own limit has fired since they were read last."""
    before = state.local_oom
    state.local_oom = {(count.path, count.inode): count.local_oom for count in counts}
    return frozenset(path for (path, inode), told in state.local_oom.items() if told > before.get((path, inode), told))


def likely_limits(fired: frozenset[str], victim: str, count: int) -> list[str]:
    """The limit of each of so many kills, if just one limit on the way up from the victim has fired."""
    above = [path for path in fired if path == victim or is_below(victim, path)]
    return [limit_that_fired(above[0], victim)] * count if len(above) == 1 else []


def add_limits(account: Account, count: int, limits: Sequence[str], *, heard_us: int) -> None:
    """Take the limits of so many kills that were just counted. Kills without a limit wait for it."""
    for limit in limits:
        account.oom_kills_by_limit[limit] = account.oom_kills_by_limit.get(limit, 0) + 1
    if count > len(limits):
        if not account.unlabelled:
            account.unlabelled_since_us = heard_us
        account.unlabelled += count - len(limits)


def add_late_limits(state: State, life: LifeBook, limits: Sequence[str]) -> None:
    """Take the limits that late evidence reports of kills that were counted before it came."""
    account = state.accounts.get(life.name or "")
    for limit in limits:
        if account is not None and account.unlabelled and limit != UNKNOWN_LIMIT:
            account.unlabelled -= 1
            account.oom_kills_by_limit[limit] = account.oom_kills_by_limit.get(limit, 0) + 1
            state.touch("account", account.name)


def give_up_limits(state: State, now: Now) -> None:
    """Wait no longer for lines that would say whose limit fired."""
    for account in state.accounts.values():
        # Monotonic times of another boot are not comparable; the wait is over then as well.
        if account.unlabelled and not 0 <= now.us - account.unlabelled_since_us < EVIDENCE_US:
            told = account.oom_kills_by_limit.get(UNKNOWN_LIMIT, 0)
            account.oom_kills_by_limit[UNKNOWN_LIMIT] = told + account.unlabelled
            account.unlabelled = 0
            state.touch("account", account.name)
