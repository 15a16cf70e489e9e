"""Directories of quadlets on disk, walked as quadlet walks them (podman-systemd.unit(5), "Quadlet unit search path").

Subdirectories and symlinked ones belong to it, each once; those that end in .d hold drop-ins:

    web.container   web.container.d/10-limits.conf   web-.container.d/   container.d/   app/db.container
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporter.facts.quadlet_file import QuadletProblem
from exporter.sources.quadlet.keys import OWN_SECTION
from exporter.sources.quadlet.unit import suffix

_MAX_FILE_BYTES = 1 << 20
_MAX_DIRECTORIES = 4096
_MAX_FILES = 20_000


@dataclass(slots=True)
class Tree:
    """The quadlets below some directories, which name each other."""

    directories: tuple[Path, ...]
    files: dict[str, Path] = field(default_factory=dict)  # by name: of two alike quadlet takes the first
    problems: list[QuadletProblem] = field(default_factory=list)

    def drop_ins(self, name: str) -> tuple[Path, ...]:
        """The drop-ins of a file in the order in which they apply; of two alike, that of the closest directory."""
        found: dict[str, Path] = {}
        for directory in self.directories:
            for drop_in_directory in drop_in_directories(name):
                for path in self._listed(directory / drop_in_directory):
                    if path.suffix == ".conf":
                        found.setdefault(path.name, path)
        return tuple(found[one] for one in sorted(found))

    def _listed(self, directory: Path) -> Iterator[Path]:
        try:
            yield from sorted(directory.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.problems.append(QuadletProblem(str(directory), 0, f"it cannot be listed: {error.strerror}."))


def read_trees(root: Path) -> Iterator[Tree]:
    """The tree of a directory, and one for each user whose quadlets lie in users/UID below it."""
    yield read_tree(root, deep=True)
    users = root / "users"
    if users.is_dir() and not _belongs(users):
        yield read_tree(users, deep=False)
        for user in sorted(users.iterdir()):
            if user.is_dir():
                yield read_tree(user, deep=True)


def read_tree(root: Path, *, deep: bool) -> Tree:
    """The quadlets in a directory, and with `deep` in those below it, but for users/ in containers/systemd."""
    problems: list[QuadletProblem] = []
    directories = tuple(_walked(root, problems)) if deep else (root,)
    tree = Tree(directories, problems=problems)
    for directory in directories:
        for path in tree._listed(directory):  # noqa: SLF001 - of this module
            if not is_quadlet(path.name) or len(tree.files) >= _MAX_FILES or path.is_dir():
                continue
            if path.name in tree.files:
                first = tree.files[path.name]
                problems.append(QuadletProblem(str(path), 0, f"it is never used: quadlet takes {first} by that name."))
            else:
                tree.files[path.name] = path
    return tree


def is_quadlet(name: str) -> bool:
    """Whether quadlet makes a unit of a file of that name."""
    return suffix(name) in OWN_SECTION and not name.startswith(".")


def drop_in_directories(name: str) -> Sequence[str]:
    """Where a file's drop-ins are, the closest first: web-a@1.container, web-a@.container, web-@.container, ..."""
    extension = suffix(name)
    stem = name.removesuffix(extension)
    template, at, instance = stem.partition("@")
    found = [f"{name}.d"]
    if instance:
        found.append(f"{template}@{extension}.d")
    parts = template.split("-")
    for end in range(len(parts) - 1, 0, -1):
        truncated = "-".join(parts[:end]) + "-"
        found += [f"{truncated}@{extension}.d"] if at else []
        found.append(f"{truncated}{extension}.d")
    return (*found, f"{extension.removeprefix('.')}.d")


def read_file(path: Path) -> bytes:
    """A regular file's bytes; OSError with one sentence for anything else."""
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        if status.st_size > _MAX_FILE_BYTES:
            raise OSError(0, f"it is {status.st_size} bytes long, and no quadlet is longer than {_MAX_FILE_BYTES}")
        return file.read(_MAX_FILE_BYTES)


def _walked(root: Path, problems: list[QuadletProblem]) -> Iterator[Path]:
    """`root` and every directory below it, each once however many links lead to it."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        try:
            status = directory.stat()
        except OSError as error:
            problems.append(QuadletProblem(str(directory), 0, f"it cannot be read: {error.strerror}."))
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        if len(seen) > _MAX_DIRECTORIES:
            problems.append(QuadletProblem(str(root), 0, f"it holds more than {_MAX_DIRECTORIES} directories."))
            return
        yield directory
        try:
            below = [path for path in directory.iterdir() if _belongs(path)]
        except OSError:
            continue  # `read_tree` lists it too, and tells
        waiting += sorted(below, reverse=True)


def _belongs(path: Path) -> bool:
    of_users = path.parts[-3:] == ("containers", "systemd", "users")
    return not path.name.endswith(".d") and not of_users and path.is_dir()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe put there must not hold us
