# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The few forms of panel that the dashboards are made of: each takes what to ask and what to call it.

Positions are given by rows: panels flow from left to right, 24 columns wide, in the order in which they are added.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

from dashboards.terms import GREEN, GREY, ORANGE, RED, Steps, Texts, over, runbook, threshold

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
MOST_BARS = 25
"""Of those that are as they should be; what is over its threshold is always shown."""

BAD_STATES = "^(missing|dead|exited|failed)$"
"""Of containers and units."""


def thresholds(steps: Steps, base: str = GREEN) -> dashboard.ThresholdsConfig:
    """Colours by value: `base` below the first step."""
    every = [model.Threshold(value=None, color=base)]
    every += [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(every)


def words(texts: Texts) -> model.ValueMapping:
    """Texts and colours in the place of values."""
    return model.ValueMap(
        {value: model.ValueMappingResult(text=text, color=color) for value, (text, color) in texts.items()}
    )


def query(expr: str, ref: str, legend: str = "") -> prometheus.Dataquery:
    """One question to Prometheus."""
    return prometheus.Dataquery().datasource(DATASOURCE).expr(expr).legend_format(legend).ref_id(ref)


def runbook_links(alert: str) -> list[Builder[model.DashboardLink]]:
    """What a panel's corner leads to; nothing without an alert."""
    if not alert:
        return []
    link = dashboard.DashboardLink("Runbook").type(model.DashboardLinkType.LINK).url(runbook(alert)).target_blank(True)
    return [link]


def number(
    title: str,
    expr: str,
    *,
    about: str,
    steps: Steps = (),
    base: str = GREEN,
    unit: str = "short",
    texts: Texts | None = None,
    label: str = "",
    width: int = 4,
    alert: str = "",
) -> stat.Panel:
    """One large number with its colour, the word for it, or the value of a label."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .with_target(query(expr, "A", f"{{{{{label}}}}}" if label else "").instant())
        .unit(unit)
        .no_value("-")
        .color_mode(common_model.BigValueColorMode.BACKGROUND)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(steps, base))
        .links(runbook_links(alert))
        .height(4)
        .span(width)
    )
    if unit in {"short", "percentunit"}:
        panel = panel.decimals(0)
    if label:
        bad = [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": RED})]
        panel = panel.text_mode(common_model.BigValueTextMode.NAME).override_by_regexp(BAD_STATES, bad)
    return panel.mappings([words(texts)]) if texts else panel


def ranking(
    title: str, ratio: str, legend: str, *, warning: str, critical: str, about: str, width: int = 8, alert: str = ""
) -> bargauge.Panel:
    """Bars of ratios, worst first, coloured by the thresholds of their own hosts."""
    above = over(ratio, warning)
    asked = (
        (RED, f"sort_desc({over(ratio, critical)})"),
        (ORANGE, f"sort_desc(({above}) <= on (job, instance) group_left () {threshold(critical)})"),
        (
            GREEN,
            f"sort_desc(topk({MOST_BARS}, {ratio} <= on (job, instance) group_left () {threshold(warning)}))",
        ),
    )
    panel = (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .unit("percentunit")
        .decimals(1)
        .min(0)
        .max(1)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .links(runbook_links(alert))
        .height(10)
        .span(width)
    )
    for ref, (color, expr) in zip("ABC", asked, strict=True):
        panel = panel.with_target(query(expr, ref, legend).instant()).override_by_query(
            ref, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})]
        )
    return panel


def course(
    title: str,
    queries: Sequence[tuple[str, str]],
    *,
    about: str,
    unit: str,
    width: int = 12,
    bars: bool = False,
    most: float | None = None,
    alert: str = "",
) -> timeseries.Panel:
    """Series over time, of (expression, legend). One whose legend begins with `threshold` or `limit` is dashed.

    Bars are of increases over `$__rate_interval`, which is a scrape longer than the step between two of them: no event
    falls between. Below a minute it would be several steps long, and show each event in several bars: steps are
    not shorter. An event may still stand in two, so no total is told.
    """
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
            .calcs(["max" if bars else "lastNotNull"])
            .sort_by("Max" if bars else "Last *")
            .sort_desc(True)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .override_by_regexp("^threshold.*", _dashed(RED))
        .override_by_regexp("^limit.*", _dashed(GREY))
        .links(runbook_links(alert))
        .height(10)
        .span(width)
    )
    if most is not None:
        panel = panel.axis_soft_max(most)
    if bars:
        panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL)).decimals(0)
        panel = panel.interval("1m")
    for number_of_query, (expr, legend) in enumerate(queries):
        panel = panel.with_target(query(expr, chr(ord("A") + number_of_query), legend))
    return panel


def _dashed(color: str) -> list[model.DynamicConfigValue]:
    return [
        model.DynamicConfigValue("custom.drawStyle", "line"),
        model.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
        model.DynamicConfigValue("custom.fillOpacity", 0),
        model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color}),
    ]
