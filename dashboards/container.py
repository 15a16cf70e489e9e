# ruff: noqa: INP001 - a generator beside the dashboards it writes, no package of the product
"""The rows of the container dashboard: everything about one container."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards import container_walls
from dashboards.marks import mark
from dashboards.panels import course, number
from dashboards.tables import Column, listing
from dashboards.terms import (
    ANY,
    ITSELF,
    MEMORY_STEPS,
    ONE,
    ORANGE,
    RATE,
    RED,
    RESTARTS,
    threshold_lines,
)

ANNOTATIONS = (
    mark(
        "OOM kills",
        f"bulkhead_container_last_oom_kill_timestamp_seconds{{{ONE}}} * 1000",
        RED,
        "Killed for want of memory",
    ),
    # The start that an automatic restart ended in: fresh when it was asked for, and counted shortly before.
    mark(
        "Restarts",
        f"(bulkhead_container_start_time_seconds{{{ONE}}} * 1000 > (time() - 300) * 1000)"
        f" and on (job, instance, container) increase(bulkhead_container_restarts_total{{{ONE}}}[10m]) > 0",
        ORANGE,
        "Restarted",
    ),
)


def _glance() -> list[model.Panel]:
    panels = [
        number(
            "State",
            f"bulkhead_container_state{{{ONE}}} == 1",
            about="As podman reports it; missing: a quadlet expects it and podman has none.",
            label="state",
            alert="BulkheadContainerMissing",
            width=3,
        ),
        number(
            "Unit",
            f"bulkhead_container_unit_state{{{ONE}}} == 1",
            about="ActiveState of its systemd unit.",
            label="state",
            alert="BulkheadUnitFailed",
            width=3,
        ),
        number(
            "Up for",
            f"time() - bulkhead_container_start_time_seconds{{{ONE}}}",
            about="Since it was last started.",
            unit="s",
            width=3,
        ),
        number(
            "Memory of limit",
            f"bulkhead_container_memory_ratio{{{ONE}}}",
            about="Working set over limit, at the level nearest to its limit. Limits are meant to be 80 % used.",
            unit="percentunit",
            steps=MEMORY_STEPS,
            width=3,
            alert="BulkheadMemoryNearLimit",
        ),
        number(
            "OOM kills",
            f"sum(increase(bulkhead_container_oom_kills_total{{{ONE}}}[$__range]))",
            about="Processes killed for want of memory in the time shown.",
            steps=ANY,
            width=3,
            alert="BulkheadOomKill",
        ),
        number(
            "Restarts",
            f"sum(increase(bulkhead_container_restarts_total{{{ONE}}}[$__range]))",
            about="Automatic restarts in the time shown.",
            steps=RESTARTS,
            width=3,
            alert="BulkheadRestartLoop",
        ),
        number(
            "Last exit code",
            f"bulkhead_container_last_exit_code{{{ONE}}}",
            about="128 + N for signal N: 137 is SIGKILL, which is how an OOM kill ends. None seen: empty.",
            steps=((1, ORANGE), (137, RED), (138, ORANGE)),
            width=3,
        ),
        number(
            "Checks failing",
            f'sum(bulkhead_container_hardening_failed{{{ONE},severity=~"critical|warning"}})',
            about="Critical ones and warnings.",
            steps=ANY,
            width=3,
            alert="BulkheadCriticalCheckFailing",
        ),
    ]
    identity = listing(
        "What it is",
        [
            Column("Image", f"bulkhead_container_info{{{ONE}}}", label="image", width=420),
            Column("Unit", label="unit"),
            Column("Slice", label="slice"),
            Column("Pod", label="pod"),
            Column("User", label="user"),
            Column("Network mode", label="network_mode"),
            Column("Id", label="id"),
            Column("Image id", label="image_id"),
        ],
        about="With --rm a container is a new one with a new id after each restart: its name is what lasts.",
        worst_first="Image",
        without=ITSELF,
        height=4,
    )
    return [panel.build() for panel in (*panels, identity)]


def _memory() -> list[model.Panel]:
    ratio = f"bulkhead_container_memory_ratio{{{ONE}}}"
    sizes = [
        ("usage", "usage"),
        ("working set", "working_set"),
        ("unreclaimable", "unreclaimable"),
        ("peak", "peak"),
        ("swap", "swap"),
        ("limit that binds", "limit"),
        ("limit, soft (memory.high)", "high"),
        ("limit recommended", "recommended_limit"),
    ]
    panels = [
        course(
            "Memory",
            [(f"bulkhead_container_memory_{name}_bytes{{{ONE}}}", legend) for legend, name in sizes],
            about="Dashed are the limits: the one that binds, memory.high, and the recommended one.",
            unit="bytes",
            alert="BulkheadMemoryNearLimit",
        ),
        course(
            "Memory of limit over time",
            [(ratio, "memory"), threshold_lines("memory_(target|warning|critical)_ratio")],
            about="The dashed lines are the host's own target, warning and critical ratio.",
            unit="percentunit",
            most=1,
        ),
        course(
            "Memory events",
            [(f"rate(bulkhead_container_memory_events_total{{{ONE}}}{RATE})", "{{event}}")],
            about="A second: memory.high exceeded, the limit hit, an allocation that failed for it.",
            unit="cps",
            width=8,
        ),
        course(
            "Waiting and stalled",
            [
                (f"rate(bulkhead_container_pressure_{what}_{how}_seconds_total{{{ONE}}}{RATE})", f"{what}, {how}")
                for what in ("cpu", "memory", "io")
                for how in ("waiting", "stalled")
            ],
            about="Share of time in which some task (waiting) or every task (stalled) waited (PSI some, full).",
            unit="percentunit",
            width=8,
        ),
        course(
            "Which level binds",
            [(f"bulkhead_container_memory_limit_level{{{ONE}}} == 1", "{{level}}")],
            about="Where the smallest memory limit is: payload, service, slice or an ancestor.",
            unit="short",
            width=8,
        ),
    ]
    return [panel.build() for panel in panels]


def _ends() -> list[model.Panel]:
    panels = [
        course(
            title,
            [(f"increase({counter}{{{ONE}}}{RATE}) > 0", legend)],
            about=about,
            unit="short",
            width=8,
            bars=True,
            alert=alert,
        )
        for title, counter, legend, about, alert in (
            (
                "OOM kills by limit",
                "bulkhead_container_oom_kills_by_limit_total",
                "{{limit}}",
                "Whose limit fired: payload, service, slice, ancestor, host, systemd-oomd.",
                "BulkheadOomKill",
            ),
            (
                "Restarts over time",
                "bulkhead_container_restarts_total",
                "restarts",
                "Automatic, by systemd or podman.",
                "BulkheadRestartLoop",
            ),
            (
                "Exits by reason",
                "bulkhead_container_exits_total",
                "{{reason}}",
                "stopped: somebody asked for it.",
                "BulkheadRestartLoop",
            ),
        )
    ]
    return [panel.build() for panel in panels]


def _work() -> list[model.Panel]:
    def rate(name: str) -> str:
        return f"rate(bulkhead_container_{name}_total{{{ONE}}}{RATE})"

    cores = f'min(bulkhead_container_limit_in_force{{{ONE},resource="cpu_cores"}})'
    pids = f'min(bulkhead_container_limit_in_force{{{ONE},resource="pids"}})'
    panels = [
        course(
            "CPU",
            [(rate("cpu_seconds"), "{{mode}}"), (cores, "limit")],
            about="Cores in use. Dashed is the smallest limit in force.",
            unit="short",
            width=8,
        ),
        course(
            "CPU held back",
            [(f"{rate('cpu_throttled_periods')} / {rate('cpu_periods')}", "share of periods")],
            about="Share of quota periods in which the container used up its quota.",
            unit="percentunit",
            width=8,
        ),
        course(
            "Processes and threads",
            [(f"bulkhead_container_pids{{{ONE}}}", "pids"), (pids, "limit")],
            about="Dashed is the smallest limit in force.",
            unit="short",
            width=8,
        ),
        course(
            "Block devices",
            [(rate("io_read_bytes"), "read"), (rate("io_written_bytes"), "written")],
            about="ZFS does its I/O elsewhere: see the dataset.",
            unit="Bps",
        ),
        course(
            "Network",
            [
                (rate(f"network_{direction}_bytes"), f"{direction} {{{{interface}}}}")
                for direction in ("receive", "transmit")
            ],
            about="By interface, right for macvlan too.",
            unit="Bps",
        ),
    ]
    return [panel.build() for panel in panels]


ROWS = (
    ("At a glance", _glance),
    ("Memory", _memory),
    ("Kills, restarts, exits", _ends),
    ("CPU, processes, I/O, network", _work),
    ("Limits", container_walls.limits),
    ("Storage", container_walls.storage),
    ("Walls", container_walls.walls),
)
