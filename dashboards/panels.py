# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The few forms of panel that the dashboards are made of: each takes what to ask and what to call it.

Positions are given by rows: panels flow from left to right, 24 columns wide, in the order in which they are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, GREY = "green", "#EAB839", "orange", "red", "text"

Steps = tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: a label of the first query, or the value of a query of its own."""

    title: str
    expr: str = ""
    """Empty: the column is a label that the queries have in common."""
    label: str = ""
    """The label that is shown; with `expr`, in the place of that query's value."""
    unit: str = "short"
    decimals: int = 0
    steps: Steps = ()
    """Values from which the cell has another colour."""
    gauge: bool = False
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Value -> text and colour."""
    width: int = 0


def thresholds(steps: Steps, base: str = GREEN) -> dashboard.ThresholdsConfig:
    """Colours by value: `base` below the first step."""
    every = [model.Threshold(value=None, color=base)]
    every += [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(every)


def _query(expr: str, ref: str, legend: str = "") -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expr).legend_format(legend).ref_id(ref)


def number(title: str, expr: str, *, about: str, steps: Steps, unit: str = "short", width: int = 4) -> stat.Panel:
    """One large number with its colour."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .with_target(_query(expr, "A").instant())
        .unit(unit)
        .decimals(0)
        .no_value("-")
        .color_mode(common_model.BigValueColorMode.BACKGROUND)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(steps))
        .height(4)
        .span(width)
    )


def ranking(title: str, expr: str, legend: str, *, about: str, steps: Steps, width: int = 8) -> bargauge.Panel:
    """Bars of ratios; the query sorts them, worst first."""
    return (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .with_target(_query(expr, "A", legend).instant())
        .unit("percentunit")
        .decimals(1)
        .min(0)
        .max(1)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(steps))
        .height(10)
        .span(width)
    )


def course(
    title: str,
    queries: Sequence[tuple[str, str]],
    *,
    about: str,
    unit: str,
    width: int = 12,
    bars: bool = False,
    most: float | None = None,
) -> timeseries.Panel:
    """Series over time, of (expression, legend). A series whose legend begins with `threshold` is a dashed line."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .draw_style(common_model.GraphDrawStyle.BARS if bars else common_model.GraphDrawStyle.LINE)
        .fill_opacity(60 if bars else 5)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_model.LegendDisplayMode.TABLE)
            .placement(common_model.LegendPlacement.RIGHT)
            .calcs(["sum" if bars else "lastNotNull"])
            .sort_by("Total" if bars else "Last *")
            .sort_desc(True)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .override_by_regexp(
            "^threshold.*",
            [
                model.DynamicConfigValue("custom.drawStyle", "line"),
                model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
                model.DynamicConfigValue("custom.fillOpacity", 0),
                model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": RED}),
            ],
        )
        .height(10)
        .span(width)
    )
    if most is not None:
        panel = panel.axis_soft_max(most)
    if bars:
        panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL)).decimals(0)
    for number_of_query, (expr, legend) in enumerate(queries):
        panel = panel.with_target(_query(expr, chr(ord("A") + number_of_query), legend))
    return panel


def listing(
    title: str, columns: Sequence[Column], *, about: str, worst_first: str, empty: str = "", width: int = 24
) -> table.Panel:
    """A table with one row for each set of labels; `worst_first` is the column that sorts it, downwards.

    The columns' queries have to leave the same labels, apart from a column's own `label`: they are merged by them.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .no_value(empty)
        .sort_by([common.TableSortByFieldState().display_name(worst_first).desc(True)])
        .height(10)
        .span(width)
    )
    asked = [column for column in columns if column.expr]
    refs = {column.title: chr(ord("A") + index) for index, column in enumerate(asked)}
    for column in asked:
        query = _query(column.expr, refs[column.title]).instant().format(prometheus_model.PromQueryFormat.TABLE)
        panel = panel.with_target(query)
    # A single frame keeps the name `Value`; several are told apart by their query.
    values = {column.title: f"Value #{refs[column.title]}" if len(asked) > 1 else "Value" for column in asked}
    shown = {column.label or values[column.title]: column.title for column in columns}
    hidden = ["Time", "job", *(values[column.title] for column in asked if column.label)]
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


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    properties = []
    if not column.label:
        properties += [
            model.DynamicConfigValue("unit", column.unit),
            model.DynamicConfigValue("decimals", column.decimals),
        ]
    if column.steps:
        properties.append(model.DynamicConfigValue("thresholds", thresholds(column.steps, GREY).build().to_json()))
        cell = {"type": "gauge", "mode": "basic"} if column.gauge else {"type": "color-text"}
        properties.append(model.DynamicConfigValue("custom.cellOptions", cell))
    if column.gauge:
        properties += [model.DynamicConfigValue("min", 0), model.DynamicConfigValue("max", 1)]
    if column.texts:
        texts = {value: {"text": text, "color": color} for value, (text, color) in column.texts.items()}
        properties.append(model.DynamicConfigValue("mappings", [{"type": "value", "options": texts}]))
        properties.append(model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.width:
        properties.append(model.DynamicConfigValue("custom.width", column.width))
    return properties
