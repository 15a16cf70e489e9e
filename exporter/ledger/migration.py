"""Reads ledgers of before.

Of the first schema: three counters for each life of a slice, in place of claims.

    schema 1      now
    pending       open
    anonymous     unexplained: late evidence of so many kills adds nothing
    nobodys       claims of nobody's

Who had been given what was not kept, so all totals of before count as given outside of all books. No total changes.

Of the second schema, before users could not speak of one another's containers: restarts by podman's policy under
podman:ID, also those of users, which are under podman:USER/ID now.
"""

from __future__ import annotations

from exporter.facts.container import full_name, user_in
from exporter.ledger.schema_1 import SliceOfSchema1
from exporter.ledger.state import NOBODY, SliceBook, State


def migrate(state: State) -> None:
    """Turn what was read of a ledger of the first schema into what this version keeps."""
    for key, old in state.slices_of_schema_1.items():
        book = _book(old)
        state.slices[book.key] = book
        state.touch_book(book)
        state.touch("slice", key)
    state.slices_of_schema_1.clear()
    for account in state.accounts.values():
        account.oom_kills_outside = account.oom_kills
        state.touch("account", account.name)
    called_nobodys = sum(book.unproven.get(NOBODY, 0) for book in state.slices.values())
    state.host.unattributed_oom_kills_outside = state.host.unattributed_oom_kills - called_nobodys
    state.touch("host", "")


def name_users(state: State) -> None:
    """Have the restarts of users' containers under their users, so that podman's RestartCount adds nothing to them."""
    for key, chain in list(state.chains.items()):
        user, container_id = user_in(chain.name), key.removeprefix("podman:")
        if user and container_id != key and "/" not in container_id:
            new_key = f"podman:{full_name(user, container_id)}"
            state.chains[new_key] = state.chains.pop(key)
            state.touch("chain", key)
            state.touch("chain", new_key)


def _book(old: SliceOfSchema1) -> SliceBook:
    return SliceBook(
        old.path,
        old.boot,
        old.inode,
        last=old.last,
        counted=old.pending + old.nobodys,
        unproven={NOBODY: old.nobodys} if old.nobodys else {},
        unexplained=old.anonymous,
        owner=old.owner,
        read_at_us=old.read_at_us,
        given_until_us=old.told_until_us,
        floor=old.floor,
        floor_since_us=old.floor_since_us,
        closed=old.closed,
    )
