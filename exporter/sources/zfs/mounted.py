"""The datasets that containers mount, on a quick clock: few properties of few datasets.

Through pyzfs where it is installed and allowed, else `zfs list -Hp NAME...`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import KSTAT_DIRECTORY, is_dataset_name, pool_of, read_pool_states
from exporter.sources.zfs.listing import QUICK_FIELDS, bounded, dataset_columns, parse_datasets
from exporter.sources.zfs.program import ChannelProgram, load_pyzfs
from exporter.sources.zfs.storage import refused, suspended

_PROGRAM_BATCH = 20  # a program stalls its pool's sync while it runs: here a tenth of a second
_LIST_BATCH = 200  # a list does not; 200 names fit on a command line


class MountedDatasetSource:
    """The figures of the named datasets that move while containers write; the rest is ZfsSource's.

    `names` is asked at each read. `budget_seconds` bounds how long a read goes on to start
    batches: what it does not reach keeps its last figures and comes first the next time.
    `deadline_seconds` is for each batch. `problems` says what the last read could not get, and
    `way` how it read.
    """

    def __init__(
        self,
        names: Callable[[], frozenset[str]],
        kstat: Path = KSTAT_DIRECTORY,
        *,
        commands: Commands | None = None,
        load_library: Callable[[], Any] = load_pyzfs,
        budget_seconds: float = 2,
        deadline_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = names
        self._kstat = kstat
        self._commands = commands or Commands()
        self._budget_seconds = budget_seconds
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._load_library = load_library
        self._asked_at: dict[str, float] = {}
        self._known: dict[str, Dataset] = {}
        self.problems: tuple[str, ...] = ()
        self.way = "pyzfs"

    def read(self) -> tuple[Dataset, ...]:
        """Those of the named datasets that exist, by name.

        A pool that cannot be asked loses its own datasets only. Raises NotHere: no zfs module.
        Raises Unreadable: none of the datasets could be read.
        """
        self.problems = ()
        states = read_pool_states(self._kstat)
        wanted = {name for name in self._names() if is_dataset_name(name) and pool_of(name) in states}
        self._forget_all_but(wanted)
        failures = {pool: suspended(pool) for pool, state in states.items() if state == "suspended"}
        unparsed: list[str] = []
        ends_at = self._clock() + self._budget_seconds
        for pool, batch in batches(self._asked_at, wanted, _PROGRAM_BATCH if self._program else _LIST_BATCH):
            if self._clock() >= ends_at:
                break
            found: tuple[Dataset, ...] = ()
            if pool not in failures:
                try:
                    found, problems = self._read_batch(pool, batch)
                    unparsed += problems
                except Unreadable as error:
                    failures[pool] = str(error)
            now = self._clock()
            for name in batch:
                self._asked_at[name] = now
                self._known.pop(name, None)
            self._known.update((dataset.name, dataset) for dataset in found)
        pools = {pool_of(name) for name in wanted}
        reasons = [why for pool, why in failures.items() if pool in pools] + unparsed
        if reasons and not self._known:
            raise Unreadable(reasons[0])
        self.problems = bounded(reasons)
        return tuple(self._known[name] for name in sorted(self._known))

    @cached_property
    def _program(self) -> ChannelProgram | None:
        # Loaded at the first read, on the reader's thread: cffi takes its time, and many hosts have no ZFS.
        try:
            return ChannelProgram(self._load_library())
        except Unreadable as error:
            self.way = f"zfs list ({error})"
            return None

    def _forget_all_but(self, wanted: set[str]) -> None:
        for name in self._asked_at.keys() - wanted:
            del self._asked_at[name]
            self._known.pop(name, None)

    def _read_batch(self, pool: str, names: Sequence[str]) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
        if self._program is not None:
            try:
                datasets = self._program.read(pool, names, self._deadline_seconds)
            except Unreadable as error:
                if self._program.hangs(pool):  # a command would hang as well
                    raise
                self.way = f"zfs list ({error})"
            else:
                self.way = "pyzfs"
                return datasets, ()
        return self._list(pool, names)

    def _list(self, pool: str, names: Sequence[str]) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
        columns = dataset_columns(QUICK_FIELDS)
        answer = self._commands.run(
            pool,
            ("zfs", "list", "-Hp", "-o", columns, "-t", "filesystem,volume", *names),
            self._deadline_seconds,
        )
        datasets, problems = parse_datasets(answer.output, QUICK_FIELDS)
        # A dataset that is gone makes the command fail, and is no problem: the others are printed all the same.
        if answer.complaint and "dataset does not exist" not in answer.complaint:
            problems = (refused("zfs list", pool, answer.complaint), *problems)
        return datasets, problems


def batches(asked_at: Mapping[str, float], names: set[str], size: int) -> list[tuple[str, tuple[str, ...]]]:
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
