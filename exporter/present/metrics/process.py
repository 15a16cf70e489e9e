"""The agent's own processes, under the names that every client library of Prometheus has for a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.facts.agent import AgentProcess
from exporter.present.metrics.family import Family, Kind, Sample
from exporter.report.host import Report


def _family(name: str, help_text: str, kind: Kind, value: Callable[[AgentProcess], float | None]) -> Family:
    def samples(report: Report) -> Iterator[Sample]:
        for process in report.agent:
            if (figure := value(process)) is not None:
                yield Sample((process.name,), figure)

    return Family(name, help_text, kind, ("process",), "1 a process of the agent, 2 at most", samples)


FAMILIES: tuple[Family, ...] = (
    _family(
        "process_cpu_seconds_total",
        "CPU time that the process of the agent has used, in user and system mode.",
        Kind.COUNTER,
        lambda process: process.cpu_seconds,
    ),
    _family(
        "process_resident_memory_bytes",
        "Memory of the process that is in RAM.",
        Kind.GAUGE,
        lambda process: process.resident_memory_bytes,
    ),
    _family(
        "process_virtual_memory_bytes",
        "Address space of the process.",
        Kind.GAUGE,
        lambda process: process.virtual_memory_bytes,
    ),
    _family(
        "process_start_time_seconds",
        "Unix time at which the process was started.",
        Kind.GAUGE,
        lambda process: process.start_time_seconds,
    ),
    _family(
        "process_open_fds",
        "File descriptors that the process has open.",
        Kind.GAUGE,
        lambda process: process.open_files,
    ),
    _family(
        "process_max_fds",
        "File descriptors that the process may have open; absent when there is no limit.",
        Kind.GAUGE,
        lambda process: process.open_files_max,
    ),
)
