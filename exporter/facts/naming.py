"""Whose a container is, and what one is called that podman does not list.

A user's podman may list and report any container id, and a user may name a cgroup after any: only where the cgroup
tree shows that a container is this user's, it is the one that this user's podman means.

The cgroup tree has its id and its user; conmon's command line has its name (`conmon -c ID -n NAME`). Any process may
call itself conmon and claim any container, so only a conmon of the container's own user is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.facts.container import Container
from exporter.facts.process import ProcessTable

_HEAD = 12  # as many digits as `podman ps` shows of an id


def user_of(owner_uid: int, accounts: Mapping[int, str]) -> str:
    """The account that runs the container, by its number where it has no name; "" is root."""
    return "" if owner_uid == 0 else accounts.get(owner_uid, str(owner_uid))


def is_of(user: str, owner_uid: int, account_uids: Mapping[str, int]) -> bool:
    """Whether a container whose cgroup is `owner_uid`'s may be what the podman of `user` means by its id.

    /etc/passwd does not have every account: one that is not in it may have any number that no other account has.
    """
    if not user or not owner_uid:
        return not user and not owner_uid
    return account_uids[user] == owner_uid if user in account_uids else owner_uid not in account_uids.values()


@dataclass(frozen=True, slots=True)
class Listed:
    """Which container each id means, of all that every podman lists."""

    by_id: Mapping[str, Container]
    alive: Mapping[str, Container]  # of these, those that have a cgroup now


def listed_by_id(
    containers: Iterable[Container], owner_uids: Mapping[str, int], account_uids: Mapping[str, int]
) -> Listed:
    """What is listed, by its own user's word alone; `owner_uids` says whose cgroup has which id.

    An id that root's podman lists is root's. Another is of the user whose cgroup has it, and without a cgroup of the
    user whose podman lists it first.
    """
    by_id: dict[str, Container] = {}
    alive: dict[str, Container] = {}
    for container in sorted(containers, key=lambda one: one.user != ""):
        owner_uid = owner_uids.get(container.id)
        is_there = owner_uid is not None and is_of(container.user, owner_uid, account_uids)
        if not container.user or owner_uid is None or is_there:
            by_id.setdefault(container.id, container)
        if is_there and by_id[container.id] is container:
            alive[container.id] = container
    return Listed(by_id, alive)


def names_of_conmons(table: ProcessTable | None) -> dict[tuple[str, int], str]:
    """What the conmons of each user call the container of an id: by container id and uid."""
    return {(one.container_id, one.owner_uid): one.name for one in (table.conmons if table else ())}


def own_name(container_id: str, owner_uid: int, names: Mapping[tuple[str, int], str]) -> str:
    """The name that a conmon of its own user has for it (`names_of_conmons`), or the head of its id."""
    return names.get((container_id, owner_uid), container_id[:_HEAD])


def is_unnamed(name: str, container_id: str) -> bool:
    """Whether `own_name` knew no name."""
    return name == container_id[:_HEAD]
