# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""Tables: one row for each set of labels, and the matrix of one label against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from dashboards.panels import DATASOURCE, query, runbook_links, thresholds, words
from dashboards.terms import GREY, Steps, Texts


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a label of the first query, or the value of a query of its own."""

    title: str
    expr: str = ""
    """Empty: the column is a label that the queries have in common."""
    label: str = ""
    """The label that is shown; with `expr`, in the place of that query's value."""
    unit: str = "short"
    decimals: int | None = 0
    steps: Steps = ()
    """Values from which the cell has another colour."""
    base: str = GREY
    """The colour below the first step."""
    gauge: bool = False
    texts: Texts | None = None
    """Value -> text and colour."""
    width: int = 0
    link: tuple[str, str] | None = None
    """What a click leads to: title and address."""


def listing(
    title: str,
    columns: Sequence[Column],
    *,
    about: str,
    worst_first: str,
    ascending: bool = False,
    without: Sequence[str] = (),
    empty: str = "",
    width: int = 24,
    height: int = 10,
    alert: str = "",
) -> table.Panel:
    """A table with one row for each set of labels; `worst_first` is the column that sorts it, downwards.

    The columns' queries have to leave the same labels, apart from a column's own `label`: they are merged by them.
    Labels that are not to be seen are in `without`. `empty` is for tables of one query without gaps: Grafana puts it
    into every empty cell, too.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .no_value(empty)
        .sort_by([common.TableSortByFieldState().display_name(worst_first).desc(not ascending)])
        .links(runbook_links(alert))
        .height(height)
        .span(width)
    )
    asked = [column for column in columns if column.expr]
    refs = {column.title: chr(ord("A") + index) for index, column in enumerate(asked)}
    for column in asked:
        target = query(column.expr, refs[column.title]).instant().format(prometheus_model.PromQueryFormat.TABLE)
        panel = panel.with_target(target)
    # A single frame keeps the name `Value`; several are told apart by their query.
    values = {column.title: f"Value #{refs[column.title]}" if len(asked) > 1 else "Value" for column in asked}
    shown = {column.label or values[column.title]: column.title for column in columns}
    hidden = ["Time", "__name__", "job", *without, *(values[column.title] for column in asked if column.label)]
    if len(asked) > 1:
        panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel = panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(hidden, True),
                "indexByName": {name: index for index, name in enumerate(shown)},
                "renameByName": shown,
            },
        )
    )
    for column in columns:
        if properties := _properties(column):
            panel = panel.override_by_name(column.title, properties)
    return panel


def matrix(title: str, expr: str, *, row: str, column: str, texts: Texts, about: str, height: int = 16) -> table.Panel:
    """A cell for each pair of two labels, with a word for its value; a pair that has none is left empty."""
    return (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        # A cell without a value has the colour below all steps.
        .thresholds(thresholds((), "transparent"))
        .with_target(query(expr, "A").instant().format(prometheus_model.PromQueryFormat.TABLE))
        # Columns and rows stand in the order in which they are met.
        .with_transformation(model.DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": column}]}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="groupingToMatrix",
                options={"columnField": column, "rowField": row, "valueField": "Value", "emptyValue": "null"},
            )
        )
        .mappings([words(texts)])
        .cell_height(common_model.TableCellHeight.SM)
        .override_by_field_type(
            "number", [model.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})]
        )
        .override_by_regexp(".*\\\\.*", [model.DynamicConfigValue("custom.width", 260)])
        .sort_by([common.TableSortByFieldState().display_name(f"{row}\\{column}").desc(False)])
        .height(height)
        .span(24)
    )


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    properties = []
    if not column.label:
        properties.append(model.DynamicConfigValue("unit", column.unit))
        if column.decimals is not None:
            properties.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.steps:
        steps = thresholds(column.steps, column.base).build().to_json()
        properties.append(model.DynamicConfigValue("thresholds", steps))
        cell = {"type": "gauge", "mode": "basic"} if column.gauge else {"type": "color-text"}
        properties.append(model.DynamicConfigValue("custom.cellOptions", cell))
    if column.gauge:
        properties += [model.DynamicConfigValue("min", 0), model.DynamicConfigValue("max", 1)]
    if column.texts:
        properties.append(model.DynamicConfigValue("mappings", [words(column.texts).to_json()]))
        properties.append(model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.link:
        title, url = column.link
        properties.append(model.DynamicConfigValue("links", [{"title": title, "url": url}]))
    if column.width:
        properties.append(model.DynamicConfigValue("custom.width", column.width))
    return properties
