"""The slices of containers that are not alive now: they outlive their containers, and so do their counts.

https://docs.kernel.org/admin-guide/cgroup-v2.html: memory.events is hierarchical and keeps what its gone
descendants met with. `services-web.slice` lies at `services.slice/services-web.slice` (systemd.slice(5)).

    oom 3
    oom_kill 3
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from exporter.facts.cgroup import CgroupLevel, Level
from exporter.facts.reading import SourceError
from exporter.sources.cgroup.parse import parse_memory_events

_NAME = re.compile(r"[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*\.slice")


class SliceSource:
    """Reads memory.events of slices by name; a slice that systemd has ended is left out."""

    def __init__(self, root: Path, names: Callable[[], frozenset[str]]) -> None:
        self._root = root
        self._names = names

    def read(self) -> tuple[CgroupLevel, ...]:
        """The slices that exist, by name, with their memory events alone. Never raises: who is gone is not here."""
        return tuple(level for name in sorted(self._names()) if (level := self._level(name)) is not None)

    def _level(self, name: str) -> CgroupLevel | None:
        path = path_of_slice(name)
        if not path:
            return None
        directory = self._root / path.removeprefix("/")
        try:
            events = parse_memory_events((directory / "memory.events").read_bytes())
            return CgroupLevel(path, directory.stat().st_ino, Level.SLICE, memory_events=events)
        except (OSError, SourceError):
            return None


def path_of_slice(name: str) -> str:
    """Where a slice lies below the cgroup mount; "" for what is no slice's name, and for the root slice."""
    if not _NAME.fullmatch(name):
        return ""
    words = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(words[:depth])}.slice" for depth in range(1, len(words) + 1))
