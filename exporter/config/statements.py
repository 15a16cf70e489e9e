"""On which line of a TOML document each key stands.

No well-kept library tells: tomllib and msgspec drop positions, tomlkit keeps the text but not its
lines. So tomllib itself is asked, one statement at a time. A TOML statement ends where a line ends,
and an unfinished one (a multi-line array or string) is a syntax error; therefore the first run of
lines that tomllib takes is one whole statement, whatever quotes, dots, brackets and `#` it holds:

    [clocks]                  # ("clocks",) is on line 1
    podman_seconds = 60       # ("clocks", "podman_seconds") is on line 2
    "log".level = "info"      # ("clocks", "log", "level") is on line 3
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

KeyPath = tuple[str, ...]


def lines_of_keys(text: str) -> dict[KeyPath, int]:
    """The line (from 1) on which the statement begins that first names each key.

    `text` is a TOML document that tomllib takes. Of an array of tables, `[[waivers]]`, the items are told apart by
    their number: ("waivers", "1", "check") is a key of the second, ("waivers", "check") of the first that has it.
    """
    lines: dict[KeyPath, int] = {}
    header = statement = ""
    begins_on = 1
    array: KeyPath = ()  # of the header that is in force, if it is one of an item
    items: dict[KeyPath, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        is_header = statement.lstrip(" \t").startswith("[")
        try:
            tables = tomllib.loads(statement if is_header else header + statement)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        if is_header:
            array = _array(tables) if statement.lstrip(" \t").startswith("[[") else ()
            items[array] = items.get(array, -1) + 1
        for path in _paths(tables):
            lines.setdefault(path, begins_on)
            if array and path[: len(array)] == array:
                lines.setdefault((*array, str(items[array]), *path[len(array) :]), begins_on)
        header = statement if is_header else header
        statement, begins_on = "", number + 1
    return lines


def _array(table: object) -> KeyPath:
    path: KeyPath = ()
    while isinstance(table, dict):
        ((key, table),) = table.items()
        path = (*path, key)
    return path


def _paths(table: dict[str, object], above: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in table.items():
        yield (*above, key)
        match value:
            case dict():
                yield from _paths(value, (*above, key))
            case list() if value and isinstance(value[-1], dict):
                yield from _paths(value[-1], (*above, key))
