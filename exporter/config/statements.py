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

    `text` is a TOML document that tomllib takes. Keys inside an array of tables are not told apart:
    the array's own key is.
    """
    lines: dict[KeyPath, int] = {}
    header = statement = ""
    begins_on = 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        is_header = statement.lstrip(" \t").startswith("[")
        try:
            tables = tomllib.loads(statement if is_header else header + statement)
        except tomllib.TOMLDecodeError:
            continue  # goes on in the next line
        for path in _paths(tables):
            lines.setdefault(path, begins_on)
        header = statement if is_header else header
        statement, begins_on = "", number + 1
    return lines


def _paths(table: dict[str, object], above: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in table.items():
        yield (*above, key)
        match value:
            case dict():
                yield from _paths(value, (*above, key))
            case list() if value and isinstance(value[-1], dict):
                yield from _paths(value[-1], (*above, key))
