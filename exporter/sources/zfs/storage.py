"""All of ZFS, on a slow clock: `zfs list`, `zpool list`, `zpool status` of each pool, and the kernel's statistics.

Looks again: for the module, its pools and the datasets that are mounted at each read (`zfs_seconds`), for all other
datasets when names are listed anew (`roll`). A pool that was suspended or hung is asked again when it is so no more.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset, Pool, Storage
from exporter.sources.deadline import begin
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import KSTAT_DIRECTORY, read_dataset_io, read_pool_states
from exporter.sources.zfs.listing import ALL_FIELDS, bounded, parse_pools, pool_columns
from exporter.sources.zfs.named import LIST_BATCH, list_figures, list_names, refused, suspended
from exporter.sources.zfs.roll import Roll
from exporter.sources.zfs.rota import Rota
from exporter.sources.zfs.status import parse_status

T = TypeVar("T")
# Of a pool in any other state no answer is expected, so its silence is no failure of this source.
_WELL = frozenset({"online", "degraded", ""})
_MOST_AT_ONCE = 8


class ZfsSource:
    """Every dataset, pool and I/O counter. `problems` says what the last read could not get.

    Pools are read side by side. `budget_seconds` bounds how long a read goes on to start commands
    on a pool: datasets that it does not reach keep their last figures and come first the next
    time. `deadline_seconds` is for each command, except for a list of names, which has
    `names_seconds` and is waited for half the budget. Where names take long they are listed less
    often; until then a new dataset is known when it is mounted. Datasets whose name matches a
    pattern of `leave_out` are not read, but for those in `keep`.
    """

    def __init__(
        self,
        kstat: Path = KSTAT_DIRECTORY,
        *,
        commands: Commands | None = None,
        leave_out: tuple[str, ...] = (),
        keep: Callable[[], frozenset[str]] = frozenset,
        budget_seconds: float = 40,
        deadline_seconds: float = 25,
        names_seconds: float = 900,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kstat = kstat
        self._commands = commands or Commands()
        self._leave_out = leave_out
        self._keep = keep
        self._budget_seconds = budget_seconds
        self._deadline_seconds = deadline_seconds
        self._names_seconds = names_seconds
        self._clock = clock
        self._rolls: dict[str, Roll] = {}
        self.problems: tuple[str, ...] = ()

    def read(self) -> Storage:
        """What could be read of each pool.

        A pool that cannot be asked keeps its state and I/O (the kernel's statistics) and has no
        datasets. Raises NotHere: no zfs module. Raises Unreadable: every pool says it is well, and
        none of them gave its datasets.
        """
        self.problems = ()
        states = read_pool_states(self._kstat)
        keep = self._keep()
        self._rolls = {name: self._rolls.get(name) or self._roll(name) for name in states}

        def is_wanted(name: str) -> bool:
            return name in keep or not any(fnmatchcase(name, pattern) for pattern in self._leave_out)

        io = {name: read_dataset_io(self._kstat, name) for name in states}

        def read_pool(name: str) -> tuple[Pool, tuple[Dataset, ...], list[str]]:
            mounted = frozenset(one.name for one in io[name])
            return self._read_pool(Pool(name, states[name]), mounted, is_wanted)

        pools: list[Pool] = []
        datasets: list[Dataset] = []
        problems: list[str] = []
        for pool, listed, why in _side_by_side(read_pool, tuple(states)):
            pools.append(pool)
            datasets += listed
            problems += why
        if problems and not datasets and _WELL.issuperset(states.values()):
            raise Unreadable(problems[0])
        self.problems = bounded(problems)
        counters = tuple(one for of_pool in io.values() for one in of_pool if is_wanted(one.name))
        return Storage(tuple(datasets), tuple(pools), counters)

    def _read_pool(
        self, pool: Pool, mounted: frozenset[str], is_wanted: Callable[[str], bool]
    ) -> tuple[Pool, tuple[Dataset, ...], list[str]]:
        problems: list[str] = []
        if pool.state == "suspended":
            problems.append(suspended(pool.name))
        else:
            ends_at = self._clock() + self._budget_seconds
            try:
                pool = self._figures_of_pool(pool, problems)
                roll = self._rolls[pool.name]
                missing = roll.call((ends_at - self._clock()) / 2)
                problems += [missing] if missing else []
                names = roll.names | mounted
                datasets = self._datasets(pool.name, frozenset(filter(is_wanted, names)), ends_at, problems)
            except Unreadable as error:
                problems.append(str(error))
            else:
                return pool, datasets, problems
        # What it said before it fell silent is no word on what it says when it speaks again.
        self._rolls[pool.name].rota = Rota()
        return pool, (), problems

    def _roll(self, pool: str) -> Roll:
        return Roll(pool, partial(list_names, self._commands, pool, self._names_seconds), self._clock)

    def _figures_of_pool(self, pool: Pool, problems: list[str]) -> Pool:
        answer = self._commands.run(
            pool.name, ("zpool", "list", "-Hp", "-o", pool_columns(), pool.name), self._deadline_seconds
        )
        found, unparsed = parse_pools(answer.output)
        problems += [refused("zpool list", pool.name, answer.complaint)] if answer.complaint else unparsed
        pool = next((_with_state(listed, pool.state) for listed in found if listed.name == pool.name), pool)

        answer = self._commands.run(pool.name, ("zpool", "status", "-p", pool.name), self._deadline_seconds)
        if answer.complaint:
            problems.append(refused("zpool status", pool.name, answer.complaint))
            return pool
        return replace(pool, status=parse_status(answer.output))

    def _datasets(self, pool: str, names: frozenset[str], ends_at: float, problems: list[str]) -> tuple[Dataset, ...]:
        rota = self._rolls[pool].rota
        unreached = 0
        for _, batch in rota.begin(names, LIST_BATCH):
            if self._clock() >= ends_at:
                unreached += len(batch)
                continue
            found, unparsed = list_figures(self._commands, pool, batch, ALL_FIELDS, self._deadline_seconds)
            problems += unparsed
            rota.note(batch, found, self._clock())
        if unreached:
            problems.append(
                f"Pool {pool}: {unreached} of {len(names)} datasets not reached within {self._budget_seconds:g} s; "
                "they keep their last figures and are the next time first: leave some out with [zfs] leave_out"
            )
        return rota.known()


def _side_by_side(work: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """The work's result for each name, some names at a time. Raises what the work raises."""
    waiting = deque(names)

    def work_on() -> dict[str, T]:
        results: dict[str, T] = {}
        while True:
            try:
                name = waiting.popleft()
            except IndexError:
                return results
            results[name] = work(name)

    answers = [begin(work_on, "zfs-pool") for _ in range(min(_MOST_AT_ONCE, len(names)))]
    results: dict[str, T] = {}
    for answer in answers:
        results |= answer.result()
    return [results[name] for name in names]


def _with_state(pool: Pool, state: str) -> Pool:
    # The kernel's word is newer, and knows `suspended`.
    return replace(pool, state=state) if state else pool
