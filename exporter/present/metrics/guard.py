"""Which series fit on the page: a bound on their number, whatever is made on the host.

Whole containers and whole datasets are left out, the last come first, never a part of one: a
container that is shown is shown in full. The agent's own series always stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from exporter.facts.container import user_in
from exporter.present.metrics.family import Family, Sample

Row: TypeAlias = tuple[Family, Sequence[Sample]]
Owner: TypeAlias = tuple[str, str]  # ("container", its name) or ("dataset", its name)

_REASONS = {"container": "too_many_containers", "dataset": "too_many_datasets"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many series a page may have."""

    max_series: int = 100_000
    max_series_per_container: int = 2_000  # some 120 is usual


def owner_of(family: Family, sample: Sample) -> Owner | None:
    """Whose series it is; None for the host's and the agent's."""
    if family.labels and family.labels[0] in _REASONS:
        return family.labels[0], sample.labels[0]
    return None


def series_by_owner(rows: Sequence[Row]) -> Counter[Owner | None]:
    """How many series each owner has, in the order of the rows."""
    return Counter(owner_of(family, sample) for family, samples in rows for sample in samples)


def turned_away(
    counts: Mapping[Owner | None, int], arrival: Mapping[Owner, int], mounted: frozenset[str], bounds: Bounds
) -> dict[Owner, str]:
    """The owners that do not fit, each with the reason.

    Containers go before datasets, root's before users', datasets that containers mount before others, then by
    `arrival`.
    """

    def turn(owner: Owner) -> tuple[bool, bool, bool, int]:
        kind, name = owner
        is_container = kind == "container"
        return not is_container, is_container and user_in(name) != "", name not in mounted, arrival[owner]

    reasons: dict[Owner, str] = {}
    left = bounds.max_series - counts.get(None, 0)
    owners = [owner for owner in counts if owner is not None]
    for owner in sorted(owners, key=turn):
        count = counts[owner]
        if owner[0] == "container" and count > bounds.max_series_per_container:
            reasons[owner] = "container_too_large"
        elif count > left:
            reasons[owner] = _REASONS[owner[0]]
            left = 0  # nobody who came later slips in
        else:
            left -= count
    return reasons
