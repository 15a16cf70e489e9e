"""The files against Grafana's published schema, as the foundation SDK has it: classes made from it, with their types.

The SDK itself checks nothing, it drops what it does not know and takes every value: so what comes back is compared
with what went in, and every value with the type of its field.
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as model

from tests.dashboards.boards import BY_NAME

# Grafana's schema leaves an annotation open for what its data source adds; the SDK's class has `expr` alone of that.
OF_THE_DATA_SOURCE = {"step", "textFormat", "titleFormat", "useValueForTime"}


@pytest.fixture(scope="module", autouse=True)
def plugins() -> None:
    register_default_plugins()


@pytest.mark.parametrize("board", BY_NAME.values(), ids=list(BY_NAME))
def test_the_schema_knows_every_key(board: dict[str, Any]) -> None:
    again = _plain(model.Dashboard.from_json(board))
    known = _plain(board)
    for annotation in known["annotations"].get("list", []):
        for key in OF_THE_DATA_SOURCE:
            del annotation[key]
    assert again == known


@pytest.mark.parametrize("board", BY_NAME.values(), ids=list(BY_NAME))
def test_every_value_is_of_the_type_that_the_schema_says(board: dict[str, Any]) -> None:
    assert not list(_wrong(model.Dashboard.from_json(board), model.Dashboard, "dashboard"))


def test_a_wrong_value_is_found() -> None:
    board = _plain(BY_NAME["host"])
    panel = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    panel["gridPos"]["w"] = "wide"
    panel["options"]["legend"]["displayMode"] = "tabel"
    panel["targets"][0]["instant"] = "yes"
    wrong = list(_wrong(model.Dashboard.from_json(board), model.Dashboard, "dashboard"))
    assert [each.rpartition(".")[2] for each in wrong] == ["instant: 'yes'", "w: 'wide'", "display_mode: 'tabel'"]


def _wrong(value: object, hint: object, where: str) -> Iterator[str]:
    """Every value in it that is not of the type, with its place."""
    if isinstance(value, dict) and (made := _read(value, hint)) is not value:  # the SDK leaves some as they are
        if _plain(made) != value:
            yield f"{where}: {value!r}"
        value = made
    if not _is_of(value, hint):
        yield f"{where}: {value!r}"
    elif isinstance(value, list):
        (of,) = typing.get_args(_chosen(value, hint)) or (object,)
        for index, each in enumerate(value):
            yield from _wrong(each, of, f"{where}[{index}]")
    elif isinstance(value, dict):
        _, of = typing.get_args(_chosen(value, hint)) or (object, object)
        for key, each in value.items():
            yield from _wrong(each, of, f"{where}[{key}]")
    elif type(value).__module__.startswith("grafana_foundation_sdk."):
        for name, field in typing.get_type_hints(type(value)).items():
            yield from _wrong(getattr(value, name), field, f"{where}.{name}")


def _plain(value: object) -> Any:
    return json.loads(json.dumps(value, cls=JSONEncoder))


def _read(value: dict[str, Any], hint: object) -> object:
    reads = next((each for each in _alternatives(hint) if hasattr(each, "from_json")), None)
    return reads.from_json(value) if reads else value


def _chosen(value: object, hint: object) -> object:
    """Of several types the one that the value is of."""
    return next((each for each in _alternatives(hint) if _is_of(value, each)), object)


def _alternatives(hint: object) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _is_of(value: object, hint: object) -> bool:
    if len(_alternatives(hint)) > 1:
        return any(_is_of(value, each) for each in _alternatives(hint))
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):
        return True  # any
    if issubclass(kind, enum.Enum):
        return value in {member.value for member in kind} or isinstance(value, kind)
    numbers = {int: int, float: int | float}
    return isinstance(value, numbers.get(kind, kind)) and not (kind in numbers and isinstance(value, bool))
