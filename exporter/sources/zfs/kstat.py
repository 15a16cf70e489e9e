"""What the zfs module says without a pool's help: /proc/spl/kstat/zfs/POOL/{state,objset-0x*}.

Readable by everyone, and answers while the pool hangs. `state` is one word (OpenZFS 0.8):

    ONLINE

An objset file belongs to one mounted filesystem or open volume; counters since then:

    132 1 0x01 27 7600 87171425845 409150828064
    name                            type data
    dataset_name                    7    tank/containers/web
    writes                          4    12
    nwritten                        4    4096
    reads                           4    3
    nread                           4    1536
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from exporter.facts.reading import NotHere, Unreadable
from exporter.facts.storage import DatasetIo

KSTAT_DIRECTORY = Path("/proc/spl/kstat/zfs")
MAX_POOLS = 64
MAX_OBJSETS = 10_000  # some 50 microseconds each
_MAX_FILE_BYTES = 16_384
_MAX_DIGITS = 20  # of 2**64
_COLUMNS = 3
_FIELDS = {"writes": "writes", "nwritten": "written_bytes", "reads": "reads", "nread": "read_bytes"}
# zfs_namecheck.c: a pool begins with a letter, so no name can be taken for an option. No snapshots.
_DATASET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.: -]*(?:/[A-Za-z0-9_.: -]+)*", re.ASCII)
_MAX_NAME_CHARACTERS = 255


def is_dataset_name(name: str) -> bool:
    """Whether ZFS would accept this as the name of a filesystem or volume."""
    return len(name) <= _MAX_NAME_CHARACTERS and _DATASET_NAME.fullmatch(name) is not None


def pool_of(dataset: str) -> str:
    """The pool that a dataset is in."""
    return dataset.split("/", 1)[0]


def read_pool_states(kstat: Path) -> dict[str, str]:
    """Every imported pool and its state in lower case, "" where the module does not tell it.

    Raises NotHere: the zfs module is not loaded.
    """
    try:
        names = sorted(entry.name for entry in kstat.iterdir() if entry.is_dir())
    except FileNotFoundError as error:
        raise NotHere("ZFS is not on this host (no zfs module loaded)") from error
    except OSError as error:
        raise Unreadable(f"{kstat} cannot be read: {error.strerror}: allow this process to read /proc") from error
    pools = [name for name in names if is_dataset_name(name) and "/" not in name]
    return {name: parse_pool_state(_content(kstat / name / "state")) for name in pools[:MAX_POOLS]}


def parse_pool_state(raw: bytes) -> str:
    """The word in a `state` file, in lower case; "" when there is none."""
    word = raw.strip().lower()
    return word.decode("ascii") if word.isalpha() and word.isascii() else ""


def read_dataset_io(kstat: Path, pool: str) -> tuple[DatasetIo, ...]:
    """The counters of every mounted dataset of a pool, at most MAX_OBJSETS; those that vanish are left out."""
    counters: dict[str, DatasetIo] = {}
    for path in _objsets(kstat / pool):
        found = parse_objset(_content(path))
        if found is not None:
            counters[found.name] = found
    return tuple(counters[name] for name in sorted(counters))


def parse_objset(raw: bytes) -> DatasetIo | None:
    """The counters in one objset file; None when it names no dataset or lacks a counter."""
    name = ""
    figures: dict[str, int] = {}
    for line in raw.decode("utf-8", "replace").split("\n"):
        columns = line.split(None, _COLUMNS - 1)
        if len(columns) != _COLUMNS:
            continue
        key, _, data = columns
        if key == "dataset_name":
            name = data
        elif key in _FIELDS and data.isascii() and data.isdigit() and len(data) <= _MAX_DIGITS:
            figures[_FIELDS[key]] = int(data)
    if not is_dataset_name(name) or len(figures) != len(_FIELDS):
        return None
    return DatasetIo(name=name, **figures)


def _objsets(pool: Path) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in pool.iterdir() if entry.name.startswith("objset-"))
    except OSError:  # exported since it was listed
        return
    for name in names[:MAX_OBJSETS]:
        yield pool / name


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE_BYTES)
    except OSError:  # unmounted or exported since it was listed
        return b""
