# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""Writes the dashboards, dashboards/*.json: `python -m dashboards.build`. For Grafana 10.1 and later.

What each shows is in the file of its name: fleet.py for fleet.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import container, fleet, hardening, host, storage, variables

DIRECTORY = Path(__file__).parent
COLUMNS = 24
"""Of Grafana's grid."""

Rows = Sequence[tuple[str, Callable[[], list[model.Panel]]]]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: what it is called, what may be chosen in it, and its rows from top to bottom."""

    name: str
    title: str
    about: str
    chosen: tuple[variables.Variable, ...]
    rows: Rows
    annotations: tuple[model.AnnotationQuery, ...] = ()


BOARDS = (
    Board(
        "fleet",
        "Bulkhead: fleet",
        "Every host, worst first: what is wrong on each, and how it went.",
        (variables.JOB, variables.HOSTS),
        fleet.ROWS,
    ),
    Board(
        "host",
        "Bulkhead: containers of a host",
        "Containers worst first: memory against its limit, kills, restarts, quotas, walls that fail.",
        (variables.JOB, variables.HOSTS, variables.CONTAINERS),
        host.ROWS,
    ),
    Board(
        "container",
        "Bulkhead: one container",
        "Everything about one container, marked where processes were killed and where it was restarted.",
        (variables.JOB, variables.ONE_HOST, variables.ONE_CONTAINER),
        container.ROWS,
        container.ANNOTATIONS,
    ),
    Board(
        "hardening",
        "Bulkhead: hardening",
        "Every container against every check, drift from what was declared, waivers, and the hosts' own checks.",
        (variables.JOB, variables.HOSTS, variables.CONTAINERS, variables.SEVERITY),
        hardening.ROWS,
    ),
    Board(
        "storage",
        "Bulkhead: storage and ids",
        "Datasets and quotas, pools, volumes and their labels, user ids, networks.",
        (variables.JOB, variables.HOSTS, variables.CONTAINERS),
        storage.ROWS,
    ),
)


def built(board: Board) -> model.Dashboard:
    """The whole dashboard."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(f"bulkhead-{board.name}")
        .description(board.about)
        .tags(["bulkhead", "podman"])
        .editable()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .links(
            [
                dashboard.DashboardLink("Bulkhead")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags(["bulkhead"])
                .keep_time(True)
                .include_vars(True),
                dashboard.DashboardLink("Runbooks")
                .type(model.DashboardLinkType.LINK)
                .icon("doc")
                .url("${runbooks}")
                .target_blank(True),
            ]
        )
        .with_variable(variables.DATA_SOURCE)
    )
    for variable in (*board.chosen, variables.RUNBOOKS_AT):
        builder = builder.with_variable(variable)
    made = builder.build()
    made.panels = _laid_out(board.rows)
    if board.annotations:
        made.annotations = model.AnnotationContainer(list_val=list(board.annotations))
    return made


def _laid_out(rows: Rows) -> list[model.Panel | model.RowPanel]:
    """Rows from top to bottom, panels from left to right; numbered, so that links to a panel last."""
    placed: list[model.Panel | model.RowPanel] = []
    top = 0
    for title, panels in rows:
        placed.append(
            dashboard.Row(title).grid_pos(model.GridPos(x=0, y=top, w=COLUMNS, h=1)).id(len(placed) + 1).build()
        )
        top, left, tallest = top + 1, 0, 0
        for panel in panels():
            size = panel.grid_pos or model.GridPos()
            if left + size.w > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            panel.grid_pos = model.GridPos(x=left, y=top, w=size.w, h=size.h)
            panel.id_val = len(placed) + 1
            placed.append(panel)
            left, tallest = left + size.w, max(tallest, size.h)
        top += tallest
    return placed


def path_of(board: Board) -> Path:
    """Its file."""
    return DIRECTORY / f"{board.name}.json"


def rendered(board: Board) -> str:
    """The file's text."""
    return json.dumps(built(board), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in BOARDS:
        path_of(each).write_text(rendered(each))
