"""What `zfs list -Hp` and `zpool list -Hp` print: a line a dataset, columns between tabs.

    tank/web	filesystem	25600	67083264	25600	67108864	0	/data/web
    tank	ONLINE	2013265920	1204736	2012061184	0

Names may hold spaces, never tabs. The mount point may hold anything, so it is the last column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

from exporter.facts.storage import Dataset, Pool

Fact = TypeVar("Fact", Dataset, Pool)
Figures: TypeAlias = dict[str, int | None]

# Property -> field. The figures that move while a container writes; all that the quick clock reads.
QUICK_FIELDS = {
    "used": "used_bytes",
    "available": "available_bytes",
    "referenced": "referenced_bytes",
    "quota": "quota_bytes",
    "refquota": "refquota_bytes",
}
ALL_FIELDS = QUICK_FIELDS | {
    "usedbysnapshots": "used_by_snapshots_bytes",
    "usedbydataset": "used_by_dataset_bytes",
    "usedbychildren": "used_by_children_bytes",
    "logicalused": "logical_used_bytes",
    "written": "written_bytes",
    "reservation": "reservation_bytes",
    "refreservation": "refreservation_bytes",
}
_REQUIRED = frozenset({"used", "available", "referenced"})
_LIMITS = frozenset({"quota", "refquota", "reservation", "refreservation"})
_KINDS = ("filesystem", "volume")
_POOL_COLUMNS = ("name", "health", "size", "allocated", "free", "fragmentation")
_MAX_MOUNTPOINT_CHARACTERS = 1024
_MAX_DIGITS = 20  # of 2**64
_MAX_PROBLEMS = 10


def dataset_columns(fields: dict[str, str]) -> str:
    """The value of `-o` for these properties."""
    return ",".join(("name", "type", *fields, "mountpoint"))


def pool_columns() -> str:
    """The value of `zpool list -o`."""
    return ",".join(_POOL_COLUMNS)


def parse_datasets(raw: bytes, fields: dict[str, str]) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
    """The datasets in `zfs list -Hp -o dataset_columns(fields)`, and what could not be read of it.

    A line that makes no sense is a problem and loses no other.
    """
    return _parse_lines(raw, "zfs list", lambda line: _dataset(line, fields))


def parse_pools(raw: bytes) -> tuple[tuple[Pool, ...], tuple[str, ...]]:
    """The pools in `zpool list -Hp -o pool_columns()`, and what could not be read of it."""
    return _parse_lines(raw, "zpool list", _pool)


def dataset_of(name: str, kind: str, mountpoint: str, figures: Figures, fields: dict[str, str]) -> Dataset:
    """One dataset from its properties; a limit of 0 is none. Raises ValueError: a figure that must be there is not."""
    if kind not in _KINDS:
        raise ValueError("is no filesystem or volume")
    missing = [wanted for wanted in fields if wanted in _REQUIRED and figures.get(wanted) is None]
    if missing:
        raise ValueError(f"has no {missing[0]}")
    values = {
        field: (figures.get(wanted) or None) if wanted in _LIMITS else figures.get(wanted)
        for wanted, field in fields.items()
    }
    return Dataset(
        name=name,
        kind=kind,
        mountpoint="-" if kind == "volume" else mountpoint[:_MAX_MOUNTPOINT_CHARACTERS],
        **values,  # type: ignore[arg-type]  # the required ones were just seen not to be None
    )


def bounded(problems: Iterable[str]) -> tuple[str, ...]:
    """The first few problems, each once, and how many more there are."""
    listed = tuple(dict.fromkeys(problems))
    if len(listed) <= _MAX_PROBLEMS:
        return listed
    return (*listed[:_MAX_PROBLEMS], f"and {len(listed) - _MAX_PROBLEMS} more")


def _parse_lines(raw: bytes, command: str, parse: Callable[[bytes], Fact]) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    facts: dict[str, Fact] = {}
    problems = []
    for line in raw.split(b"\n"):
        if not line:
            continue
        try:
            fact = parse(line)
        except ValueError as error:
            problems.append(f"`{command}` printed a line that {error}: {line[:80]!r}")
        else:
            facts.setdefault(fact.name, fact)
    return tuple(facts.values()), bounded(problems)


def _dataset(line: bytes, fields: dict[str, str]) -> Dataset:
    columns = line.split(b"\t", len(fields) + 2)
    if len(columns) != len(fields) + 3:
        raise ValueError("has too few columns")
    name, kind, *figures, mountpoint = columns
    return dataset_of(
        _text(name),
        _text(kind),
        _text(mountpoint),
        dict(zip(fields, map(_figure, figures), strict=True)),
        fields,
    )


def _pool(line: bytes) -> Pool:
    columns = line.split(b"\t")
    if len(columns) != len(_POOL_COLUMNS):
        raise ValueError(f"has {len(columns)} columns, not {len(_POOL_COLUMNS)}")
    name, health, size, allocated, free, fragmentation = columns
    percent = _figure(fragmentation)
    return Pool(
        name=_text(name),
        state=_text(health).lower(),
        size_bytes=_figure(size),
        allocated_bytes=_figure(allocated),
        free_bytes=_figure(free),
        fragmentation_ratio=None if percent is None else percent / 100,
    )


def _figure(raw: bytes) -> int | None:
    if raw in (b"-", b"none"):
        return None
    if not raw.isdigit() or len(raw) > _MAX_DIGITS:
        raise ValueError("has a figure that is no number")
    return int(raw)


def _text(raw: bytes) -> str:
    if not raw:
        raise ValueError("has an empty column")
    return raw.decode("utf-8", "replace")
