# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""Writes dashboards/host.json, the dashboard of one or more hosts: `python -m dashboards.build`.

For Grafana 10.1 and later. What it shows is in rows.py.
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import DATASOURCE
from dashboards.rows import HOST, ROWS

HOST_JSON = Path(__file__).parent / "host.json"
COLUMNS = 24
"""Of Grafana's grid."""


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(model.VariableOption(selected=True, text="All", value="$__all"))
    )


def host_dashboard() -> model.Dashboard:
    """The whole dashboard."""
    board = (
        dashboard.Dashboard("Bulkhead: containers of a host")
        .uid("bulkhead-host")
        .description("Containers worst first: memory against its limit, kills, restarts, quotas, walls that fail.")
        .tags(["bulkhead", "podman"])
        .editable()
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("job", "Job", "label_values(bulkhead_build_info, job)"))
        .with_variable(_variable("instance", "Host", 'label_values(bulkhead_build_info{job=~"$job"}, instance)'))
        .with_variable(
            _variable("container", "Container", f"label_values(bulkhead_container_state{{{HOST}}}, container)")
        )
        .build()
    )
    board.panels = _laid_out()
    return board


def _laid_out() -> list[model.Panel | model.RowPanel]:
    """Rows from top to bottom, panels from left to right; numbered, so that links to a panel last."""
    placed: list[model.Panel | model.RowPanel] = []
    top = 0
    for title, panels in ROWS:
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


def rendered() -> str:
    """The file's text."""
    return json.dumps(host_dashboard(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    HOST_JSON.write_text(rendered())
