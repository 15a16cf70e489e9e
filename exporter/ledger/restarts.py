"""Restarts and starts, each counted once.

The journal tells of each scheduled restart with its number since the last manual start (N_RESTARTS), in order,
and keeps it while the agent is down: it is the authority. NRestarts on D-Bus is the number now. It says where to
begin when a unit is seen for the first time, and fills in what the journal has lost, after a while in which the
journal could have caught up. For podman's own restart policy, its `restart` events and RestartCount are the same,
by ID, or USER/ID. podman 5.4 tells of a restart by its policy right after `died`; `podman restart` is told before
`died`, or after `cleanup`.

    number told       position before   restarts counted
    6                 5                 1
    8                 5                 3: two entries were lost
    1                 5                 1: somebody has started the unit by hand
    0 (NRestarts)     5                 0: the same

What NRestarts has filled in, the journal may still tell, late: its entries of before that reading are followed from
the number that the journal told last, and only what is more than was filled in is counted.
"""

from __future__ import annotations

from exporter.facts.evidence import ContainerEvent, RestartScheduled
from exporter.ledger.patience import RESTART_DOUBT_US, RESTART_OWNER_US, RESTART_TIME_US
from exporter.ledger.state import Account, Chain, Identities, Now, Orphan, State

_ORPHANS_LIMIT = 500
_RECENT_LIMIT = 64


def hear_restart(state: State, told: RestartScheduled, identities: Identities, now: Now) -> None:
    """Take one entry of the journal; one of a unit that nobody knows waits for a while."""
    name = identities.names_by_unit.get(told.unit)
    if name is None:
        orphan = Orphan(told.unit, told.boot_id, told.count, told.heard_us, told.sent_us, now.us)
        state.host.orphans = [*state.host.orphans[1 - _ORPHANS_LIMIT :], orphan]
        state.touch("host", "")
        return
    chain = _chain(state, told.unit, name)
    if _is_late(chain, told, now):
        risen = _risen(chain.told, told.count)
        known = min(risen, chain.filled)
        chain.filled -= known
        _restamp(state, chain, told, known)
    else:
        risen, known = _risen(chain.position, told.count), 0
        chain.filled, chain.filled_boot = 0, ""
    if risen > known:
        chain.position, chain.doubted = told.count, None
    chain.told, chain.told_us, chain.told_boot = told.count, told.sent_us, told.boot_id
    _count(state, name, risen - known, told.boot_id, told.heard_us)


def _is_late(chain: Chain, told: RestartScheduled, now: Now) -> bool:
    """Whether it was sent before NRestarts was read, which has told of it."""
    if told.boot_id == chain.filled_boot:
        return told.sent_us <= chain.filled_us
    # The journal tells in order: what is of another boot, and not of this one, is of one before.
    return bool(chain.filled_boot) and told.boot_id != now.boot


def _risen(before: int, count: int) -> int:
    return count - before if count > before else count


def settle_orphans(state: State, identities: Identities, now: Now) -> None:
    """Give the restarts that waited to the container that has turned up, and drop those that waited in vain."""
    waiting, state.host.orphans = state.host.orphans, []
    for orphan in waiting:
        if orphan.unit in identities.names_by_unit:
            told = RestartScheduled(orphan.boot, orphan.heard_us, orphan.sent_us, orphan.unit, orphan.count)
            hear_restart(state, told, identities, now)
        elif 0 <= now.us - orphan.held_since_us < RESTART_OWNER_US:
            state.host.orphans.append(orphan)
    if len(waiting) != len(state.host.orphans):
        state.touch("host", "")


def read_restarts(
    state: State, key: str, name: str, count: int, now: Now, *, read_us: int, journal_tells: bool
) -> None:
    """Take NRestarts of a unit, or podman's RestartCount (`key` is podman:ID then, and no journal tells of it)."""
    read_before_us = state.restarts_read_us.get(key)
    state.restarts_read_us[key] = read_us
    if key not in state.chains:
        _fill(state, key, name, count, now, read_us=read_us, stamp=False)
        return
    chain = state.chains[key]
    if count == chain.position:
        chain.doubted = None
        return
    # A reading may be older than the last entry.
    is_fresh = chain.told_boot != now.boot or read_us - chain.told_us > RESTART_DOUBT_US
    if journal_tells or (count < chain.position and not is_fresh):
        if count != chain.doubted:
            chain.doubted, chain.doubted_since_us = count, now.us
            return
        if 0 <= now.us - chain.doubted_since_us < RESTART_DOUBT_US:
            return
    stamp = read_before_us is not None and 0 <= read_us - read_before_us < RESTART_TIME_US
    _fill(state, key, name, count, now, read_us=read_us, stamp=stamp)


def _fill(state: State, key: str, name: str, count: int, now: Now, *, read_us: int, stamp: bool) -> None:
    """Count what the journal has not told. `stamp`: it happened since the last reading, which was a moment ago."""
    chain = _chain(state, key, name)
    risen = _risen(chain.position, count)
    chain.position, chain.doubted = count, None
    chain.filled += risen
    chain.filled_us, chain.filled_boot = read_us, now.boot
    _count(state, name, risen, now.boot if stamp else "", read_us)


def _restamp(state: State, chain: Chain, told: RestartScheduled, known: int) -> None:
    """Give restarts that were filled in the time that the journal tells."""
    account = state.account(chain.name)
    for _ in range(min(known, _RECENT_LIMIT)):
        if (chain.filled_boot, chain.filled_us) in account.recent_restarts:
            account.recent_restarts.remove((chain.filled_boot, chain.filled_us))
    _stamp(account, known, told.boot_id, told.heard_us)


def hear_podman_restart(state: State, told: ContainerEvent, now: Now) -> None:
    """Take a restart by podman's own policy."""
    _chain(state, f"podman:{told.container_key}", told.name).position += 1
    _count(state, told.name, 1, now.boot, now.us)


def hear_start(state: State, told: ContainerEvent) -> None:
    """Take podman's `start` of a container."""
    account = state.account(told.name)
    account.starts += 1
    account.unit = told.unit


def _chain(state: State, key: str, name: str) -> Chain:
    state.touch("chain", key)
    chain = state.chains.setdefault(key, Chain())
    chain.name = name
    return chain


def _count(state: State, name: str, risen: int, boot: str, heard_us: int) -> None:
    account = state.account(name)
    account.restarts += risen
    if boot:
        _stamp(account, risen, boot, heard_us)


def _stamp(account: Account, count: int, boot: str, at_us: int) -> None:
    times = [*account.recent_restarts, *[(boot, at_us)] * min(count, _RECENT_LIMIT)]
    account.recent_restarts = times[-_RECENT_LIMIT:]
