"""The dashboards as they are in the tree, and what they ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboards.build import BOARDS, path_of

BY_NAME: dict[str, dict[str, Any]] = {board.name: json.loads(path_of(board).read_text()) for board in BOARDS}

_CHOSEN = {
    "$job": "bulkhead",
    "$instance": ".*",
    "$severity": "critical|warning|info",
    "$__range": "10m",
    "$__rate_interval": "2m",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One question of one panel, or of an annotation."""

    board: str
    asks: str
    expr: str
    is_instant: bool

    @property
    def name(self) -> str:
        return f"{self.board}: {self.asks}"

    def chosen(self, container: str = ".*") -> str:
        """With all hosts chosen in the variables, and these containers."""
        expr = self.expr.replace("$container", container)
        for variable, value in _CHOSEN.items():
            expr = expr.replace(variable, value)
        return expr


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def _queries() -> Iterator[Query]:
    for name, board in BY_NAME.items():
        for panel in panels(board):
            for target in panel["targets"]:
                asks = f"{panel['title']} {target['refId']}"
                yield Query(name, asks, target["expr"], is_instant=target.get("instant", False))
        for annotation in board["annotations"].get("list", []):
            yield Query(name, annotation["name"], annotation["expr"], is_instant=False)


QUERIES = tuple(_queries())
