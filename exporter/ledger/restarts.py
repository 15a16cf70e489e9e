"""Restarts and starts, each counted once.

The journal tells of each scheduled restart with its number since the last manual start (N_RESTARTS), in order,
and keeps it while the agent is down: it is the authority. NRestarts on D-Bus is the number now. It says where to
begin when a unit is seen for the first time, and fills in what the journal has lost, after a while in which the
journal could have caught up. For podman's own restart policy, its `restart` events and RestartCount are the same,
by container id. podman 5.4 tells of a restart by its policy right after `died`; `podman restart` is told before
`died`, or after `cleanup`.

    number told       position before   restarts counted
    6                 5                 1
    8                 5                 3: two entries were lost
    1                 5                 1: somebody has started the unit by hand
    0 (NRestarts)     5                 0: the same
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.facts.evidence import ContainerEvent, RestartScheduled
from exporter.ledger.state import Chain, Household, Now, Orphan, State

DOUBT_US = 30_000_000
"""How long the journal may lag behind NRestarts."""

_ORPHAN_US = 120_000_000
_ORPHANS_LIMIT = 500
_RECENT_LIMIT = 64


def hear_restart(state: State, told: RestartScheduled, household: Household, now: Now) -> None:
    """Take one entry of the journal; one of a unit that nobody knows waits for a while."""
    name = household.names_by_unit.get(told.unit)
    if name is None:
        orphan = Orphan(told.unit, told.boot_id, told.count, told.heard_us, told.sent_at_seconds, now.us)
        state.host.orphans = [*state.host.orphans[1 - _ORPHANS_LIMIT :], orphan]
        state.touch("host", "")
        return
    chain = _chain(state, told.unit)
    if told.count > chain.position:
        risen = told.count - chain.position
    elif told.sent_at_seconds <= chain.filled_at_seconds:
        return  # NRestarts has told of it already
    else:
        risen = told.count
    chain.position, chain.doubted = told.count, None
    _count(state, name, risen, told.boot_id, told.heard_us)


def settle_orphans(state: State, household: Household, now: Now) -> None:
    """Give the restarts that waited to the container that has turned up, and drop those that waited in vain."""
    waiting, state.host.orphans = state.host.orphans, []
    for orphan in waiting:
        if orphan.unit in household.names_by_unit:
            told = RestartScheduled(orphan.boot, orphan.heard_us, orphan.sent_at_seconds, orphan.unit, orphan.count)
            hear_restart(state, told, household, now)
        elif 0 <= now.us - orphan.held_since_us < _ORPHAN_US:
            state.host.orphans.append(orphan)
    if waiting:
        state.touch("host", "")


def read_restarts(
    state: State, key: str, name: str, count: int, now: Now, *, read_at_seconds: float, others_tell: bool
) -> None:
    """Take NRestarts of a unit, or podman's RestartCount (`key` is podman:ID then). `others_tell`: events are heard."""
    if key not in state.chains:
        chain = _chain(state, key)
        chain.position, chain.filled_at_seconds = count, read_at_seconds
        _count(state, name, count, "", 0)
        return
    chain = state.chains[key]
    if count == chain.position:
        chain.doubted = None
        return
    if others_tell and count != chain.doubted:
        chain.doubted, chain.doubted_since_us = count, now.us
        return
    if others_tell and 0 <= now.us - chain.doubted_since_us < DOUBT_US:
        return
    risen = count - chain.position if count > chain.position else count
    chain.position, chain.doubted, chain.filled_at_seconds = count, None, read_at_seconds
    state.touch("chain", key)
    _count(state, name, risen, now.boot, now.us)


def hear_podman_restart(state: State, told: ContainerEvent, now: Now) -> None:
    """Take a restart by podman's own policy."""
    _chain(state, f"podman:{told.container_id}").position += 1
    _count(state, told.name, 1, now.boot, now.us)


def hear_start(state: State, told: ContainerEvent) -> None:
    """Take podman's `start` of a container."""
    account = state.account(told.name)
    account.starts += 1
    account.unit = told.unit


def recent_restarts(times: Iterable[tuple[str, int]], now: Now, window_seconds: float) -> int:
    """How many restarts of this boot lie in the window that ends now."""
    return sum(boot == now.boot and now.us - at_us <= window_seconds * 1e6 for boot, at_us in times)


def _chain(state: State, key: str) -> Chain:
    state.touch("chain", key)
    return state.chains.setdefault(key, Chain())


def _count(state: State, name: str, risen: int, boot: str, heard_us: int) -> None:
    account = state.account(name)
    account.restarts += risen
    if boot:
        account.recent_restarts = [*account.recent_restarts, *[(boot, heard_us)] * min(risen, _RECENT_LIMIT)]
        account.recent_restarts = account.recent_restarts[-_RECENT_LIMIT:]
