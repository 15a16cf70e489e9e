"""`zfs list` of names: all that a pool has, or the figures of some of them."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import is_dataset_name
from exporter.sources.zfs.listing import dataset_columns, parse_datasets

LIST_BATCH = 200  # 200 names fit on a command line, and are held in memory at a time
_TYPES = ("-t", "filesystem,volume")


def list_names(commands: Commands, pool: str, deadline_seconds: float) -> frozenset[str]:
    """Every filesystem and volume of a pool. Raises Unreadable."""
    answer = commands.run(
        pool, ("zfs", "list", "-H", "-o", "name", "-s", "name", *_TYPES, "-r", pool), deadline_seconds
    )
    names = frozenset(line for line in answer.output.decode("utf-8", "replace").split("\n") if is_dataset_name(line))
    if not names:
        raise Unreadable(refused("zfs list", pool, answer.complaint or "nothing"))
    return names


def list_figures(
    commands: Commands, pool: str, names: Sequence[str], fields: dict[str, str], deadline_seconds: float
) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
    """Those of the named datasets that exist, and what could not be read of them. Raises Unreadable."""
    answer = commands.run(
        pool, ("zfs", "list", "-Hp", "-o", dataset_columns(fields), *_TYPES, *names), deadline_seconds
    )
    datasets, problems = parse_datasets(answer.output, fields)
    # A dataset that is gone makes the command fail, and is no problem: the others are printed all the same.
    if answer.complaint and "dataset does not exist" not in answer.complaint:
        problems = (refused("zfs list", pool, answer.complaint), *problems)
    return datasets, problems


def suspended(pool: str) -> str:
    """Why a suspended pool's datasets are not read."""
    return f"Pool {pool} is suspended and its datasets are not read: mend its devices, then `zpool clear {pool}`"


def refused(command: str, pool: str, complaint: str) -> str:
    """What a command said when it failed, and what to do."""
    denied = "ermission" in complaint or "/dev/zfs" in complaint
    remedy = "run as root, and allow /dev/zfs in the unit" if denied else f"see `zpool status {pool}`"
    return f"Pool {pool}: `{command}` says: {complaint}: {remedy}"
