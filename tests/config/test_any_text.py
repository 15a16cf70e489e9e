from __future__ import annotations

import re
import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import (
    ConfigError,
    Problem,
    load,
)
from exporter.config.settings import schema
from exporter.config.statements import lines_of_keys
from exporter.config.values import shown
from tests.config.loaded import WORDS


@given(st.text())
def test_any_text_is_a_configuration_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(ConfigError):
        load(path, vocabulary=WORDS)


KEYS = st.sampled_from([*(".".join(path) for path in schema(WORDS).kinds), "clocks", "log", "x", "'a.b'.c"])
VALUES = st.recursive(
    st.one_of(
        st.booleans().map(lambda flag: str(flag).lower()),
        st.integers(-(10**30), 10**30).map(str),
        st.sampled_from(["0x" + "f" * 5000, "nan", "-inf", "1e400", "07:32:00", "1979-05-27T07:32:00Z"]),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.3f}"),
        st.text(st.characters(categories=["L", "P", "S", "N"]), max_size=70).map(
            lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n " + ",\n ".join(items) + "]")
        | inner.map(lambda value: "{ key = " + value + " }" if "\n" not in value else value)
    ),
    max_leaves=4,
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6))
def test_any_toml_of_known_keys_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "known.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in pairs))
    told: tuple[Problem, ...] = ()
    try:
        load(path, vocabulary=WORDS)
    except ConfigError as error:
        told = error.problems
    assert all(len(problem.message) < 1000 and problem.line for problem in told)


# Statements that say their own line: whatever stands around one, its keys are found where it begins.
FILLERS = st.sampled_from(["", "   ", "# note = 1 [x]", "\t# '''", '#"""'])
STATEMENTS = st.sampled_from(
    [
        "{key} = 1",
        "{key} = 1 # = 2",
        '"{key}" = "# ["',
        "'{key}' = '''\nx = 1\n[y]\n'''",
        '{key} = """\n\n\\"""\n"""',
        "{key} = [\n  1, # ]\n  2,\n\n]",
        "{key}.inner = {{ deep = [\n1] }}",
        "  {key}  .  inner  =  2026-01-01T00:00:00Z",
        "[{key}]",
        "[[{key}]]",
        '[ {key} . "in.ner" ] # x',
    ]
)


@given(st.lists(st.one_of(FILLERS, STATEMENTS), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_key_is_found_on_the_line_where_its_statement_begins(parts: list[str], end: str) -> None:
    text = ""
    header: tuple[str, ...] = ()
    expected: dict[tuple[str, ...], int] = {}
    for number, part in enumerate(parts):
        key, line = f"k{number}", text.count("\n") + 1
        statement = part.format(key=key)
        above = () if statement.startswith("[") else header
        if "{key}" in part:
            expected[*above, key] = line
        if statement.startswith("["):
            header = (key, "in.ner") if "in.ner" in statement else (key,)
        text += statement + "\n"
    text = text.replace("\n", end)
    tomllib.loads(text)
    lines = lines_of_keys(text)
    assert {path: lines[path] for path in expected} == expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_what_was_found_is_quoted_short_and_on_one_line(value: object) -> None:
    assert len(shown(value)) <= 70
    assert re.fullmatch(r"[ -~]*", shown(value))
