# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""What the dashboards have in common: how hosts and containers are chosen, colours by value, and where links lead.

Grafana takes colours by value from no query: a panel that can be asked in parts (bars), or a verdict in words, is
coloured by the thresholds that each host itself serves, and so are the dashed lines in the courses. Cells of tables
that show a bare number use the defaults.
"""

from __future__ import annotations

from exporter.report.thresholds import Thresholds

GREEN, YELLOW, ORANGE, RED, GREY = "green", "#EAB839", "orange", "red", "text"

Steps = tuple[tuple[float, str], ...]
Texts = dict[str, tuple[str, str]]

DEFAULT = Thresholds()
HOST = 'job=~"$job",instance=~"$instance"'
ONE = f'{HOST},container=~"$container"'
EACH = "by (job, instance, container)"
RATE = "[$__rate_interval]"
ITSELF = ("container", "instance")
"""Labels that say nothing on a dashboard of one container."""

MEMORY_STEPS: Steps = (
    (DEFAULT.memory_target_ratio, YELLOW),
    (DEFAULT.memory_warning_ratio, ORANGE),
    (DEFAULT.memory_critical_ratio, RED),
)
QUOTA_STEPS: Steps = ((DEFAULT.quota_warning_ratio, ORANGE), (DEFAULT.quota_critical_ratio, RED))
ANY: Steps = ((1, RED),)
SOME: Steps = ((1, ORANGE),)
RESTARTS: Steps = ((1, YELLOW), (DEFAULT.restart_loop_restarts, RED))

STATES: Texts = {
    "running": ("running", GREEN),
    "missing": ("missing", RED),
    "dead": ("dead", RED),
    "exited": ("exited", ORANGE),
}
SEVERITIES: Texts = {"3": ("critical", RED), "2": ("warning", ORANGE), "1": ("info", GREY)}
LEVELS: Texts = {"0": ("as meant", GREEN), "1": ("near its limit", ORANGE), "2": ("at its limit", RED)}

# Two hosts may have containers, datasets and collectors of one name.
CONTAINER = "{{container}} · {{instance}}"
DATASET = "{{dataset}} · {{instance}}"

_KEPT = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
TO_HOST = ("The host", f"/d/bulkhead-host?{_KEPT}&var-instance=${{__data.fields.Host}}")
TO_CONTAINER = (
    "All about this container",
    f"/d/bulkhead-container?{_KEPT}&var-instance=${{__data.fields.Host}}&var-container=${{__data.fields.Container}}",
)
TO_CONTAINER_HERE = (
    "All about this container",
    f"/d/bulkhead-container?{_KEPT}&${{instance:queryparam}}&var-container=${{__data.fields.Container}}",
)
TO_STORAGE = ("Storage of the host", f"/d/bulkhead-storage?{_KEPT}&var-instance=${{__data.fields.Host}}")
TO_HARDENING = ("Hardening of the host", f"/d/bulkhead-hardening?{_KEPT}&var-instance=${{__data.fields.Host}}")
RUNBOOKS = "https://github.com/bulkhead-exporter/bulkhead/blob/main/alerts/runbooks"


def runbook(alert: str) -> str:
    """Where the runbook of an alert is; a site that serves its own copies changes the variable."""
    return f"${{runbooks}}/{alert}.md"


def threshold(name: str) -> str:
    """A threshold of the chosen hosts."""
    return f'bulkhead_threshold{{{HOST},name="{name}"}}'


def over(values: str, name: str) -> str:
    """Those of the values that are over their own host's threshold."""
    return f"{values} > on (job, instance) group_left () {threshold(name)}"


def level_of(values: str, warning: str, critical: str) -> str:
    """0, 1 over the warning threshold, 2 over the critical one: by the host's own."""
    each = (f"({values} > bool on (job, instance) group_left () {threshold(name)})" for name in (warning, critical))
    return " + ".join(each)


def threshold_lines(names: str) -> tuple[str, str]:
    """Query and legend of dashed lines."""
    return f'max by (name) (bulkhead_threshold{{{HOST},name=~"{names}"}})', "threshold {{name}}"


def severity_rank(labels: str) -> str:
    """The catalogue of checks with a number for the severity; words would be sorted by the alphabet."""
    return " or ".join(
        f'{weight} * bulkhead_hardening_check_info{{{labels},severity="{severity}"}}'
        for severity, weight in (("critical", 3), ("warning", 2), ("info", 1))
    )
