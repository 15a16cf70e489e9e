"""Whose turn it is: datasets are read in batches, and what one read does not reach comes first in the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from exporter.facts.storage import Dataset
from exporter.sources.zfs.kstat import pool_of


class Rota:
    """When each dataset was last asked about, and what it said."""

    def __init__(self) -> None:
        self._asked_at: dict[str, float] = {}
        self._known: dict[str, Dataset] = {}

    def begin(self, names: AbstractSet[str], size: int) -> list[tuple[str, tuple[str, ...]]]:
        """Every name once, in the order and the batches to ask in. All others are forgotten."""
        for name in self._asked_at.keys() - names:
            del self._asked_at[name]
            self._known.pop(name, None)
        return batches(self._asked_at, names, size)

    def note(self, batch: Sequence[str], found: Iterable[Dataset], now_seconds: float) -> None:
        """Take an answer: what was asked for and is not in it has no figures any more."""
        for name in batch:
            self._asked_at[name] = now_seconds
            self._known.pop(name, None)
        self._known.update((dataset.name, dataset) for dataset in found)

    def known(self) -> tuple[Dataset, ...]:
        """What each dataset last said, by name."""
        return tuple(self._known[name] for name in sorted(self._known))


def batches(asked_at: Mapping[str, float], names: AbstractSet[str], size: int) -> list[tuple[str, tuple[str, ...]]]:
    """Every name once, in batches of one pool each, those asked the longest ago (or never) first."""
    never = float("-inf")
    by_pool: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: (asked_at.get(name, never), name)):
        by_pool.setdefault(pool_of(name), []).append(name)
    cut = [
        (pool, tuple(ordered[start : start + size]))
        for pool, ordered in by_pool.items()
        for start in range(0, len(ordered), size)
    ]
    return sorted(cut, key=lambda batch: asked_at.get(batch[1][0], never))
