"""All of ZFS, on a slow clock: `zfs list` and `zpool list` of each pool, beside the kernel's own statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset, Pool, Storage
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import KSTAT_DIRECTORY, read_dataset_io, read_pool_states
from exporter.sources.zfs.listing import (
    ALL_FIELDS,
    bounded,
    dataset_columns,
    parse_datasets,
    parse_pools,
    pool_columns,
)

# Of a pool in any other state no answer is expected, so its silence is no failure of this source.
_WELL = frozenset({"online", "degraded", ""})


class ZfsSource:
    """Every dataset, pool and I/O counter. `problems` says what the last read could not get.

    `deadline_seconds` is for each command: two a pool.
    """

    def __init__(
        self,
        kstat: Path = KSTAT_DIRECTORY,
        *,
        commands: Commands | None = None,
        deadline_seconds: float = 30,
    ) -> None:
        self._kstat = kstat
        self._commands = commands or Commands()
        self._deadline_seconds = deadline_seconds
        self.problems: tuple[str, ...] = ()

    def read(self) -> Storage:
        """What could be read of each pool.

        A pool that cannot be asked keeps its state and I/O (the kernel's statistics) and has no
        datasets. Raises NotHere: no zfs module. Raises Unreadable: every pool says it is well, and
        none of them gave its datasets.
        """
        self.problems = ()
        states = read_pool_states(self._kstat)
        pools: list[Pool] = []
        datasets: list[Dataset] = []
        problems: list[str] = []
        for name, state in states.items():
            pool, listed, why = self._read_pool(name, state)
            pools.append(pool)
            datasets += listed
            problems += why
        if problems and not datasets and _WELL.issuperset(states.values()):
            raise Unreadable(problems[0])
        self.problems = bounded(problems)
        return Storage(
            datasets=tuple(datasets),
            pools=tuple(pools),
            io=tuple(io for name in states for io in read_dataset_io(self._kstat, name)),
        )

    def _read_pool(self, name: str, state: str) -> tuple[Pool, tuple[Dataset, ...], list[str]]:
        pool = Pool(name, state)
        if state == "suspended":
            return pool, (), [suspended(name)]
        problems: list[str] = []
        try:
            answer = self._commands.run(
                name, ("zpool", "list", "-Hp", "-o", pool_columns(), name), self._deadline_seconds
            )
            found, unparsed = parse_pools(answer.output)
            problems += [refused("zpool list", name, answer.complaint)] if answer.complaint else unparsed
            pool = next((_with_state(listed, state) for listed in found if listed.name == name), pool)

            answer = self._commands.run(
                name,
                ("zfs", "list", "-Hp", "-o", dataset_columns(ALL_FIELDS), "-t", "filesystem,volume", "-r", name),
                self._deadline_seconds,
            )
        except Unreadable as error:
            return pool, (), [*problems, str(error)]
        datasets, unparsed = parse_datasets(answer.output, ALL_FIELDS)
        problems += [refused("zfs list", name, answer.complaint)] if answer.complaint else unparsed
        return pool, datasets, problems


def suspended(pool: str) -> str:
    """Why a suspended pool's datasets are not read."""
    return f"Pool {pool} is suspended and its datasets are not read: mend its devices, then `zpool clear {pool}`"


def refused(command: str, pool: str, complaint: str) -> str:
    """What a command said when it failed, and what to do."""
    denied = "ermission" in complaint or "/dev/zfs" in complaint
    remedy = "run as root, and allow /dev/zfs in the unit" if denied else f"see `zpool status {pool}`"
    return f"Pool {pool}: `{command}` says: {complaint}: {remedy}"


def _with_state(pool: Pool, state: str) -> Pool:
    # The kernel's word is newer, and knows `suspended`.
    return replace(pool, state=state) if state else pool
