"""The slices of containers that are not alive now: they outlive their containers, and so do their counts.

https://docs.kernel.org/admin-guide/cgroup-v2.html: memory.events is hierarchical and keeps what its gone
descendants met with. `services-web.slice` lies at `services.slice/services-web.slice` (systemd.slice(5)).

    oom 3
    oom_kill 3

Looks again: for each slice and its file at each read, nothing is kept.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from exporter.facts.cgroup import CgroupLevel, Level, path_of_slice
from exporter.facts.reading import SourceError
from exporter.sources.cgroup.parse import parse_memory_events

# The slice was ended, or ends while it is read.
_GONE = frozenset({errno.ENOENT, errno.ENODEV})


class SliceSource:
    """Reads memory.events of slices by name; a slice that systemd has ended is left out."""

    def __init__(self, root: Path, names: Callable[[], frozenset[str]]) -> None:
        self._root = root
        self._names = names
        self.problems: tuple[str, ...] = ()
        """What the last read could not read, and why: a sentence each."""

    def read(self) -> tuple[CgroupLevel, ...]:
        """The slices that exist, by name, with their memory events alone. Never raises: see `problems`."""
        problems: list[str] = []
        levels = tuple(level for name in sorted(self._names()) if (level := self._level(name, problems)) is not None)
        self.problems = tuple(problems)
        return levels

    def _level(self, name: str, problems: list[str]) -> CgroupLevel | None:
        path = path_of_slice(name)
        if not path:
            return None
        directory = self._root / path.removeprefix("/")
        try:
            events = parse_memory_events((directory / "memory.events").read_bytes())
            return CgroupLevel(path, directory.stat().st_ino, Level.SLICE, memory_events=events)
        except OSError as error:
            if error.errno not in _GONE:
                problems.append(f"{path}/memory.events: {error.strerror}")
        except SourceError as error:
            problems.append(f"{path}/memory.events: {error}")
        return None
