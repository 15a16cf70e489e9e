"""What of each account is given out, made anew for those that a settlement has changed: most change none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from exporter.facts.counts import EXIT_REASONS, OOM_LIMITS, Counts
from exporter.ledger.state import Account


class CountsByName:
    """The counts as last given out, by container."""

    def __init__(self) -> None:
        self._made: dict[str, Counts] = {}
        self._boot = ""

    def forget(self, names: Iterable[str]) -> None:
        """Their accounts have changed."""
        for name in names:
            self._made.pop(name, None)

    def of(self, accounts: Mapping[str, Account], boot: str) -> tuple[Counts, ...]:
        """The counts of all accounts, by name, with restarts of this boot."""
        if boot != self._boot:
            self._made.clear()
            self._boot = boot
        for name in accounts.keys() - self._made.keys():
            self._made[name] = counts_of(accounts[name], boot)
        return tuple(self._made[name] for name in sorted(accounts))


def counts_of(account: Account, boot: str) -> Counts:
    """What is given out of one account."""
    by_limit = dict.fromkeys(OOM_LIMITS, 0) | account.oom_kills_by_limit
    return Counts(
        name=account.name,
        oom_kills=account.oom_kills,
        oom_kills_by_limit=tuple(by_limit.items()),
        last_oom_kill_seconds=account.last_oom_kill_seconds,
        restarts=account.restarts,
        recent_restarts_us=tuple(at_us for of, at_us in account.recent_restarts if of == boot),
        starts=account.starts,
        exits=tuple((dict.fromkeys(EXIT_REASONS, 0) | account.exits).items()),
        last_exit_code=account.last_exit_code,
        last_exit_seconds=account.last_exit_seconds,
        avc_denials=account.avc_denials,
    )
