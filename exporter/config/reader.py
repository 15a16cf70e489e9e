"""Reads the configuration: text to Config, or every problem it has, each with its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from exporter.config.settings import KINDS, TABLES, Config, Schema, Vocabulary, schema
from exporter.config.statements import KeyPath, lines_of_keys
from exporter.config.values import Kind, NotAllowed, shown

DEFAULT_PATH = Path("/etc/bulkhead/config.toml")
_LARGEST_FILE_BYTES = 64 * 1024
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_FLAGS = {
    "listen": "--listen",
    "state_dir": "--state-dir",
    "podman_sockets": "--podman-socket",
    "web.config_file": "--web.config.file",
    "log.level": "--log.level",
    "log.format": "--log.format",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the settings."""

    origin: str  # the file, or the flag
    line: int | None  # from 1; None: not of one line
    message: str

    def __str__(self) -> str:
        """`ORIGIN:LINE: MESSAGE`, as compilers and editors write it."""
        where = self.origin if self.line is None else f"{self.origin}:{self.line}"
        return f"{where}: {self.message}"


class ConfigError(Exception):
    """The settings cannot be used. Its text is one line a problem."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load(
    path: Path | None = None,
    flags: Mapping[str, object] | None = None,
    default: Path = DEFAULT_PATH,
    *,
    vocabulary: Vocabulary | None,
) -> Config:
    """The settings of `path` (or of `default`, if it exists) under those of the flags.

    `vocabulary` are the clocks and checks that the file may name; None: what names them is passed over. `flags` has
    keys of the file (listen, web.config_file); a flag that is None was not given. Raises ConfigError with every
    problem there is.
    """
    origin = path or default
    text = _read(origin) if path is None else read_text(origin, "--config")
    values, problems = _of_text(text, str(origin), schema(vocabulary)) if text is not None else ({}, [])
    for name, value in (flags or {}).items():
        if value is None:
            continue
        key = tuple(name.split("."))
        try:
            values[key] = KINDS[key].parse(value)
        except NotAllowed as error:
            problems.append(Problem(_FLAGS[name], None, _refusal(value, KINDS[key], error)))
    if problems:
        raise ConfigError(tuple(problems))
    return _build(values, origin if text is not None else None)


def read_text(path: Path, flag: str) -> str:
    """The text of the file that `flag` names. Raises ConfigError."""
    text = _read(path)
    if text is None:
        raise _unusable(path, f"there is no such file: write it, or leave {flag} out")
    return text


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}; run as a user who may read it") from None
    if len(raw) > _LARGEST_FILE_BYTES:
        raise _unusable(
            path, f"is larger than {_LARGEST_FILE_BYTES // 1024} KiB: this cannot be Bulkhead's configuration"
        )
    try:
        return raw.decode().replace("\r\n", "\n")  # as tomllib does
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _unusable(path, "is not UTF-8 here: save the file as UTF-8", line) from None


def _unusable(path: Path, message: str, line: int | None = None) -> ConfigError:
    return ConfigError((Problem(str(path), line, message),))


def _of_text(text: str, origin: str, known: Schema) -> tuple[dict[KeyPath, Any], list[Problem]]:
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also integers too long for Python
        return {}, [_syntax_problem(error, text, origin)]
    values, wrong = _judge(document, known)
    wrong += [((lower, upper), words) for lower, upper, words in _out_of_order(values, wrong, known)]
    if not wrong:
        return values, []
    lines = lines_of_keys(text)
    problems = [Problem(origin, max(_line(lines, key) for key in keys), words) for keys, words in wrong]
    return values, sorted(problems, key=lambda problem: problem.line or 0)


def _line(lines: Mapping[KeyPath, int], key: KeyPath) -> int:
    """Where the key stands, or else what it belongs to."""
    return next((lines[key[:length]] for length in range(len(key), 0, -1) if key[:length] in lines), 1)


def _syntax_problem(error: Exception, text: str, origin: str) -> Problem:
    # The position is in the message alone until Python 3.14.
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    if not found:
        return Problem(origin, None, f"is not TOML: {str(error) or 'it is nested too deeply'}")
    line = int(found[1]) if found[1] else text.rstrip("\n").count("\n") + 1
    column = f", at column {found[2]}" if found[2] else ", at the end of the file"
    return Problem(origin, line, f"is not TOML: {str(error)[: found.start()]}{column}")


_Wrong: TypeAlias = tuple[tuple[KeyPath, ...], str]  # the keys at fault, and the words


def _judge(document: Mapping[str, object], known: Schema) -> tuple[dict[KeyPath, Any], list[_Wrong]]:
    values: dict[KeyPath, Any] = {}
    wrong: list[_Wrong] = []
    for path, value in _settings(document, known):
        if path[0] in known.passed_over:
            continue
        kind = known.kinds.get(path)
        name = _dotted(path)
        if path[0] in known.tables and len(path) == 1:
            wrong.append(((path,), f"{name}: found {shown(value)}; allowed: a table, [{name}]"))
        elif read_tables := known.arrays.get(path):
            values[path], refused = read_tables(value)
            wrong += [((key,), words) for key, words in refused]
        elif kind is None:
            wrong.append(((path,), _unknown(path, value, known)))
        else:
            try:
                values[path] = kind.parse(value)
            except NotAllowed as error:
                wrong.append(((path,), f"{name}: {_refusal(value, kind, error)}"))
    return values, wrong


def _settings(document: Mapping[str, object], known: Schema) -> Iterator[tuple[KeyPath, object]]:
    for key, value in document.items():
        if key in known.tables and isinstance(value, dict):
            yield from (((key, inner), inner_value) for inner, inner_value in value.items())
        else:
            yield (key,), value


def _refusal(value: object, kind: Kind, error: NotAllowed) -> str:
    return f"{str(error) or f'found {shown(value)}'}; allowed: {kind.allowed}"


def _unknown(path: KeyPath, value: object, schema: Schema) -> str:
    name = _dotted(path)
    if len(path) == 1 and isinstance(value, dict):
        known, sort = list(schema.tables), "table"
    else:
        known, sort = [_dotted(key) for key in (*schema.kinds, *schema.arrays)], "key"
    # The right key in the wrong table is as usual as a typing error.
    near = [one for one in known if one.rpartition(".")[2] == path[-1]] or difflib.get_close_matches(name, known, n=1)
    siblings = known if len(path) == 1 and sort == "table" else _siblings(path, schema)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown {sort} {name}: {hint}allowed here: {', '.join(siblings)}"


def _siblings(path: KeyPath, schema: Schema) -> list[str]:
    keys = [key[-1] for key in (*schema.kinds, *schema.arrays) if key[:-1] == path[:-1]]
    return keys + (list(schema.tables) if len(path) == 1 else [])


def _out_of_order(
    values: Mapping[KeyPath, Any], wrong: list[_Wrong], known: Schema
) -> Iterator[tuple[KeyPath, KeyPath, str]]:
    refused = {key for keys, _ in wrong for key in keys}
    for lower, upper in known.ascending:
        if not {lower, upper} & values.keys() or {lower, upper} & refused:
            continue
        below, above = values.get(lower, known.defaults[lower]), values.get(upper, known.defaults[upper])
        if not below < above:
            yield lower, upper, f"{_dotted(lower)} ({below}) has to be less than {_dotted(upper)} ({above})"


def _build(values: Mapping[KeyPath, Any], read_from: Path | None) -> Config:
    tables: dict[str, dict[str, Any]] = {table: {} for table in ("clocks", *TABLES)}
    top: dict[str, Any] = {}
    for path, value in values.items():
        (top if len(path) == 1 else tables[path[0]])[path[-1]] = value
    shaped = {name: shape(**tables[name]) for name, shape in TABLES.items()}
    clocks = {key.removesuffix("_seconds"): seconds for key, seconds in tables["clocks"].items()}
    return Config(**top, **shaped, clocks=clocks, read_from=read_from)


def _dotted(path: KeyPath) -> str:
    return ".".join(part if _BARE_KEY.fullmatch(part) else shown(part) for part in path)
