"""The datasets that containers mount, on a quick clock: few properties of few datasets.

Through pyzfs where it is installed and allowed, else `zfs list -Hp NAME...`.

Looks again: for each named dataset at each read (`zfs_mounted_seconds`, and at once when a container mounts a dataset
that none mounted before), also when it was not there the last time; for a pyzfs that was missing every ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import KSTAT_DIRECTORY, is_dataset_name, pool_of, read_pool_states
from exporter.sources.zfs.listing import QUICK_FIELDS, bounded
from exporter.sources.zfs.named import LIST_BATCH, list_figures, suspended
from exporter.sources.zfs.program import ChannelProgram, load_pyzfs
from exporter.sources.zfs.rota import Rota

_PROGRAM_BATCH = 20  # a program stalls its pool's sync while it runs: here a tenth of a second; a list does not
_LOAD_AGAIN_SECONDS = 600  # a failed import searches the whole path


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
        self._rota = Rota()
        self._loaded: ChannelProgram | None = None
        self._load_failed_at: float | None = None
        self.problems: tuple[str, ...] = ()

    def read(self) -> tuple[Dataset, ...]:
        """Those of the named datasets that exist, by name.

        A pool that cannot be asked loses its own datasets only. Raises NotHere: no zfs module.
        Raises Unreadable: none of the datasets could be read, and no pool is suspended: of such a pool none stand.
        """
        self.problems = ()
        states = read_pool_states(self._kstat)
        wanted = {name for name in self._names() if is_dataset_name(name) and pool_of(name) in states}
        failures = {pool: suspended(pool) for pool, state in states.items() if state == "suspended"}
        unparsed: list[str] = []
        ends_at = self._clock() + self._budget_seconds
        for pool, batch in self._rota.begin(wanted, _PROGRAM_BATCH if self._program else LIST_BATCH):
            if pool not in failures and self._clock() >= ends_at:
                continue
            found: tuple[Dataset, ...] = ()
            if pool not in failures:
                try:
                    found, problems = self._read_batch(pool, batch)
                    unparsed += problems
                except Unreadable as error:
                    failures[pool] = str(error)
            self._rota.note(batch, found, self._clock())
        pools = {pool_of(name) for name in wanted}
        reasons = [why for pool, why in failures.items() if pool in pools] + unparsed
        known = self._rota.known()
        if reasons and not known and not any(states[pool] == "suspended" for pool in pools):
            raise Unreadable(reasons[0])
        self.problems = bounded(reasons)
        return known

    @property
    def _program(self) -> ChannelProgram | None:
        # Loaded at the first read, on the reader's thread: cffi takes its time, and many hosts have no ZFS.
        failed_at = self._load_failed_at
        if self._loaded is None and (failed_at is None or self._clock() - failed_at >= _LOAD_AGAIN_SECONDS):
            try:
                self._loaded = ChannelProgram(self._load_library())
            except Unreadable:
                self._load_failed_at = self._clock()
        return self._loaded

    def _read_batch(self, pool: str, names: Sequence[str]) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
        if self._program is not None:
            try:
                return self._program.read(pool, names, self._deadline_seconds), ()
            except Unreadable:
                if self._program.hangs(pool):  # a command would hang as well
                    raise
        return list_figures(self._commands, pool, names, QUICK_FIELDS, self._deadline_seconds)
