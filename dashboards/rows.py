# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the host dashboard: what is asked, and what it is called.

Colours use the default thresholds, because Grafana takes none from a query; the dashed lines in the courses are the
thresholds that the host itself serves.
"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    YELLOW,
    Column,
    Steps,
    course,
    listing,
    number,
    ranking,
)
from exporter.assess.limits import Limits

_DEFAULT = Limits()
HOST = 'job=~"$job",instance=~"$instance"'
_ONE = f'{HOST},container=~"$container"'
_EACH = "by (job, instance, container)"

_MEMORY_STEPS: Steps = (
    (_DEFAULT.memory_target_ratio, YELLOW),
    (_DEFAULT.memory_warning_ratio, ORANGE),
    (_DEFAULT.memory_critical_ratio, RED),
)
_QUOTA_STEPS: Steps = ((_DEFAULT.quota_warning_ratio, ORANGE), (_DEFAULT.quota_critical_ratio, RED))
_ANY: Steps = ((1, RED),)
_SOME: Steps = ((1, ORANGE),)

# Two hosts may have containers, datasets and collectors of one name.
_CONTAINER = "{{container}} · {{instance}}"
_DATASET = "{{dataset}} · {{instance}}"


def _threshold_lines(names: str) -> tuple[str, str]:
    return f'max by (name) (bulkhead_threshold{{{HOST},name=~"{names}"}})', "threshold {{name}}"


def _glance() -> list[model.Panel]:
    state = f"bulkhead_container_state{{{_ONE},state="
    panels = [
        number("Running", f'sum({state}"running"}})', about="Containers that run.", steps=()),
        number(
            "Missing",
            f'sum({state}"missing"}})',
            about="Containers that a quadlet expects and podman does not have.",
            steps=_SOME,
        ),
        number(
            "OOM kills",
            f"sum(increase(bulkhead_container_oom_kills_total{{{_ONE}}}[$__range]))",
            about="Processes killed for want of memory in the time shown.",
            steps=_ANY,
        ),
        number(
            "Restarts",
            f"sum(increase(bulkhead_container_restarts_total{{{_ONE}}}[$__range]))",
            about="Automatic restarts in the time shown.",
            steps=((1, YELLOW), (_DEFAULT.restart_loop_restarts, RED)),
        ),
        number(
            "Critical checks failing",
            f'sum(bulkhead_container_hardening_failed{{{_ONE},severity="critical"}})',
            about="Walls between containers, or to the host, that do not stand.",
            steps=_ANY,
        ),
        number(
            "Collectors failing",
            f"count(bulkhead_scrape_collector_success{{{HOST}}} == 0) or vector(0)",
            about="Sources that the agent could not read: what depends on them is old or unknown.",
            steps=_SOME,
        ),
    ]
    return [panel.build() for panel in panels]


def _containers() -> list[model.Panel]:
    kills = f"sum {_EACH} (increase(bulkhead_container_oom_kills_total{{{_ONE}}}[$__range]))"
    restarts = f"sum {_EACH} (increase(bulkhead_container_restarts_total{{{_ONE}}}[$__range]))"
    mounts = f"max by (job, instance, container, dataset) (bulkhead_container_dataset_info{{{_ONE}}})"
    fill = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"
    columns = [
        Column("Container", label="container", width=220),
        Column("Host", label="instance", width=180),
        Column(
            "State",
            f"max by (job, instance, container, state) (bulkhead_container_state{{{_ONE}}} == 1)",
            label="state",
            texts={"running": ("running", GREEN), "missing": ("missing", RED), "dead": ("dead", RED)},
        ),
        Column(
            "Memory of limit",
            f"max {_EACH} (bulkhead_container_memory_ratio{{{_ONE}}})",
            unit="percentunit",
            decimals=1,
            steps=_MEMORY_STEPS,
            gauge=True,
            width=200,
        ),
        Column("Limit", f"max {_EACH} (bulkhead_container_memory_limit_bytes{{{_ONE}}})", unit="bytes", decimals=1),
        Column(
            "Recommended",
            f"max {_EACH} (bulkhead_container_memory_recommended_limit_bytes{{{_ONE}}})",
            unit="bytes",
            decimals=1,
        ),
        Column("OOM kills", kills, steps=_ANY),
        Column("Restarts", restarts, steps=((1, YELLOW), (_DEFAULT.restart_loop_restarts, RED))),
        Column(
            "Quota used",
            f"max {_EACH} ({mounts} * on (job, instance, dataset) group_left () {fill})",
            unit="percentunit",
            decimals=1,
            steps=_QUOTA_STEPS,
        ),
        Column(
            "Critical checks failing",
            f'max {_EACH} (bulkhead_container_hardening_failed{{{_ONE},severity="critical"}})',
            steps=_ANY,
        ),
        Column(
            "Warnings",
            f'max {_EACH} (bulkhead_container_hardening_failed{{{_ONE},severity="warning"}})',
            steps=_SOME,
        ),
    ]
    about = "Nearest to its memory limit first. Kills and restarts are those of the time shown."
    return [listing("Containers", columns, about=about, worst_first="Memory of limit").height(12).build()]


def _memory() -> list[model.Panel]:
    ratio = f"bulkhead_container_memory_ratio{{{_ONE}}}"
    panels = [
        ranking(
            "Memory of limit",
            f"sort_desc({ratio})",
            _CONTAINER,
            about="Working set over limit, at the level nearest to its limit. Limits are meant to be 80 % used.",
            steps=_MEMORY_STEPS,
        ),
        course(
            "Memory of limit over time",
            [(ratio, _CONTAINER), _threshold_lines("memory_.+_ratio")],
            about="The dashed lines are the host's own target, warning and critical ratio.",
            unit="percentunit",
            width=16,
            most=1,
        ),
        course(
            "Working set",
            [(f"bulkhead_container_memory_working_set_bytes{{{_ONE}}}", _CONTAINER)],
            about="Memory in use, less file pages that can be dropped at once.",
            unit="bytes",
        ),
        course(
            "Stalled for want of memory",
            [
                (
                    f"rate(bulkhead_container_pressure_memory_stalled_seconds_total{{{_ONE}}}[$__rate_interval])",
                    _CONTAINER,
                )
            ],
            about="Share of time in which every task of the container waited for memory (PSI full).",
            unit="percentunit",
        ),
    ]
    return [panel.build() for panel in panels]


def _kills() -> list[model.Panel]:
    panels = [
        course(
            title,
            [(f"increase({counter}{{{_ONE}}}[$__rate_interval]) > 0", _CONTAINER)],
            about=about,
            unit="short",
            bars=True,
        )
        for title, counter, about in (
            ("OOM kills", "bulkhead_container_oom_kills_total", "Processes killed for want of memory."),
            ("Restarts", "bulkhead_container_restarts_total", "Automatic restarts, by systemd or podman."),
        )
    ]
    return [panel.build() for panel in panels]


def _storage() -> list[model.Panel]:
    ratio = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"
    panels = [
        ranking(
            "Quota used",
            f"sort_desc({ratio})",
            _DATASET,
            about="The fuller of used over quota and referenced over refquota. Empty without ZFS or without quotas.",
            steps=_QUOTA_STEPS,
        ),
        course(
            "Quota used over time",
            [(ratio, _DATASET), _threshold_lines("quota_.+_ratio")],
            about="The dashed lines are the host's own warning and critical ratio.",
            unit="percentunit",
            width=16,
            most=1,
        ),
    ]
    return [panel.build() for panel in panels]


def _hardening() -> list[model.Panel]:
    catalogue = "bulkhead_hardening_check_info"
    # As numbers, because words would be sorted by the alphabet: critical, info, warning.
    rank = " or ".join(
        f'{weight} * {catalogue}{{{HOST},severity="{severity}"}}'
        for severity, weight in (("critical", 3), ("warning", 2), ("info", 1))
    )
    failing_now = f"(bulkhead_container_hardening_check{{{_ONE}}} == 0)"
    failing = listing(
        "Checks that fail",
        [
            Column(
                "Severity",
                "max by (job, instance, container, check, title)"
                f" ({failing_now} + on (job, instance, check) group_left (title) ({rank}))",
                texts={"3": ("critical", RED), "2": ("warning", ORANGE), "1": ("info", GREY)},
                width=110,
            ),
            Column("Container", label="container"),
            Column("Host", label="instance"),
            Column("Check", label="check"),
            Column("What should hold", label="title"),
        ],
        about="What the kernel has in force decides. Sort by a column by a click on its head.",
        worst_first="Severity",
        empty="No check fails.",
        width=16,
    )
    drift = listing(
        "Declared and in force differ",
        [
            Column(
                "Container",
                f"max by (job, instance, container, check) (bulkhead_container_hardening_drift{{{_ONE}}})",
                label="container",
            ),
            Column("Host", label="instance"),
            Column("Check", label="check"),
        ],
        about="What was asked for and what the kernel has are not the same.",
        worst_first="Check",
        empty="They agree.",
        width=8,
    )
    return [failing.build(), drift.build()]


def _agent() -> list[model.Panel]:
    by_collector = "max by (job, instance, collector)"
    success = f"bulkhead_scrape_collector_success{{{HOST}}}"
    absent = f"(bulkhead_scrape_collector_present{{{HOST}}} == 0) - 1"
    health = listing(
        "Collectors",
        [
            Column("Collector", label="collector"),
            Column("Host", label="instance"),
            Column(
                "State",
                f"{by_collector} ({success} or {absent})",
                texts={"1": ("reads", GREEN), "0": ("fails", RED), "-1": ("not on this host", GREY)},
            ),
            Column(
                "Age",
                f"{by_collector} (bulkhead_collector_age_seconds{{{HOST}}})",
                unit="s",
                steps=((_DEFAULT.collector_stale_seconds, RED),),
            ),
            Column(
                "Duration",
                f"{by_collector} (bulkhead_scrape_collector_duration_seconds{{{HOST}}})",
                unit="s",
                decimals=3,
            ),
            Column("Events", f"{by_collector} (bulkhead_events_total{{{HOST}}})"),
            Column("Gaps", f"{by_collector} (bulkhead_events_lost_total{{{HOST}}})", steps=_SOME),
        ],
        about="Each source of the agent: whether it answers, and how old is what is shown of it.",
        worst_first="Age",
        width=12,
    )
    age = course(
        "Age of what is shown",
        [
            (f"bulkhead_collector_age_seconds{{{HOST}}}", "{{collector}} · {{instance}}"),
            _threshold_lines("collector_stale_seconds"),
        ],
        about="The dashed line is the age from which a collector counts as stale.",
        unit="s",
    )
    scrape = course(
        "Duration of a scrape",
        [(f"scrape_duration_seconds{{{HOST}}}", "{{instance}}")],
        about="As Prometheus measures it.",
        unit="s",
    )
    dropped = course(
        "Series dropped",
        [(f"sum by (job, instance, reason) (bulkhead_series_dropped_total{{{HOST}}})", "{{reason}} · {{instance}}")],
        about="More than 0: the page is not the whole truth, a guard on the number of series held some back.",
        unit="short",
    )
    return [health.build(), age.build(), scrape.build(), dropped.build()]


ROWS = (
    ("At a glance", _glance),
    ("Containers, worst first", _containers),
    ("Memory", _memory),
    ("Kills and restarts", _kills),
    ("Storage", _storage),
    ("Hardening", _hardening),
    ("The agent", _agent),
)
