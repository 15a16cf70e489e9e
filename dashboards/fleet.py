# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the fleet dashboard: hosts worst first, and what is wrong on each."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import course, number
from dashboards.tables import Column, listing
from dashboards.terms import (
    ANY,
    GREEN,
    HOST,
    MEMORY_STEPS,
    ORANGE,
    QUOTA_STEPS,
    RED,
    RESTARTS,
    SOME,
    TO_HARDENING,
    TO_HOST,
    TO_STORAGE,
    over,
    runbook,
    threshold_lines,
)

_EACH = "by (job, instance)"
_SERIOUS = f'bulkhead_hardening_check_info{{{HOST},severity=~"critical|warning"}}'
_HOST_CHECKS = f"((bulkhead_host_hardening_check{{{HOST}}} == 0) and on (job, instance, check) {_SERIOUS})"
_UP = f"up{{{HOST}}}"

# What makes a host bad: each counts its containers, datasets, checks or collectors.
_PROBLEMS = (
    ("the agent does not answer", f"{_UP} == 0"),
    ("container missing", f'bulkhead_container_state{{{HOST},state="missing"}} == 1'),
    ("unit failed", f'bulkhead_container_unit_state{{{HOST},state="failed"}} == 1'),
    ("restart loop", f"bulkhead_container_restart_loop{{{HOST}}} == 1"),
    ("memory near its limit", over(f"bulkhead_container_memory_ratio{{{HOST}}}", "memory_warning_ratio")),
    ("quota nearly full", over(f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}", "quota_warning_ratio")),
    ("pool not online", f'bulkhead_zfs_pool_state{{{HOST},state="online"}} == 0'),
    ("container fails a critical check", f'bulkhead_container_hardening_failed{{{HOST},severity="critical"}} > 0'),
    ("host fails a check", _HOST_CHECKS),
    ("limit not in force", f'bulkhead_container_limit_drift{{{HOST},kind="not_applied"}} == 1'),
    ("collector fails", f"bulkhead_scrape_collector_success{{{HOST}}} == 0"),
    ("counts not durable", f"bulkhead_ledger_durable{{{HOST}}} == 0"),
)
_WRONG = " or ".join(
    f'label_replace(count {_EACH} ({found}), "problem", "{problem}", "", "")' for problem, found in _PROBLEMS
)


def _glance() -> list[model.Panel]:
    state = f"bulkhead_container_state{{{HOST},state="
    panels = [
        number("Hosts", f"count({_UP})", about="Hosts that Prometheus scrapes.", width=3),
        number(
            "Agents down",
            f"count({_UP} == 0) or vector(0)",
            about="Agents that do not answer: none of their containers is watched.",
            steps=ANY,
            width=3,
            alert="BulkheadAgentDown",
        ),
        number("Containers running", f'sum({state}"running"}})', about="Containers that run, on all hosts.", width=3),
        number(
            "Missing",
            f'sum({state}"missing"}})',
            about="Containers that a quadlet expects and podman does not have.",
            steps=SOME,
            width=3,
            alert="BulkheadContainerMissing",
        ),
        number(
            "OOM kills",
            f"sum(increase(bulkhead_container_oom_kills_total{{{HOST}}}[$__range]))",
            about="Processes killed for want of memory in the time shown.",
            steps=ANY,
            width=3,
            alert="BulkheadOomKill",
        ),
        number(
            "Restart loops",
            f"sum(bulkhead_container_restart_loop{{{HOST}}})",
            about="Containers that restart again and again.",
            steps=ANY,
            width=3,
            alert="BulkheadRestartLoop",
        ),
        number(
            "Critical checks failing",
            f'sum(bulkhead_container_hardening_failed{{{HOST},severity="critical"}})',
            about="Walls between containers, or to a host, that do not stand.",
            steps=ANY,
            width=3,
            alert="BulkheadCriticalCheckFailing",
        ),
        number(
            "Collectors failing",
            f"count(bulkhead_scrape_collector_success{{{HOST}}} == 0) or vector(0)",
            about="Sources that agents could not read: what depends on them is old or unknown.",
            steps=SOME,
            width=3,
            alert="BulkheadCollectorFailing",
        ),
    ]
    return [panel.build() for panel in panels]


def _hosts() -> list[model.Panel]:
    def failed(severity: str) -> str:
        return f'sum {_EACH} (bulkhead_container_hardening_failed{{{HOST},severity="{severity}"}})'

    columns = [
        Column("Host", label="instance", width=220, link=TO_HOST),
        Column("Problems", f"sum {_EACH} ({_WRONG}) or 0 * max {_EACH} ({_UP})", steps=SOME, base=GREEN),
        Column(
            "Agent",
            f"max {_EACH} ({_UP})",
            texts={"1": ("answers", GREEN), "0": ("down", RED)},
        ),
        Column("Running", f'sum {_EACH} (bulkhead_container_state{{{HOST},state="running"}})'),
        Column("Missing", f'sum {_EACH} (bulkhead_container_state{{{HOST},state="missing"}})', steps=SOME),
        Column(
            "Fullest memory",
            f"max {_EACH} (bulkhead_container_memory_ratio{{{HOST}}})",
            unit="percentunit",
            decimals=1,
            steps=MEMORY_STEPS,
            gauge=True,
            width=180,
        ),
        Column(
            "OOM kills", f"sum {_EACH} (increase(bulkhead_container_oom_kills_total{{{HOST}}}[$__range]))", steps=ANY
        ),
        Column(
            "Restarts", f"sum {_EACH} (increase(bulkhead_container_restarts_total{{{HOST}}}[$__range]))", steps=RESTARTS
        ),
        Column(
            "Fullest quota",
            f"max {_EACH} (bulkhead_zfs_dataset_quota_ratio{{{HOST}}})",
            unit="percentunit",
            decimals=1,
            steps=QUOTA_STEPS,
            link=TO_STORAGE,
        ),
        Column("Critical checks", failed("critical"), steps=ANY, link=TO_HARDENING),
        Column("Warnings", failed("warning"), steps=SOME, link=TO_HARDENING),
        Column("Host's checks", f"count {_EACH} ({_HOST_CHECKS})", steps=SOME, link=TO_HARDENING),
        Column(
            "Version",
            f"max by (job, instance, version) (bulkhead_build_info{{{HOST}}})",
            label="version",
        ),
    ]
    about = (
        "The host with the most problems first; the table below names them. Kills and restarts are those of the time "
        "shown. What is near its limit or nearly full is judged by the thresholds of each host."
    )
    return [listing("Hosts", columns, about=about, worst_first="Problems", height=12).build()]


def _wrong() -> list[model.Panel]:
    problems = listing(
        "What is wrong",
        [
            Column("Host", label="instance", link=TO_HOST),
            Column("Problem", label="problem"),
            Column("How many", _WRONG),
        ],
        about="What the column of problems counts: containers, datasets, checks, collectors.",
        worst_first="How many",
        empty="Nothing.",
        width=12,
    )
    firing = listing(
        "Alerts that fire",
        [
            Column(
                "Severity",
                'max by (job, instance, container, alertname, severity) (ALERTS{alertname=~"Bulkhead.+",'
                f'alertstate="firing",{HOST}}})',
                label="severity",
                texts={"critical": ("critical", RED), "warning": ("warning", ORANGE)},
                width=110,
            ),
            Column("Alert", label="alertname", link=("Runbook", runbook("${__data.fields.Alert}"))),
            Column("Host", label="instance", link=TO_HOST),
            Column("Container", label="container"),
        ],
        about="As Prometheus sees them, with the rules of alerts/ loaded. An alert leads to its runbook.",
        worst_first="Severity",
        ascending=True,
        width=12,
    )
    return [problems.build(), firing.build()]


def _over_time() -> list[model.Panel]:
    by_host = "{{instance}}"
    panels = [
        course(
            "Fullest memory of each host",
            [
                (f"max {_EACH} (bulkhead_container_memory_ratio{{{HOST}}})", by_host),
                threshold_lines("memory_(target|warning|critical)_ratio"),
            ],
            about="Of all its containers the one nearest to its limit. The dashed lines are the hosts' own thresholds.",
            unit="percentunit",
            most=1,
            alert="BulkheadMemoryNearLimit",
        ),
        course(
            "Fullest quota of each host",
            [
                (f"max {_EACH} (bulkhead_zfs_dataset_quota_ratio{{{HOST}}})", by_host),
                threshold_lines("quota_(warning|critical)_ratio"),
            ],
            about="Of all its datasets the fullest. The dashed lines are the hosts' own thresholds.",
            unit="percentunit",
            most=1,
            alert="BulkheadQuotaNearlyFull",
        ),
        course(
            "OOM kills by host",
            [(f"sum {_EACH} (increase(bulkhead_container_oom_kills_total{{{HOST}}}[$__rate_interval])) > 0", by_host)],
            about="Processes killed for want of memory, in any container.",
            unit="short",
            bars=True,
        ),
        course(
            "Restarts by host",
            [(f"sum {_EACH} (increase(bulkhead_container_restarts_total{{{HOST}}}[$__rate_interval])) > 0", by_host)],
            about="Automatic restarts, of any container.",
            unit="short",
            bars=True,
        ),
        course(
            "Checks failing by severity",
            [(f"sum by (severity) (bulkhead_container_hardening_failed{{{HOST}}})", "{{severity}}")],
            about="Of all containers of all hosts, without those that are waived.",
            unit="short",
        ),
        course(
            "OOM kills that no container can be blamed for",
            [
                (
                    f"sum {_EACH} (increase(bulkhead_unattributed_oom_kills_total{{{HOST}}}[$__rate_interval])) > 0",
                    by_host,
                )
            ],
            about="In slices that several containers share.",
            unit="short",
            bars=True,
            alert="BulkheadOomKillUnattributed",
        ),
    ]
    return [panel.build() for panel in panels]


ROWS = (
    ("At a glance", _glance),
    ("Hosts, worst first", _hosts),
    ("What is wrong", _wrong),
    ("Over time", _over_time),
)
