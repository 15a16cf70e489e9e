"""Reads a few datasets with a channel program: Lua that the kernel runs, through OpenZFS's pyzfs.

https://openzfs.github.io/openzfs-docs/man/master/8/zfs-program.8.html. It needs root, and it
holds the pool's configuration lock for its whole run, one dataset hold a property: the caller
keeps batches small. The lock also means that what `zfs.exists` said stays true until the end, so
a vanished dataset is left out instead of ending the program, which has no pcall.

pyzfs speaks bytes: {b"tank/web": {b"type": b"filesystem", b"used": 25600, b"quota": 0}, ...}.
A property that does not apply (the quota of a volume) is not in the reply.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from exporter.facts.reading import Unreadable
from exporter.facts.storage import Dataset
from exporter.sources.deadline import begin, ended_within
from exporter.sources.zfs.command import first_line
from exporter.sources.zfs.listing import QUICK_FIELDS, dataset_of

PROGRAM = b"""
local argv = (...).argv
local out = {}
for i = 1, #argv.names do
  local name = argv.names[i]
  if zfs.exists(name) then
    local figures = {}
    for j = 1, #argv.properties do
      local value = zfs.get_prop(name, argv.properties[j])
      if value ~= nil then figures[argv.properties[j]] = value end
    end
    out[name] = figures
  end
end
return out
"""
_PROPERTIES = [b"type", *(wanted.encode() for wanted in QUICK_FIELDS), b"mountpoint"]
# 20 names of 7 properties take a few thousand instructions and some 50 KB.
_INSTRUCTION_LIMIT = 1_000_000
_MEMORY_LIMIT_BYTES = 4 << 20


def load_pyzfs() -> Any:
    """OpenZFS's pyzfs (module libzfs_core). Raises Unreadable: not installed, or not the one that can do this."""
    try:
        library = importlib.import_module("libzfs_core")
    except (ImportError, OSError) as error:
        raise Unreadable("pyzfs is not installed: install python3-pyzfs of the distribution") from error
    if not hasattr(library, "lzc_channel_program_nosync"):
        raise Unreadable(
            "The installed pyzfs is PyPI's 0.2.3 of 2015, which cannot read properties and hides the right one: "
            "`pip uninstall pyzfs`, then install python3-pyzfs of the distribution"
        )
    return library


class ChannelProgram:
    """Runs the program. A call that never returns is left behind, and its pool is not asked while it lasts."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._hung: dict[str, Future[object]] = {}

    def hangs(self, pool: str) -> bool:
        """Whether an earlier call to this pool has not come back."""
        return pool in self._hung and not self._hung[pool].done()

    def read(self, pool: str, names: Sequence[str], deadline_seconds: float) -> tuple[Dataset, ...]:
        """Those of the datasets that exist. Raises Unreadable: refused, aborted or too slow (then `hangs`)."""
        if self.hangs(pool):
            raise Unreadable(
                f"Pool {pool}: a channel program of an earlier read has not come back; "
                "no other is started until it does: see `dmesg` for what its devices do"
            )
        answer = begin(lambda: self._run(pool, names), "zfs-program")
        if not ended_within(answer, deadline_seconds):
            self._hung[pool] = answer
            raise Unreadable(
                f"Pool {pool}: a channel program did not end within {deadline_seconds:g} s: "
                "see `dmesg` for what its devices do"
            )
        error = answer.exception()
        if error is not None:
            raise Unreadable(f"Pool {pool}: the channel program failed: {_complaint(error)}") from error
        return parse_reply(answer.result())

    def _run(self, pool: str, names: Sequence[str]) -> object:
        return self._library.lzc_channel_program_nosync(
            pool.encode(),
            PROGRAM,
            _INSTRUCTION_LIMIT,
            _MEMORY_LIMIT_BYTES,
            {b"names": [name.encode() for name in names], b"properties": _PROPERTIES},
        )


def parse_reply(reply: object) -> tuple[Dataset, ...]:
    """The datasets in what the program returned, by name. Raises Unreadable: it makes no sense."""
    if not isinstance(reply, Mapping):
        raise Unreadable("The channel program returned no table: this pyzfs is not known to Bulkhead, please report it")
    datasets = []
    for name, found in reply.items():
        try:
            datasets.append(_dataset(name, found))
        except (ValueError, AttributeError, TypeError) as error:
            raise Unreadable(f"The channel program's reply on {name!r:.80} makes no sense: {error}") from error
    return tuple(sorted(datasets, key=lambda dataset: dataset.name))


def _dataset(name: bytes, found: Mapping[bytes, Any]) -> Dataset:
    figures = {wanted: found.get(wanted.encode()) for wanted in QUICK_FIELDS}
    for wanted, figure in figures.items():
        if figure is not None and (not isinstance(figure, int) or figure < 0):
            raise ValueError(f"{wanted} is no number")
    return dataset_of(
        name.decode("utf-8", "replace"),
        found.get(b"type", b"").decode("utf-8", "replace"),
        found.get(b"mountpoint", b"none").decode("utf-8", "replace"),
        figures,
        QUICK_FIELDS,
    )


def _complaint(error: BaseException) -> str:
    # The Lua message of a ZCPRuntimeError is in .details alone.
    details = getattr(error, "details", None)
    text = details.decode("utf-8", "replace") if isinstance(details, bytes) else str(error)
    return first_line(text) or type(error).__name__
