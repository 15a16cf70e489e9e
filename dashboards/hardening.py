# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the hardening dashboard: which wall is weak."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards.panels import course, number
from dashboards.tables import Column, listing, matrix
from dashboards.terms import (
    ANY,
    DEFAULT,
    GREEN,
    HOST,
    ONE,
    ORANGE,
    RED,
    SEVERITIES,
    SOME,
    TO_CONTAINER,
    TO_HOST,
    YELLOW,
    runbook,
    severity_rank,
    threshold,
)

_CHOSEN = f'{HOST},severity=~"$severity"'
_CATALOGUE = f"bulkhead_hardening_check_info{{{_CHOSEN}}}"
_ON_CATALOGUE = f"* on (job, instance, check) group_left () {_CATALOGUE}"
_DAY_SECONDS = 86_400

# A failing check that is waived has neither a pass nor a failure, but the day on which its waiver ends.
_VERDICT = (
    f"(bulkhead_container_hardening_check{{{ONE}}}"
    f" or 2 * bulkhead_container_hardening_unknown{{{ONE}}}"
    f" or 3 * bulkhead_container_hardening_waived{{{ONE}}})"
)
_WITH_DRIFT = (
    f"({_VERDICT} + on (job, instance, container, check) 4 * bulkhead_container_hardening_drift{{{ONE}}}"
    f" or on (job, instance, container, check) {_VERDICT})"
)
_MATRIX = (
    f"label_join(max by (job, instance, container, check) ({_WITH_DRIFT} {_ON_CATALOGUE}),"
    ' "row", " · ", "container", "instance")'
)
_CELLS = {
    "0": ("fails", RED),
    "1": ("passes", GREEN),
    "2": ("unknown", YELLOW),
    "3": ("waived", "blue"),
    "4": ("fails ≠", RED),
    "5": ("passes ≠", ORANGE),
    "6": ("unknown ≠", YELLOW),
    "7": ("waived ≠", "blue"),
}


def _glance() -> list[model.Panel]:
    def failing(severity: str) -> str:
        return f'sum(bulkhead_container_hardening_failed{{{ONE},severity="{severity}"}})'

    ending = (
        f"count((bulkhead_container_hardening_waiver_expiry_timestamp_seconds{{{ONE}}} - time())"
        f" < on (job, instance) group_left () {threshold('waiver_warning_seconds')}) or vector(0)"
    )
    panels = [
        number(
            "Critical checks failing",
            failing("critical"),
            about="Of containers: walls between them, or to the host, that do not stand.",
            steps=ANY,
            alert="BulkheadCriticalCheckFailing",
        ),
        number("Warnings", failing("warning"), about="Checks of containers of this severity that fail.", steps=SOME),
        number(
            "Hosts' checks failing",
            f"count(bulkhead_host_hardening_check{{{HOST}}} == 0) or vector(0)",
            about="Of the hosts themselves, of any severity.",
            steps=SOME,
            alert="BulkheadHostCheckFailing",
        ),
        number(
            "Not judged",
            f"count(bulkhead_container_hardening_unknown{{{ONE}}}) or vector(0)",
            about="Checks of containers for which a source gave no answer: they pass for nobody.",
            steps=((1, YELLOW),),
            alert="BulkheadCollectorFailing",
        ),
        number(
            "Not as declared",
            f"count(bulkhead_container_hardening_drift{{{ONE}}}) or vector(0)",
            about="Checks where what was asked for and what the kernel has are not the same.",
            steps=SOME,
        ),
        number(
            "Waivers ending",
            ending,
            about="Within the host's own time of warning, or over.",
            steps=SOME,
            alert="BulkheadWaiverEnding",
        ),
    ]
    return [panel.build() for panel in panels]


def _walls() -> list[model.Panel]:
    about = (
        "Each container against each check of the chosen severities. ≠: what was declared and what is in force differ. "
        "Empty: the check does not apply."
    )
    panel = matrix(
        "Containers and checks",
        _MATRIX,
        row="row",
        column="check",
        texts=_CELLS,
        about=about,
    )
    return [panel.build()]


def _failing() -> list[model.Panel]:
    failing_now = f"(bulkhead_container_hardening_check{{{ONE}}} == 0)"
    ranked = f"on (job, instance, check) group_left (title) ({severity_rank(_CHOSEN)})"
    by_check = listing(
        "Checks by how many fail",
        [
            Column("Severity", f"max by (check, title) ({severity_rank(_CHOSEN)})", texts=SEVERITIES, width=100),
            Column("Check", label="check", link=("Runbook", runbook("BulkheadCriticalCheckFailing"))),
            Column(
                "Containers",
                f"count by (check, title) ({failing_now} * on (job, instance, check) group_left (title) {_CATALOGUE})",
                steps=SOME,
                width=110,
            ),
            Column("What should hold", label="title"),
        ],
        about="Which wall is weak in many places; without a number it stands everywhere.",
        worst_first="Containers",
        width=12,
        height=12,
    )
    every = listing(
        "Checks that fail",
        [
            Column(
                "Severity",
                f"max by (job, instance, container, check, title) ({failing_now} + {ranked})",
                texts=SEVERITIES,
                width=100,
            ),
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Check", label="check"),
            Column("What should hold", label="title"),
        ],
        about="What the kernel has in force decides. `bulkhead explain CHECK` says how to mend it.",
        worst_first="Severity",
        empty="No check fails.",
        width=12,
        height=12,
        alert="BulkheadCriticalCheckFailing",
    )
    return [by_check.build(), every.build()]


def _drift_and_waivers() -> list[model.Panel]:
    def listed(title: str, metric: str, about: str, empty: str) -> model.Panel:
        columns = [
            Column(
                "Container",
                f"max by (job, instance, container, check) ({metric}{{{ONE}}} {_ON_CATALOGUE})",
                label="container",
                link=TO_CONTAINER,
            ),
            Column("Host", label="instance"),
            Column("Check", label="check"),
        ]
        return listing(title, columns, about=about, worst_first="Check", empty=empty, width=8).build()

    waivers = listing(
        "Waivers",
        [
            Column(
                "Ends in",
                "max by (job, instance, container, check)"
                f" ((bulkhead_container_hardening_waiver_expiry_timestamp_seconds{{{ONE}}}"
                f" or bulkhead_host_hardening_waiver_expiry_timestamp_seconds{{{HOST}}}) - time())",
                unit="s",
                base=RED,
                steps=((_DAY_SECONDS, ORANGE), (DEFAULT.waiver_warning_seconds, GREEN)),
            ),
            Column("Container", label="container", link=TO_CONTAINER),
            Column("Host", label="instance"),
            Column("Check", label="check"),
        ],
        about="Failures that somebody accepts until a day; then they fail again. The matrix above has those without a "
        "day, too. Without a container: the host's own.",
        worst_first="Ends in",
        ascending=True,
        width=8,
        alert="BulkheadWaiverEnding",
    )
    return [
        listed(
            "Declared and in force differ",
            "bulkhead_container_hardening_drift",
            "What was asked for and what the kernel has are not the same.",
            "They agree.",
        ),
        listed(
            "Not judged",
            "bulkhead_container_hardening_unknown",
            "A source gave no answer, and unknown is never a pass.",
            "All were.",
        ),
        waivers.build(),
    ]


def _hosts() -> list[model.Panel]:
    verdict = (
        f"max by (job, instance, check) (bulkhead_host_hardening_check{{{HOST}}}"
        f" or 2 * bulkhead_host_hardening_unknown{{{HOST}}}"
        f" or 3 * bulkhead_host_hardening_waived{{{HOST}}})"
    )
    checks = listing(
        "The hosts' own checks",
        [
            Column("Host", label="instance", link=TO_HOST, width=200),
            Column(
                "Severity",
                "max by (job, instance, check, title)"
                f" (0 * {verdict} + on (job, instance, check) group_left (title) ({severity_rank(_CHOSEN)}))",
                texts=SEVERITIES,
                width=100,
            ),
            Column("Verdict", f"{verdict} {_ON_CATALOGUE}", texts=_CELLS, width=110),
            Column("Check", label="check"),
            Column("What should hold", label="title"),
        ],
        about="Every container of a host stands behind these.",
        worst_first="Verdict",
        ascending=True,
        width=16,
        alert="BulkheadHostCheckFailing",
    )
    waivers = listing(
        "Waivers by state",
        [
            Column("Host", label="instance"),
            Column("State", f"max by (job, instance, state) (bulkhead_waivers{{{HOST}}})", label="state"),
            Column("Waivers", f"max by (job, instance, state) (bulkhead_waivers{{{HOST}}})"),
        ],
        about="idle: the check does not fail; unmatched: no such container or check; expired: it fails again.",
        worst_first="Waivers",
        width=8,
    )
    return [checks.build(), waivers.build()]


def _over_time() -> list[model.Panel]:
    panels = [
        course(
            "Checks failing by severity",
            [(f"sum by (severity) (bulkhead_container_hardening_failed{{{ONE}}})", "{{severity}}")],
            about="Of the chosen containers, without those that are waived.",
            unit="short",
        ),
        course(
            "Critical checks failing by host",
            [
                (
                    f'sum by (job, instance) (bulkhead_container_hardening_failed{{{ONE},severity="critical"}})',
                    "{{instance}}",
                )
            ],
            about="Of the chosen containers, without those that are waived.",
            unit="short",
            alert="BulkheadCriticalCheckFailing",
        ),
    ]
    return [panel.build() for panel in panels]


ROWS = (
    ("At a glance", _glance),
    ("Every wall", _walls),
    ("What fails", _failing),
    ("Drift, unknown, waivers", _drift_and_waivers),
    ("The hosts themselves", _hosts),
    ("Over time", _over_time),
)
