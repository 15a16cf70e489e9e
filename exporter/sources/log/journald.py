"""What journald keeps, by its configuration: journald.conf(5). Evidence that it throws away never comes.

    [Journal]
    MaxLevelStore=warning

systemd's word on a restart and podman's events are of level info; with less, the journal is followed, is well, and says
nothing of them. The main file is the first that is there, then drop-ins by their names, then the kernel's command line;
the last word holds. journald reads them when it starts.

Looks again: at each call, a minute after the last look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

_DIRECTORIES = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd")
_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_INFO = _LEVELS.index("info")
_ON_COMMAND_LINE = "systemd.journald.max_level_store="
_MAX_BYTES = 1 << 16
_LOOK_SECONDS = 60.0


class JournaldSource:
    """Reads journald's configuration below `root`."""

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._looked_at_seconds = float("-inf")
        self._problem = ""

    def problem(self) -> str:
        """Which evidence the journal does not keep, and what to do; "" when it keeps all."""
        if self._clock() - self._looked_at_seconds >= _LOOK_SECONDS:
            self._looked_at_seconds = self._clock()
            self._problem = problem_of(_read(self._root))
        return self._problem


def problem_of(texts: list[str]) -> str:
    """The same for the texts of the configuration's files, in their order, and last the kernel's command line."""
    *files, command_line = texts
    storage, level = "auto", len(_LEVELS) - 1
    for text in files:
        for key, value in _settings(text):
            if key == "Storage":
                storage = value
            elif key == "MaxLevelStore":
                level = _level_of(value, level)
    for word in command_line.split():
        if word.startswith(_ON_COMMAND_LINE):
            level = _level_of(word.removeprefix(_ON_COMMAND_LINE), level)
    if storage == "none":
        return "journald keeps nothing (Storage=none): set Storage=auto in journald.conf"
    if level < _INFO:
        lost = f"journald keeps nothing below {_LEVELS[level]} (MaxLevelStore)"
        return f"{lost}, so restarts and podman's events are not in the journal: set MaxLevelStore=info or debug"
    return ""


def _level_of(value: str, before: int) -> int:
    """The level by name or number; nothing is the default, and what is neither does not count."""
    if not value:
        return len(_LEVELS) - 1
    if value in _LEVELS:
        return _LEVELS.index(value)
    return int(value) if value in "01234567" else before


def _settings(text: str) -> Iterator[tuple[str, str]]:
    is_ours = False
    for raw in text.replace("\\\n", " ").splitlines():
        line = raw.strip()
        if line.startswith("["):
            is_ours = line == "[Journal]"
        elif is_ours and not line.startswith(("#", ";")) and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def _read(root: Path) -> list[str]:
    """The texts that hold, the strongest last; a file that cannot be read counts as empty."""
    mains = (root / directory / "journald.conf" for directory in _DIRECTORIES)
    drop_ins: dict[str, Path] = {}
    for directory in _DIRECTORIES:
        for path in _listed(root / directory / "journald.conf.d"):
            drop_ins.setdefault(path.name, path)  # the same name in a weaker directory is overridden
    main = next((path for path in mains if path.exists()), None)
    files = [*([main] if main else []), *(drop_ins[name] for name in sorted(drop_ins))]
    return [_text(path) for path in (*files, root / "proc/cmdline")]


def _listed(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.suffix == ".conf"]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""
