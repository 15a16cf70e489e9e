# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the container dashboard that tell what holds the container in: limits, storage, walls."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import course, number, ranking
from dashboards.tables import Column, listing
from dashboards.terms import (
    ANY,
    GREEN,
    GREY,
    HOST,
    ITSELF,
    ONE,
    ORANGE,
    QUOTA_STEPS,
    RATE,
    RED,
    SEVERITIES,
    severity_rank,
)


def limits() -> list[model.Panel]:
    """What was asked for, what is in force, and where they differ."""

    def figures(column: str, expr: str, label: str, about: str) -> model.Panel:
        columns = [
            Column("Resource", label="resource", width=180),
            Column(column, label=label, width=120),
            Column(
                "Limit",
                f"max by (job, instance, container, resource, {label}) ({expr})",
                decimals=None,
                unit="short",
            ),
        ]
        title = f"Limits: {about}"
        said = f"{about.capitalize()}."
        return listing(title, columns, about=said, worst_first="Resource", without=ITSELF, width=8).build()

    drift = listing(
        "Limits: verdicts",
        [
            Column("Resource", label="resource", width=180),
            Column(
                "Verdict",
                f"max by (job, instance, container, resource, kind) (bulkhead_container_limit_drift{{{ONE}}} == 1)",
                label="kind",
                texts={
                    "not_applied": ("not in force", RED),
                    "mismatch": ("sources disagree", ORANGE),
                    "single": ("asked in one place only", GREY),
                    "none": ("asked nowhere", GREY),
                },
            ),
        ],
        about="What is asked against what is in force.",
        worst_first="Verdict",
        without=ITSELF,
        empty="As it should be.",
        width=8,
        alert="BulkheadLimitNotApplied",
    )
    return [
        figures("Asked of", f"bulkhead_container_limit_declared{{{ONE}}}", "source", "asked of podman, unit and slice"),
        figures("Level", f"bulkhead_container_limit_in_force{{{ONE}}}", "level", "in force at each cgroup level"),
        drift.build(),
    ]


def storage() -> list[model.Panel]:
    """What it mounts, and how full that is."""
    mounts = f"max by (job, instance, container, dataset, destination, mode) (bulkhead_container_dataset_info{{{ONE}}})"
    quota = f"bulkhead_zfs_dataset_quota_ratio{{{HOST}}}"
    datasets = f"max by (job, instance, dataset) (bulkhead_container_dataset_info{{{ONE}}})"
    joined = "* on (job, instance, dataset) group_right ()"
    panels = [
        ranking(
            "Quota used",
            f"({datasets} {joined} {quota})",
            "{{dataset}}",
            warning="quota_warning_ratio",
            critical="quota_critical_ratio",
            about="Of the datasets that it mounts. Empty without ZFS or without quotas.",
            width=6,
            alert="BulkheadQuotaNearlyFull",
        ),
        course(
            "Dataset traffic",
            [
                (
                    f"{datasets} {joined} rate(bulkhead_zfs_dataset_{name}_bytes_total{{{HOST}}}{RATE})",
                    f"{name} {{{{dataset}}}}",
                )
                for name in ("read", "written")
            ],
            about="Of the datasets that it mounts, by whomever.",
            unit="Bps",
            width=9,
        ),
        listing(
            "Mounts of datasets",
            [
                Column("Dataset", mounts, label="dataset"),
                Column("Destination", label="destination"),
                Column("Mode", label="mode", width=80),
            ],
            about="Which datasets it mounts, and whether it may write.",
            worst_first="Dataset",
            without=ITSELF,
            ascending=True,
            width=9,
        ),
        listing(
            "Volumes",
            [
                Column("Destination", label="destination"),
                Column(
                    "Used of size",
                    f"max by (job, instance, container, destination) (bulkhead_container_volume_used_bytes{{{ONE}}}"
                    f" / bulkhead_container_volume_size_bytes{{{ONE}}})",
                    unit="percentunit",
                    decimals=1,
                    steps=QUOTA_STEPS,
                    gauge=True,
                ),
                Column(
                    "Available",
                    "max by (job, instance, container, destination)"
                    f" (bulkhead_container_volume_available_bytes{{{ONE}}})",
                    unit="bytes",
                    decimals=1,
                ),
                Column(
                    "Label",
                    f"max by (job, instance, container, destination, kind) (bulkhead_container_volume_label{{{ONE}}})",
                    label="kind",
                    texts={"foreign": ("foreign", RED), "unlabelled": ("unlabelled", RED)},
                ),
            ],
            about="Each bind and volume, on any file system; private is Z, shared is z.",
            worst_first="Used of size",
            without=ITSELF,
            height=8,
        ),
    ]
    return [panel.build() for panel in panels]


def walls() -> list[model.Panel]:
    """Every check, its networks and its label."""
    verdict = (
        f"max by (job, instance, container, check) (bulkhead_container_hardening_check{{{ONE}}}"
        f" or 2 * bulkhead_container_hardening_unknown{{{ONE}}})"
    )
    checks = listing(
        "Checks",
        [
            Column(
                "Severity",
                "max by (job, instance, container, check, title)"
                f" (0 * {verdict} + on (job, instance, check) group_left (title) ({severity_rank(HOST)}))",
                texts=SEVERITIES,
                width=110,
            ),
            Column(
                "Verdict",
                verdict,
                texts={"1": ("passes", GREEN), "0": ("fails", RED), "2": ("could not be judged", ORANGE)},
                width=160,
            ),
            Column(
                "Drift",
                f"max by (job, instance, container, check) (bulkhead_container_hardening_drift{{{ONE}}})",
                texts={"1": ("not as declared", ORANGE)},
                width=140,
            ),
            Column("Check", label="check", width=260),
            Column("What should hold", label="title"),
        ],
        about="Every check that applies. `bulkhead explain CHECK` says how to mend what fails.",
        worst_first="Verdict",
        without=ITSELF,
        ascending=True,
        width=16,
        height=14,
        alert="BulkheadCriticalCheckFailing",
    )
    isolation = listing(
        "Networks",
        [
            Column("Network", f"bulkhead_container_network_info{{{ONE}}}", label="network"),
            Column("Driver", label="driver"),
            Column("Parent", label="parent"),
            Column("IP", label="ip"),
            Column("MAC", label="mac"),
        ],
        about="What it is attached to, with its addresses.",
        worst_first="Network",
        without=ITSELF,
        width=8,
        height=7,
    )
    label = listing(
        "SELinux",
        [
            Column("Type", f"bulkhead_container_selinux_info{{{ONE}}}", label="type"),
            Column("Level", label="level"),
        ],
        about="The process label in force.",
        worst_first="Type",
        without=ITSELF,
        width=4,
        height=7,
    )
    denials = number(
        "SELinux denials",
        f"sum(increase(bulkhead_container_avc_denials_total{{{ONE}}}[$__range]))",
        about="In the time shown.",
        steps=ANY,
    ).height(7)
    return [panel.build() for panel in (checks, isolation, label, denials)]
