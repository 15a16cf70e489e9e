"""Quadlet files as they will be deployed: from paths to what each asks for, judged beside its neighbours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from exporter.facts.quadlet_file import QuadletFile, QuadletProblem, Request
from exporter.facts.reading import words_of
from exporter.sources.quadlet.command import (
    Refused,
    image_of,
    namespace_words,
    resource_name,
    run_words,
)
from exporter.sources.quadlet.container import declared_container
from exporter.sources.quadlet.flags import Flag, Flags, parse_flags
from exporter.sources.quadlet.generated import expand_specifiers
from exporter.sources.quadlet.service import declared_unit
from exporter.sources.quadlet.syntax import UnitText, parse_unit_text
from exporter.sources.quadlet.tree import Tree, drop_in_directories, is_quadlet, read_file, read_tree, read_trees
from exporter.sources.quadlet.unit import QuadletUnit, Words, merged

_WITH_A_WORD = frozenset({"--cgroups", "--security-opt"})
Answer = tuple[tuple[QuadletFile, ...], tuple[QuadletProblem, ...]]


def read_quadlets(paths: Sequence[Path]) -> Answer:
    """Every quadlet of these files and directories, and everything that keeps one from being what was meant.

    A directory is one host's: its files name each other. A file is read with those of its own directory, and a
    drop-in stands for the quadlets that it applies to; what nobody asked for is marked so.
    """
    found: list[QuadletFile] = []
    problems: dict[QuadletProblem, None] = {}
    for root, wanted in _wanted(paths, problems).items():
        trees = list(read_trees(root)) if wanted is None else [read_tree(root, deep=False)]
        if not any(tree.files for tree in trees):
            problems[QuadletProblem(str(root), 0, "there is no quadlet in it.")] = None
        for tree in trees:
            files, faults = _read_tree(tree, wanted)
            found += files
            problems.update(dict.fromkeys(faults))
    return tuple(sorted(found, key=lambda file: file.path)), tuple(problems)


def _wanted(paths: Sequence[Path], problems: dict[QuadletProblem, None]) -> dict[Path, set[str] | None]:
    """By directory: the names in it that are asked for, None for all of them and those below."""
    wanted: dict[Path, set[str] | None] = {}
    for path in paths:
        try:
            is_directory = path.is_dir()
            path.stat()
        except (OSError, ValueError) as error:
            problems[QuadletProblem(str(path), 0, f"it cannot be read: {words_of(error)}.")] = None
            continue
        if is_directory and not path.name.endswith(".d"):
            wanted[path] = None
            continue
        if is_directory or path.suffix == ".conf":
            drop_ins = path if is_directory else path.parent
            names = _named_by(drop_ins, problems)
        elif is_quadlet(path.name):
            drop_ins, names = path, {path.name}
        else:
            problems[QuadletProblem(str(path), 0, "it is no quadlet, by its name.")] = None
            continue
        asked = wanted.setdefault(drop_ins.parent, set())
        if asked is not None:
            asked |= names
    return wanted


def _named_by(drop_ins: Path, problems: dict[QuadletProblem, None]) -> set[str]:
    """The files beside a directory of drop-ins that it applies to."""
    beside = read_tree(drop_ins.parent, deep=False)
    names = {name for name in beside.files if drop_ins.name in drop_in_directories(name)}
    if not names:
        problems[QuadletProblem(str(drop_ins), 0, "its drop-ins apply to no quadlet beside it.")] = None
    return names


def _read_tree(tree: Tree, wanted: set[str] | None) -> Answer:
    units, faults = units_of(tree)
    problems: list[QuadletProblem] = []
    files = []
    for name, unit in units.items():
        asked = wanted is None or name in wanted
        if name in faults:
            problems += faults[name] if asked else ()
            continue
        try:
            files.append(replace(describe(unit, units), tree=str(tree.directories[0]), asked=asked))
        except Refused as problem:
            if asked:
                problems.append(QuadletProblem(problem.origin.file, problem.origin.line, str(problem)))
    return tuple(files), (*tree.problems, *problems)


def units_of(tree: Tree) -> tuple[dict[str, QuadletUnit], dict[str, tuple[QuadletProblem, ...]]]:
    """Every file merged with its drop-ins, by name, and what is wrong with those that are not whole."""
    units: dict[str, QuadletUnit] = {}
    faults: dict[str, tuple[QuadletProblem, ...]] = {}
    for name, path in tree.files.items():
        texts, unread = _texts(tree, name, path)
        units[name] = merged(name, str(path), texts)
        if found := unread or units[name].faults():
            faults[name] = found
    return units, faults


def _texts(tree: Tree, name: str, path: Path) -> tuple[tuple[UnitText, ...], tuple[QuadletProblem, ...]]:
    texts, faults = [], []
    for part in (path, *tree.drop_ins(name)):
        try:
            text = parse_unit_text(read_file(part), str(part))
        except OSError as error:
            faults.append(QuadletProblem(str(part), 0, f"{error.strerror or error}."))
            continue
        texts.append(text)
        faults += text.problems
        if text.refused and part == path:
            beside = "quadlet makes no unit of any file in it while one has a syntax error."
            faults.append(QuadletProblem(str(path.parent), 0, beside))
    return tuple(texts), tuple(faults)


def describe(unit: QuadletUnit, units: dict[str, QuadletUnit]) -> QuadletFile:
    """What one quadlet asks for; Refused when quadlet would make no unit of it."""
    unit_name = f"{unit.service}.service"
    requests = _places(unit)
    if unit.own != "Container":
        return QuadletFile(unit.path, unit_name, None, None, requests)
    words = tuple((expand_specifiers(word, unit_name), origin) for word, origin in run_words(unit, units))
    flags = parse_flags(words)
    user = _user(unit.path)
    container = declared_container(
        name=flags.last("--name"),
        user=user,
        service=unit_name,
        image=expand_specifiers(image_of(unit, units), unit_name),
        flags=flags,
        pod=_pod(unit, units),
        drivers=_drivers(units),
        storage=parse_flags(unit.arguments("Container", "GlobalArgs")).last("--root"),
    )
    asked = tuple(Request(_request_name(flag), flag.origin) for flag in flags.all)
    return QuadletFile(unit.path, unit_name, container, declared_unit(unit, unit_name, user), (*asked, *requests))


def _request_name(flag: Flag) -> str:
    """--cap-add; for a flag whose value says what it is about, with its first word: --security-opt=seccomp."""
    return f"{flag.name}={re.split('[=:]', flag.value)[0]}" if flag.name in _WITH_A_WORD else flag.name


def _places(unit: QuadletUnit) -> tuple[Request, ...]:
    """Sections, the keys of [Service] and the image, with their lines."""
    service = unit.sections.get("Service")
    lines = [*unit.lines(unit.own, "Image"), *unit.lines(unit.own, "Rootfs"), *(service.assignments if service else ())]
    return (
        *(Request(f"[{name}]", section.origin) for name, section in unit.sections.items()),
        *(Request(one.key, one.origin) for one in lines),
    )


def _pod(unit: QuadletUnit, units: dict[str, QuadletUnit]) -> Flags | None:
    pod = units.get(unit.text("Container", "Pod"))
    if pod is None:
        return None
    name: Words = (("--name", pod.header("Pod")), (resource_name(pod), pod.header("Pod")))
    return parse_flags((*name, *namespace_words(pod, "Pod", units), *pod.arguments("Pod", "PodmanArgs")))


def _drivers(units: dict[str, QuadletUnit]) -> dict[str, tuple[str, str]]:
    """The driver and the parent interface of each network, by podman's name for it."""
    found = {}
    for unit in units.values():
        if unit.own == "Network":
            options = dict(word.partition("=")[::2] for word, _ in unit.arguments("Network", "Options"))
            flags = parse_flags(unit.arguments("Network", "PodmanArgs"))
            driver = flags.last("--driver") or unit.text("Network", "Driver") or "bridge"
            parent = (
                flags.last("--interface-name") or unit.text("Network", "InterfaceName") or options.get("parent", "")
            )
            found[resource_name(unit)] = (driver, parent)
    return found


def _user(path: str) -> str:
    """Whose podman runs it, by where it lies (podman-systemd.unit(5)): "" for root's."""
    parts = Path(path).absolute().parts
    for index in range(len(parts) - 2):
        if parts[index : index + 2] == ("containers", "systemd"):
            if parts[index - 1] == ".config":
                return parts[index - 2]
            if parts[index + 2] == "users":
                after = parts[index + 3 : -1]
                return after[0] if after else "every user"
    return ""
