"""How much memory each container uses, what limits it, and how near it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.facts.cgroup import Level, PayloadUse, Pressure
from exporter.present.metrics.family import (
    Family,
    Kind,
    Sample,
    labelled_containers,
    of_containers,
    of_payloads,
    state_set,
)
from exporter.report.container import ContainerReport
from exporter.report.host import Report

_CONTAINER = ("container",)
_EACH = "1 a container"
LEVELS = tuple(level.value for level in Level)


def _waiting(pressure: Callable[[PayloadUse], Pressure | None]) -> Callable[[Report], Iterator[Sample]]:
    return of_payloads(lambda use: found.some_seconds if (found := pressure(use)) else None)


def _stalled(pressure: Callable[[PayloadUse], Pressure | None]) -> Callable[[Report], Iterator[Sample]]:
    return of_payloads(lambda use: found.full_seconds if (found := pressure(use)) else None)


def _events(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    found = one.memory_events
    if found is not None:
        yield ("high",), found.high
        yield ("max",), found.max
        yield ("oom",), found.oom


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_container_memory_usage_bytes",
        "All memory charged to the container, page cache included (memory.current of the payload cgroup).",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.usage_bytes),
    ),
    Family(
        "bulkhead_container_memory_working_set_bytes",
        "Memory that the kernel cannot simply drop: usage less inactive page cache.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.working_set_bytes),
    ),
    Family(
        "bulkhead_container_memory_unreclaimable_bytes",
        "Memory that cannot be dropped at all: anonymous, shared, unreclaimable slab, kernel stacks, page tables.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.memory_unreclaimable_bytes),
    ),
    Family(
        "bulkhead_container_memory_peak_bytes",
        "Highest memory use of the container since it started (memory.peak); absent before kernel 5.19.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.memory_peak_bytes),
    ),
    Family(
        "bulkhead_container_memory_swap_bytes",
        "Swap that the container uses (memory.swap.current).",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.memory_swap_bytes),
    ),
    Family(
        "bulkhead_container_memory_limit_bytes",
        "The memory limit that binds: the smallest from the payload up to the root; absent when there is none.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.limit_bytes),
    ),
    Family(
        "bulkhead_container_memory_limit_level",
        "1 for the cgroup level whose limit binds, 0 for the others; absent when there is no limit.",
        Kind.GAUGE,
        ("container", "level"),
        "4 a container with a limit",
        labelled_containers(lambda one: state_set(LEVELS, one.memory.limit_level)),
    ),
    Family(
        "bulkhead_container_memory_high_bytes",
        "The smallest memory.high from the payload up to the root, above which the container is slowed down.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.high_bytes),
    ),
    Family(
        "bulkhead_container_memory_ratio",
        "Working set over limit at the level nearest to its limit, 0 to 1; absent when nothing limits it.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.ratio),
    ),
    Family(
        "bulkhead_container_memory_ratio_level",
        "1 for the cgroup level that the ratio is of, 0 for the others; at a slice or above, neighbours use it too.",
        Kind.GAUGE,
        ("container", "level"),
        "4 a container with a limit",
        labelled_containers(lambda one: state_set(LEVELS, one.memory.ratio_level)),
    ),
    Family(
        "bulkhead_container_memory_events_total",
        "How often memory.high was exceeded, the limit was hit, and an allocation failed for it (memory.events).",
        Kind.COUNTER,
        ("container", "event"),
        "3 a container",
        labelled_containers(_events),
    ),
    Family(
        "bulkhead_container_pressure_cpu_waiting_seconds_total",
        "Time in which some task of the container waited for a CPU.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _waiting(lambda use: use.cpu_pressure),
    ),
    Family(
        "bulkhead_container_pressure_cpu_stalled_seconds_total",
        "Time in which all tasks of the container waited for a CPU.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _stalled(lambda use: use.cpu_pressure),
    ),
    Family(
        "bulkhead_container_pressure_memory_waiting_seconds_total",
        "Time in which some task of the container waited for memory.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _waiting(lambda use: use.memory_pressure),
    ),
    Family(
        "bulkhead_container_pressure_memory_stalled_seconds_total",
        "Time in which all tasks of the container waited for memory.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _stalled(lambda use: use.memory_pressure),
    ),
    Family(
        "bulkhead_container_pressure_io_waiting_seconds_total",
        "Time in which some task of the container waited for I/O.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _waiting(lambda use: use.io_pressure),
    ),
    Family(
        "bulkhead_container_pressure_io_stalled_seconds_total",
        "Time in which all tasks of the container waited for I/O.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        _stalled(lambda use: use.io_pressure),
    ),
    Family(
        "bulkhead_container_memory_recommended_limit_bytes",
        "What the limit would have to be for the peak to stand at the target ratio of bulkhead_threshold.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.memory.recommended_limit_bytes),
    ),
)
