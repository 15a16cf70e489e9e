"""The .container files of this host of which quadlet's generator made no unit.

podman-systemd.unit(5), "Quadlet unit search path"; systemd.generator(7). A file is compared with the SourcePath= of the
units in /run/systemd/generator. What keeps it from being made is what `bulkhead lint` would say of it:

    /etc/containers/systemd/web.container:4: neither Image= nor Rootfs= is there.
    /etc/containers/systemd/old/web.container: it is never used: quadlet takes .../web.container by that name.

and where that finds nothing (a podman that does not know a key yet, a directory that was mounted after boot), that
there is no unit. Quadlets of users are made by the users' own systemd, and are not read.

Looks again: at all files and units at each read (`quadlet_file_seconds`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from exporter.facts.quadlet_file import QuadletProblem, UnmadeQuadlet
from exporter.facts.reading import NotHere
from exporter.sources.quadlet.command import Refused
from exporter.sources.quadlet.files import describe, units_of
from exporter.sources.quadlet.generated import container_name_of, sources_of_units
from exporter.sources.quadlet.tree import Tree, read_tree
from exporter.sources.quadlet.unit import QuadletUnit, suffix

Faults: TypeAlias = dict[str, tuple[QuadletProblem, ...]]

# In this order: of two files of one name in different ones the first is meant, and so it is no fault.
_SEARCHED = ("run/containers/systemd", "etc/containers/systemd", "usr/share/containers/systemd")
_MAX_TOLD = 100
_SETTLE_SECONDS = 1.0  # a daemon-reload empties the directory of generated units and fills it anew
_GENERATOR = "/usr/lib/systemd/system-generators/podman-system-generator"
_NO_UNIT = f"quadlet made no unit of it: run systemctl daemon-reload, and if there is still none {_GENERATOR} --dryrun."


class UnmadeQuadletSource:
    """Compares the .container files below `root` (`/` on a real host) with the units that systemd has."""

    def __init__(self, root: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._root = root
        self._pause = pause
        self._last: frozenset[UnmadeQuadlet] = frozenset()
        self.problems: tuple[str, ...] = ()
        """What the last read had to leave out, and why: a sentence each."""

    def read(self) -> tuple[UnmadeQuadlet, ...]:
        """Every file without a unit, by path. NotHere where systemd does not run; Unreadable as for QuadletSource."""
        found = self._read()
        if not self._last.issuperset(found):
            self._pause(_SETTLE_SECONDS)
            found = self._read()
        self._last = frozenset(found)
        return found

    def _read(self) -> tuple[UnmadeQuadlet, ...]:
        if not (self._root / "run/systemd").is_dir():
            raise NotHere(f"systemd does not run here ({self._root / 'run/systemd'} is missing): it makes no units.")
        tree = _joined([read_tree(path, deep=True) for one in _SEARCHED if (path := self._root / one).is_dir()])
        made = sources_of_units(self._root)
        # Wherever links lead to.
        in_use = frozenset(os.path.realpath(self._root / source.lstrip("/")) for source in made.values() if source)
        found = sorted([*_passed_over(tree, in_use), *_unmade(tree, made, in_use)], key=lambda one: one.path)
        unread = [f"{one.path}: {one.message}" for one in tree.problems if not _is_container(one.path)]
        if len(found) > _MAX_TOLD:
            unread.append(f"{len(found) - _MAX_TOLD} more .container files without a unit are left out.")
        self.problems = tuple(unread)
        return tuple(found[:_MAX_TOLD])


def _joined(trees: list[Tree]) -> Tree:
    """One tree of them all: quadlets of one directory may name those of another."""
    joined = Tree(tuple(directory for tree in trees for directory in tree.directories))
    for tree in trees:
        joined.files = {**tree.files, **joined.files}
        joined.problems += tree.problems
    return joined


def _passed_over(tree: Tree, in_use: frozenset[str]) -> Iterator[UnmadeQuadlet]:
    """Files that quadlet never looks into, since another one in the same tree has their name."""
    for problem in tree.problems:
        if _is_container(problem.path) and os.path.realpath(problem.path) not in in_use:
            yield UnmadeQuadlet(problem.path, problem.line, problem.message, "")


def _unmade(tree: Tree, made: dict[str, str], in_use: frozenset[str]) -> Iterator[UnmadeQuadlet]:
    units, faults = units_of(tree)
    for name, unit in units.items():
        # A unit that could not be read is there.
        if not _is_container(name) or os.path.realpath(unit.path) in in_use or made.get(_unit_name(unit)) == "":
            continue
        line, reason = _fault(unit, faults) or _refusal(unit, units) or (0, _without_fault(unit, made))
        yield UnmadeQuadlet(unit.path, line, reason, _wanted_container(unit))


def _fault(unit: QuadletUnit, faults: Faults) -> tuple[int, str] | None:
    """What is wrong with the file's text, or with that of a file beside it for which quadlet passes over both."""
    beside = str(Path(unit.path).parent)
    own = faults.get(unit.name, ())
    of_others = (ones[0] for ones in faults.values() if any(one.path == beside for one in ones))
    first = own[0] if own else next(of_others, None)
    if first is None:
        return None
    if first.path == unit.path:
        return first.line, first.message
    return 0, f"{first.path}:{first.line}: {first.message}"


def _refusal(unit: QuadletUnit, units: dict[str, QuadletUnit]) -> tuple[int, str] | None:
    try:
        describe(unit, units)
    except Refused as problem:
        return problem.origin.line, str(problem)
    return None


def _without_fault(unit: QuadletUnit, made: dict[str, str]) -> str:
    other = made.get(_unit_name(unit))
    return f"{_unit_name(unit)} is made of {other}." if other else _NO_UNIT


def _wanted_container(unit: QuadletUnit) -> str:
    install = unit.sections.get("Install")
    is_wanted = unit.text("Container", "Pod") or (install and any(one.value for one in install.assignments))
    name = unit.text("Container", "ContainerName") or "systemd-%N"
    return container_name_of(name, _unit_name(unit)) if is_wanted and "@" not in unit.service else ""


def _unit_name(unit: QuadletUnit) -> str:
    return f"{unit.service}.service"


def _is_container(path: str) -> bool:
    return suffix(path) == ".container"
