# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""Marks over the graphs, at the moment that a series tells.

Grafana's schema leaves an annotation open for the keys of its data source, and the types of the foundation SDK know
only `expr` of them.
"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import DATASOURCE


class Mark(model.AnnotationQuery):
    """An annotation whose time is the value of a series, in milliseconds."""

    text: str

    def to_json(self) -> dict[str, object]:
        """With what Prometheus' data source adds."""
        return super().to_json() | {
            "step": "60s",
            "textFormat": "{{container}} on {{instance}}",
            "titleFormat": self.text,
            "useValueForTime": True,
        }


def mark(name: str, expr: str, color: str, text: str) -> Mark:
    """A mark wherever the expression has a new value."""
    made = Mark(name=name, datasource=DATASOURCE, enable=True, icon_color=color, expr=expr)
    made.text = text
    return made
