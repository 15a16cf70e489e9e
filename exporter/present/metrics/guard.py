"""Which series fit on the page: a bound on their number, whatever is made on the host.

A container may have any number of mounts, networks and interfaces. Those are its details, and they go first: all that a
container has, where it has too many, and those of the largest containers where the page is full. Its state, counts,
limits and checks stay, so that nothing can hide behind thousands of mounts. Where these do not fit either, whole
containers and whole datasets are left out, the last come first, root's after the users'. The agent's own series always
stay.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from exporter.facts.container import user_in
from exporter.facts.owners import in_turn
from exporter.present.metrics.family import Family, Sample

Row: TypeAlias = tuple[Family, Sequence[Sample]]
Owner: TypeAlias = tuple[str, str]  # what it is, "container", "details" (of a container) or "dataset", and its name

OPEN_LABELS = frozenset({"dataset", "destination", "interface", "network"})
"""Labels that a container may have any number of values of."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many series a page may have."""

    max_series: int = 100_000
    max_series_per_container: int = 2_000  # some 120 is usual


def kind_of(family: Family) -> str:
    """Of what kind of owner its series are; "" for the host and the agent."""
    match family.labels:
        case ("container", *others):
            return "container" if OPEN_LABELS.isdisjoint(others) else "details"
        case ("dataset", *_):
            return "dataset"
        case _:
            return ""


def series_by_owner(rows: Sequence[Row]) -> Counter[Owner | None]:
    """How many series each owner has, in the order of the rows; None are those of the host and the agent."""
    counts: Counter[Owner | None] = Counter()
    for family, samples in rows:
        if kind := kind_of(family):
            counts.update((kind, sample.labels[0]) for sample in samples)
        else:
            counts[None] += len(samples)
    return counts


def turned_away(
    counts: Mapping[Owner | None, int], arrival: Mapping[Owner, int], mounted: frozenset[str], bounds: Bounds
) -> dict[Owner, str]:
    """The owners that do not fit, each with the reason.

    Containers go before details, the smallest before others, and these before datasets, those that containers mount
    before others. Containers and datasets go by `arrival`, root's containers before the users' in turn.
    """
    owners = [owner for owner in counts if owner is not None]
    details = [owner for owner in owners if owner[0] == "details"]
    reasons = {owner: "container_too_large" for owner in details if _is_too_large(owner, counts, bounds)}
    room = bounds.max_series - counts.get(None, 0)
    if sum(counts[owner] for owner in owners if owner not in reasons) <= room:
        return reasons
    by_arrival = sorted((owner for owner in owners if owner[0] != "details"), key=lambda owner: arrival[owner])
    containers = (owner for owner in by_arrival if owner[0] == "container")
    ordered, _ = in_turn(containers, lambda owner: user_in(owner[1]), sys.maxsize)
    room = _admit(ordered, "too_many_containers", room, counts, reasons)
    reasons |= {owner: "too_many_containers" for owner in details if ("container", owner[1]) in reasons}
    smallest_first = sorted((owner for owner in details if owner not in reasons), key=lambda one: (counts[one], one))
    for owner in smallest_first:
        if counts[owner] > room:
            reasons[owner] = "too_many_details"
        else:
            room -= counts[owner]
    datasets = (owner for owner in by_arrival if owner[0] == "dataset")
    mounted_first = sorted(datasets, key=lambda owner: owner[1] not in mounted)
    _admit(mounted_first, "too_many_datasets", room, counts, reasons)
    return reasons


def _is_too_large(owner: Owner, counts: Mapping[Owner | None, int], bounds: Bounds) -> bool:
    return counts[owner] + counts.get(("container", owner[1]), 0) > bounds.max_series_per_container


def _admit(
    owners: Iterable[Owner], reason: str, room: int, counts: Mapping[Owner | None, int], reasons: dict[Owner, str]
) -> int:
    """The room that is left when as many as fit were let in; the others are in `reasons`."""
    for owner in owners:
        if counts[owner] > room:
            reasons[owner] = reason
            room = 0  # nobody who came later slips in
        else:
            room -= counts[owner]
    return room
