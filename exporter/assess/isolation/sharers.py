"""Containers that share what each should have alone: ids, and the pair of categories of its SELinux label.

All containers of a report are compared at once, in the time of a sort. A pod's members share both on purpose; a
container without a user namespace of its own has no ids of its own to share.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.facts.container import ALL_IDS, Container, IdRange
from exporter.facts.host import SUBID_OWNER_OF_CONTAINERS, Host, SubIds
from exporter.facts.process import Process
from exporter.facts.selinux import UNCHOSEN, parse_context

_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class Claim:
    """What one container has."""

    name: str
    user: str
    pod: str
    uids: frozenset[IdRange] = frozenset()
    gids: frozenset[IdRange] = frozenset()
    categories: frozenset[frozenset[int]] = frozenset()  # each set of one label in it

    @property
    def group(self) -> str:
        """Claims of the same group share on purpose."""
        return f"{self.user}/pod {self.pod}" if self.pod else self.name


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int  # the first id after it
    group: str
    name: str


def claim_in_force(name: str, user: str, pod: str, processes: Iterable[Process]) -> Claim:
    """What the processes of a container have together."""
    all_processes = tuple(processes)
    return Claim(
        name,
        user,
        pod,
        frozenset(line for one in all_processes for line in own_ids(one.uid_map)),
        frozenset(line for one in all_processes for line in own_ids(one.gid_map)),
        frozenset(found for one in all_processes if (found := _chosen(one.security_label))),
    )


def claim_declared(name: str, container: Container) -> Claim:
    """What podman was asked for."""
    walls = container.security
    categories = _chosen(walls.selinux_process_label)
    return Claim(
        name,
        container.user,
        container.pod,
        frozenset(own_ids(walls.uid_map)),
        frozenset(own_ids(walls.gid_map)),
        frozenset({categories} if categories else ()),
    )


def own_ids(id_map: Iterable[IdRange]) -> tuple[IdRange, ...]:
    """The lines of a map that are not the host's own, where every id is itself."""
    return tuple(line for line in id_map if not (line.inside == line.outside == 0 and line.count >= ALL_IDS))


def _chosen(label: str | None) -> frozenset[int]:
    """The categories of a label that confines; none while podman has not chosen the pair yet."""
    return (parse_context(label or "").categories or frozenset()) - {UNCHOSEN}


def sharers_of_labels(claims: Iterable[Claim]) -> Mapping[str, tuple[str, ...]]:
    """By container: examples of others with the same categories, with some of them alone, or with them and more."""
    all_claims = tuple(claims)
    holders: defaultdict[frozenset[int], dict[str, str]] = defaultdict(dict)
    for claim in all_claims:
        for categories in claim.categories:
            if len(holders[categories]) <= _EXAMPLES:
                holders[categories].setdefault(claim.group, claim.name)
    related = _related(holders)
    found: dict[str, tuple[str, ...]] = {}
    for claim in all_claims:
        others = {
            name
            for own in claim.categories
            for categories in (own, *related.get(own, ()))
            for group, name in holders[categories].items()
            if group != claim.group
        }
        if others:
            found[claim.name] = tuple(sorted(others))[:_EXAMPLES]
    return found


def _related(sets: Iterable[frozenset[int]]) -> Mapping[frozenset[int], list[frozenset[int]]]:
    """For each set its subsets and supersets. As a rule all sets are pairs, and there are none."""
    found: defaultdict[frozenset[int], list[frozenset[int]]] = defaultdict(list)
    ordered = sorted(sets, key=len)
    pairs = [one for one in ordered if len(one) == len(ordered[0])]
    larger = ordered[len(pairs) :]
    for index, outer in enumerate(larger):
        for inner in (*pairs, *larger[:index]):
            if inner < outer:
                found[outer].append(inner)
                found[inner].append(outer)
    return found


def sharers_of_ids(claims: Iterable[Claim], host: Host | None) -> Mapping[str, tuple[str, ...]]:
    """By container: examples of others, of accounts, groups and owners of subordinate ids that have ids of its own."""
    all_claims = tuple(claims)
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    _meet(_spans((claim, claim.uids) for claim in all_claims), found)
    _meet(_spans((claim, claim.gids) for claim in all_claims), found)
    if host is not None:
        accounts = sorted((uid, f"account {name}") for name, uid in host.account_uids)
        groups = sorted((gid, f"group {name}") for name, gid in host.group_gids)
        subuids, subgids = _Owners(host.subuids), _Owners(host.subgids)
        for claim in all_claims:
            own = claim.user or SUBID_OWNER_OF_CONTAINERS
            others = [
                *(_known_within(line, accounts) for line in claim.uids),
                *(_known_within(line, groups) for line in claim.gids),
                *(subuids.other_than(own, line) for line in claim.uids),
                *(subgids.other_than(own, line) for line in claim.gids),
            ]
            if any(others):
                found[claim.name] |= dict.fromkeys(other for other in others if other)
    return {name: tuple(others)[:_EXAMPLES] for name, others in found.items()}


def _spans(lines: Iterable[tuple[Claim, frozenset[IdRange]]]) -> list[_Span]:
    spans = [
        _Span(line.outside, line.outside + line.count, claim.group, claim.name)
        for claim, id_map in lines
        for line in id_map
    ]
    return sorted(spans, key=lambda span: (span.start, span.end, span.name))


def _meet(spans: Sequence[_Span], found: defaultdict[str, dict[str, None]]) -> None:
    """Note for each span one of another group that overlaps it, if there is any."""
    for span, other in (*_with_an_earlier(spans), *_with_a_later(spans)):
        found[span.name][other.name] = None


def _with_an_earlier(spans: Sequence[_Span]) -> Iterator[tuple[_Span, _Span]]:
    """Each span with a span of another group that begins before it: the one that reaches furthest decides."""
    best: _Span | None = None
    second: _Span | None = None  # the best of another group than the best
    for span in spans:
        other = second if best is not None and best.group == span.group else best
        if other is not None and other.end > span.start:
            yield span, other
        if best is None or span.end > best.end:
            second = best if best is not None and best.group != span.group else second
            best = span
        elif span.group != best.group and (second is None or span.end > second.end):
            second = span


def _with_a_later(spans: Sequence[_Span]) -> Iterator[tuple[_Span, _Span]]:
    """Each span with a span of another group that begins after it: the next one decides."""
    following: _Span | None = None
    second: _Span | None = None  # the next one of another group than the next one
    for span in reversed(spans):
        other = second if following is not None and following.group == span.group else following
        if other is not None and other.start < span.end:
            yield span, other
        second = following if following is not None and following.group != span.group else second
        following = span


def _known_within(line: IdRange, known: Sequence[tuple[int, str]]) -> str:
    """An account or a group with an id of the line, "" if there is none."""
    index = bisect_left(known, (line.outside, ""))
    return known[index][1] if index < len(known) and known[index][0] < line.outside + line.count else ""


class _Owners:
    """The owners of subordinate ids: finds an owner, other than a given owner, of ids in a range."""

    def __init__(self, ranges: Iterable[SubIds]) -> None:
        ordered = sorted(ranges, key=lambda one: one.start)
        self._starts = [one.start for one in ordered]
        # For each number of ranges from the left: the one that reaches furthest, and that of another owner.
        self._reach: list[tuple[SubIds | None, SubIds | None]] = [(None, None)]
        for one in ordered:
            best, second = self._reach[-1]
            if best is None or _end(one) > _end(best):
                second = best if best is not None and best.owner != one.owner else second
                best = one
            elif one.owner != best.owner and (second is None or _end(one) > _end(second)):
                second = one
            self._reach.append((best, second))

    def other_than(self, owner: str, line: IdRange) -> str:
        """Another owner of ids of `line`, "" if there is none."""
        best, second = self._reach[bisect_left(self._starts, line.outside + line.count)]
        other = second if best is not None and best.owner == owner else best
        return f"{other.owner}'s subordinate ids" if other is not None and _end(other) > line.outside else ""


def _end(ids: SubIds) -> int:
    return ids.start + ids.count
