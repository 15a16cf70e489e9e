"""The agent's own process, under the names that every client library of Prometheus has for a process."""

from __future__ import annotations

from collections.abc import Callable

from exporter.facts.agent import AgentProcess
from exporter.present.metrics.family import Family, Kind, of_report


def _family(name: str, help_text: str, kind: Kind, value: Callable[[AgentProcess], float | None]) -> Family:
    return Family(
        name, help_text, kind, (), "1", of_report(lambda report: value(report.agent) if report.agent else None)
    )


FAMILIES: tuple[Family, ...] = (
    _family(
        "process_cpu_seconds_total",
        "CPU time that the agent has used, in user and system mode.",
        Kind.COUNTER,
        lambda agent: agent.cpu_seconds,
    ),
    _family(
        "process_resident_memory_bytes",
        "Memory of the agent that is in RAM.",
        Kind.GAUGE,
        lambda agent: agent.resident_memory_bytes,
    ),
    _family(
        "process_virtual_memory_bytes",
        "Address space of the agent.",
        Kind.GAUGE,
        lambda agent: agent.virtual_memory_bytes,
    ),
    _family(
        "process_start_time_seconds",
        "Unix time at which the agent was started.",
        Kind.GAUGE,
        lambda agent: agent.start_time_seconds,
    ),
    _family(
        "process_open_fds",
        "File descriptors that the agent has open.",
        Kind.GAUGE,
        lambda agent: agent.open_files,
    ),
    _family(
        "process_max_fds",
        "File descriptors that the agent may have open; absent when there is no limit.",
        Kind.GAUGE,
        lambda agent: agent.open_files_max,
    ),
)
