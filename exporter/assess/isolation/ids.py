"""How many user and group ids are left for containers, and which containers, accounts and owners overlap.

What podman does for --userns=auto (containers/storage, userns.go and idset.go): all ranges of the account `containers`,
less every id in the map of any container in its storage, running or not; of what is left it takes as many as it wants
from the lowest free ones upwards. Nothing is aligned, and a container may get its ids in several pieces: what limits
the number of containers is how many ids are free, not how large the largest free block is (only a map of more than 340
pieces is refused, by the kernel). It takes 1,024, more if the image has higher ids, never more than 65,536.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from exporter.assess.inventory import KnownContainer
from exporter.facts.container import ALL_IDS, IdRange
from exporter.facts.host import SUBID_OWNER_OF_CONTAINERS, Host, SubIds
from exporter.report.host import IdUse

PODMAN_MINIMUM_IDS = 1024
_SHARED = "container:"
_NAMESPACE = "user:"
_OVERLAPS_MAX = 1000  # a host where every container has the same map has the square of them

Interval: TypeAlias = tuple[int, int]  # first id, and the one after the last


@dataclass(frozen=True, slots=True)
class _Holder:
    """A holder of ids: an owner in subuid(5), an account, or a container."""

    kind: str  # range, account, container
    name: str
    intervals: tuple[Interval, ...]
    namespaces: frozenset[str] = frozenset()  # what a container shares its ids with on purpose


def id_use(containers: Sequence[KnownContainer], host: Host | None, *, podman_told: bool) -> tuple[IdUse, ...]:
    """Of uids and gids each, where the host has a range for containers."""
    if host is None:
        return ()
    accounts = {"uid": host.account_uids, "gid": host.group_gids}
    uses = []
    for kind, path, ranges in (("uid", "etc/subuid", host.subuids), ("gid", "etc/subgid", host.subgids)):
        if path not in host.unreadable and any(one.owner == SUBID_OWNER_OF_CONTAINERS for one in ranges):
            uses.append(_use(kind, ranges, accounts[kind], containers if podman_told else None))
    return tuple(uses)


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same ids in as few intervals as possible, ascending."""
    found: list[Interval] = []
    for start, end in sorted(one for one in intervals if one[0] < one[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def without(whole: Iterable[Interval], taken: Iterable[Interval]) -> tuple[Interval, ...]:
    """The ids of `whole` that are not in `taken`, in as few intervals as possible, ascending."""
    left: list[Interval] = []
    gaps = merged(taken)
    for start, end in merged(whole):
        at = start
        for first, after in gaps:
            if after <= at:
                continue
            if first >= end:
                break
            left.append((at, first))
            at = after
        left.append((at, end))
    return merged(left)


def size(intervals: Iterable[Interval]) -> int:
    """How many ids are in intervals that do not overlap."""
    return sum(end - start for start, end in intervals)


def usual_size(sizes: Iterable[int]) -> int:
    """The most frequent of the containers' sizes, the larger of two equally frequent; podman's smallest without any."""
    counted = Counter(sizes)
    return max(counted, key=lambda one: (counted[one], one), default=PODMAN_MINIMUM_IDS)


def _use(
    kind: str,
    ranges: Sequence[SubIds],
    accounts: Sequence[tuple[str, int]],
    containers: Sequence[KnownContainer] | None,
) -> IdUse:
    pool = merged((one.start, one.start + one.count) for one in ranges if one.owner == SUBID_OWNER_OF_CONTAINERS)
    total = size(pool)
    if containers is None:
        return IdUse(kind, total)
    holders = [holder for known in containers if (holder := _container(kind, known)) is not None]
    namespaces = _one_of_each_namespace(holders)
    free = without(pool, [interval for holder in holders for interval in holder.intervals])
    sizes = [size(one.intervals) for one in holders if all(_is_within(each, pool) for each in one.intervals)]
    return IdUse(
        kind,
        total,
        used=total - size(free),
        largest_free_block=max((end - start for start, end in free), default=0),
        containers_left=size(free) // usual_size(sizes),
        overlaps=_overlaps([*_owners(ranges), *_accounts(accounts), *namespaces]),
    )


def _container(kind: str, one: KnownContainer) -> _Holder | None:
    """Ids of a container of root's, in storage and in force; None for one without ids of its own.

    A user's own podman gives out that user's ids: newuidmap(1) sees to it that these are no one else's.
    """
    if one.user:
        return None
    security = one.container.security if one.container else None
    process = one.processes.processes[0] if one.processes and one.processes.processes else None
    stored = (security.uid_map if kind == "uid" else security.gid_map) if security else ()
    live = (process.uid_map if kind == "uid" else process.gid_map) if process else ()
    intervals = merged(map(_interval, (*stored, *live)))
    if not intervals or any(each.count >= ALL_IDS for each in live or stored):
        return None
    shared = {one.id}
    if one.container and one.container.pod:
        shared.add(f"pod {one.container.pod}")
    if security and (security.userns_mode or "").startswith(_SHARED):
        shared.add((security.userns_mode or "").removeprefix(_SHARED))
    shared |= {f"{_NAMESPACE}[{inode}]" for name, inode in (process.namespaces if process else ()) if name == "user"}
    return _Holder("container", one.name, intervals, frozenset(shared))


def _one_of_each_namespace(containers: Iterable[_Holder]) -> list[_Holder]:
    """The same, with one for all that are in one user namespace: a pod of many is one holder of its ids."""
    found: dict[str, _Holder] = {}
    for one in containers:
        key = next((name for name in sorted(one.namespaces) if name.startswith(_NAMESPACE)), one.name)
        known = found.get(key)
        if known is None:
            found[key] = one
        else:
            intervals = merged((*known.intervals, *one.intervals))
            found[key] = replace(known, intervals=intervals, namespaces=known.namespaces | one.namespaces)
    return list(found.values())


def _is_within(one: Interval, merged_intervals: Iterable[Interval]) -> bool:
    return any(start <= one[0] and one[1] <= end for start, end in merged_intervals)


def _interval(one: IdRange) -> Interval:
    return one.outside, one.outside + one.count


def _owners(ranges: Sequence[SubIds]) -> list[_Holder]:
    owned: dict[str, list[Interval]] = {}
    for one in ranges:
        owned.setdefault(one.owner, []).append((one.start, one.start + one.count))
    return [_Holder("range", owner, merged(intervals)) for owner, intervals in owned.items()]


def _accounts(accounts: Sequence[tuple[str, int]]) -> list[_Holder]:
    return [_Holder("account", name, ((number, number + 1),)) for name, number in accounts]


def _overlaps(holders: Sequence[_Holder]) -> int:
    """Pairs of holders that have an id in common and should not have; of very many, no more are looked for."""
    pieces = sorted((start, end, index) for index, one in enumerate(holders) for start, end in one.intervals)
    open_pieces: list[tuple[int, int]] = []
    pairs: set[tuple[int, int]] = set()
    for start, end, index in pieces:
        open_pieces = [piece for piece in open_pieces if piece[0] > start]
        for _, other in open_pieces:
            if other != index and not _may_share(holders[index], holders[other]):
                pairs.add((min(index, other), max(index, other)))
        if len(pairs) >= _OVERLAPS_MAX:
            return _OVERLAPS_MAX
        open_pieces.append((end, index))
    return len(pairs)


def _may_share(one: _Holder, other: _Holder) -> bool:
    kinds = {one.kind, other.kind}
    if kinds == {"container"}:
        return not one.namespaces.isdisjoint(other.namespaces)
    if kinds == {"account"}:
        return True
    if kinds == {"range", "container"}:
        return (one if one.kind == "range" else other).name == SUBID_OWNER_OF_CONTAINERS
    return kinds == {"range", "account"} and one.name == other.name
