# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the host dashboard: containers worst first."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import course, number, ranking
from dashboards.tables import Column, listing
from dashboards.terms import (
    ANY,
    CONTAINER,
    DATASET,
    DEFAULT,
    EACH,
    GREEN,
    GREY,
    HOST,
    LEVELS,
    MEMORY_STEPS,
    ONE,
    QUOTA_STEPS,
    RED,
    RESTARTS,
    SEVERITIES,
    SOME,
    STATES,
    TO_CONTAINER,
    TO_STORAGE,
    level_of,
    severity_rank,
    threshold_lines,
)


def _glance() -> list[model.Panel]:
    state = f"bulkhead_container_state{{{ONE},state="
    panels = [
        number("Running", f'sum({state}"running"}})', about="Containers that run."),
        number(
            "Missing",
            f'sum({state}"missing"}})',
            about="Containers that a quadlet expects and podman does not have.",
            steps=SOME,
            alert="BulkheadContainerMissing",
        ),
        number(
            "OOM kills",
            f"sum(increase(bulkhead_container_oom_kills_total{{{ONE}}}[$__range]))",
            about="Processes killed for want of memory in the time shown.",
            steps=ANY,
            alert="BulkheadOomKill",
        ),
        number(
            "Restarts",
            f"sum(increase(bulkhead_container_restarts_total{{{ONE}}}[$__range]))",
            about="Automatic restarts in the time shown.",
            steps=RESTARTS,
            alert="BulkheadRestartLoop",
        ),
        number(
            "Critical checks failing",
            f'sum(bulkhead_container_hardening_failed{{{ONE},severity="critical"}})',
            about="Walls between containers, or to the host, that do not stand.",
            steps=ANY,
            alert="BulkheadCriticalCheckFailing",
        ),
        number(
            "Collectors failing",
            f"count(bulkhead_scrape_collector_success{{{HOST}}} == 0) or vector(0)",
            about="Sources that the agent could not read: what depends on them is old or unknown.",
            steps=SOME,
            alert="BulkheadCollectorFailing",
        ),
    ]
    return [panel.build() for panel in panels]


def _containers() -> list[model.Panel]:
    kills = f"sum {EACH} (increase(bulkhead_container_oom_kills_total{{{ONE}}}[$__range]))"
    restarts = f"sum {EACH} (increase(bulkhead_container_restarts_total{{{ONE}}}[$__range]))"
    mounts = f"max by (job, instance, container, dataset) (bulkhead_container_dataset_info{{{ONE}}})"
    fill = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"
    memory = f"max {EACH} (bulkhead_container_memory_ratio{{{ONE}}})"
    columns = [
        Column("Container", label="container", width=220, link=TO_CONTAINER),
        Column("Host", label="instance", width=180),
        Column(
            "State",
            f"max by (job, instance, container, state) (bulkhead_container_state{{{ONE}}} == 1)",
            label="state",
            texts=STATES,
        ),
        Column("Memory of limit", memory, unit="percentunit", decimals=1, steps=MEMORY_STEPS, gauge=True, width=200),
        Column(
            "Memory is",
            f"{level_of(memory, 'memory_warning_ratio', 'memory_critical_ratio')}",
            texts=LEVELS,
        ),
        Column("Limit", f"max {EACH} (bulkhead_container_memory_limit_bytes{{{ONE}}})", unit="bytes", decimals=1),
        Column(
            "Recommended",
            f"max {EACH} (bulkhead_container_memory_recommended_limit_bytes{{{ONE}}})",
            unit="bytes",
            decimals=1,
        ),
        Column("OOM kills", kills, steps=ANY),
        Column("Restarts", restarts, steps=RESTARTS),
        Column(
            "Quota used",
            f"max {EACH} ({mounts} * on (job, instance, dataset) group_left () {fill})",
            unit="percentunit",
            decimals=1,
            steps=QUOTA_STEPS,
            link=TO_STORAGE,
        ),
        Column(
            "Critical checks failing",
            f'max {EACH} (bulkhead_container_hardening_failed{{{ONE},severity="critical"}})',
            steps=ANY,
        ),
        Column(
            "Warnings",
            f'max {EACH} (bulkhead_container_hardening_failed{{{ONE},severity="warning"}})',
            steps=SOME,
        ),
    ]
    about = (
        "Nearest to its memory limit first. Kills and restarts are those of the time shown. Limits are meant to be "
        "80 % used; whether that is near is judged by the thresholds of the container's host."
    )
    return [listing("Containers", columns, about=about, worst_first="Memory of limit", height=12).build()]


def _memory() -> list[model.Panel]:
    ratio = f"bulkhead_container_memory_ratio{{{ONE}}}"
    panels = [
        ranking(
            "Memory of limit",
            ratio,
            CONTAINER,
            warning="memory_warning_ratio",
            critical="memory_critical_ratio",
            about="Working set over limit, at the level nearest to its limit. Colours by the host's own thresholds.",
            alert="BulkheadMemoryNearLimit",
        ),
        course(
            "Memory of limit over time",
            [(ratio, CONTAINER), threshold_lines("memory_(target|warning|critical)_ratio")],
            about="The dashed lines are the host's own target, warning and critical ratio.",
            unit="percentunit",
            width=16,
            most=1,
        ),
        course(
            "Working set",
            [(f"bulkhead_container_memory_working_set_bytes{{{ONE}}}", CONTAINER)],
            about="Memory in use, less file pages that can be dropped at once.",
            unit="bytes",
        ),
        course(
            "Stalled for want of memory",
            [(f"rate(bulkhead_container_pressure_memory_stalled_seconds_total{{{ONE}}}[$__rate_interval])", CONTAINER)],
            about="Share of time in which every task of the container waited for memory (PSI full).",
            unit="percentunit",
        ),
    ]
    return [panel.build() for panel in panels]


def _kills() -> list[model.Panel]:
    panels = [
        course(
            title,
            [(f"increase({counter}{{{ONE}}}[$__rate_interval]) > 0", CONTAINER)],
            about=about,
            unit="short",
            bars=True,
            alert=alert,
        )
        for title, counter, about, alert in (
            (
                "OOM kills over time",
                "bulkhead_container_oom_kills_total",
                "Processes killed for want of memory.",
                "BulkheadOomKill",
            ),
            (
                "Restarts over time",
                "bulkhead_container_restarts_total",
                "Automatic restarts, by systemd or podman.",
                "BulkheadRestartLoop",
            ),
        )
    ]
    return [panel.build() for panel in panels]


def _storage() -> list[model.Panel]:
    ratio = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"
    panels = [
        ranking(
            "Quota used",
            ratio,
            DATASET,
            warning="quota_warning_ratio",
            critical="quota_critical_ratio",
            about="The fuller of used over quota and referenced over refquota. Empty without ZFS or without quotas.",
            alert="BulkheadQuotaNearlyFull",
        ),
        course(
            "Quota used over time",
            [(ratio, DATASET), threshold_lines("quota_(warning|critical)_ratio")],
            about="The dashed lines are the host's own warning and critical ratio.",
            unit="percentunit",
            width=16,
            most=1,
        ),
    ]
    return [panel.build() for panel in panels]


def _hardening() -> list[model.Panel]:
    failing_now = f"(bulkhead_container_hardening_check{{{ONE}}} == 0)"
    failing = listing(
        "Checks that fail",
        [
            Column(
                "Severity",
                "max by (job, instance, container, check, title)"
                f" ({failing_now} + on (job, instance, check) group_left (title) ({severity_rank(HOST)}))",
                texts=SEVERITIES,
                width=110,
            ),
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Check", label="check"),
            Column("What should hold", label="title"),
        ],
        about="What the kernel has in force decides. Sort by a column by a click on its head.",
        worst_first="Severity",
        empty="No check fails.",
        width=16,
        alert="BulkheadCriticalCheckFailing",
    )
    limits = listing(
        "Limits not as asked",
        [
            Column(
                "What is wrong",
                "max by (job, instance, container, resource, kind)"
                f' (bulkhead_container_limit_drift{{{ONE},kind=~"not_applied|mismatch"}} == 1)',
                label="kind",
                texts={"not_applied": ("not in force", RED), "mismatch": ("sources disagree", GREY)},
            ),
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Resource", label="resource"),
        ],
        about="Asked for and not in force, or podman, unit and slice were asked for different limits.",
        worst_first="What is wrong",
        empty="All are.",
        width=8,
        alert="BulkheadLimitNotApplied",
    )
    return [failing.build(), limits.build()]


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
                steps=((DEFAULT.collector_stale_seconds, RED),),
            ),
            Column(
                "Duration",
                f"{by_collector} (bulkhead_scrape_collector_duration_seconds{{{HOST}}})",
                unit="s",
                decimals=3,
            ),
            Column("Events", f"{by_collector} (bulkhead_events_total{{{HOST}}})"),
            Column("Gaps", f"{by_collector} (bulkhead_events_lost_total{{{HOST}}})", steps=SOME),
        ],
        about="Each source of the agent: whether it answers, and how old is what is shown of it.",
        worst_first="Age",
        width=12,
        alert="BulkheadCollectorFailing",
    )
    age = course(
        "Age of what is shown",
        [
            (f"bulkhead_collector_age_seconds{{{HOST}}}", "{{collector}} · {{instance}}"),
            threshold_lines("collector_stale_seconds"),
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
    ("Hardening and limits", _hardening),
    ("The agent", _agent),
)
