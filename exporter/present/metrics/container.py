"""What each container is and how it is: podman's state, its unit, its kills and restarts, its use of CPU and I/O."""

from __future__ import annotations

from collections.abc import Iterator

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

STATES = ("created", "running", "paused", "stopping", "exited", "dead", "missing")
HEALTH_STATES = ("starting", "healthy", "unhealthy")
# org.freedesktop.systemd1(5), ActiveState; maintenance since systemd 248.
UNIT_STATES = ("active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance")


def user_of(one: ContainerReport) -> str:
    """Whose podman runs it, `root` for the system's."""
    if one.container is not None:
        return one.container.user or "root"
    user, slash, _ = one.name.partition("/")
    return user if slash else "root"


def _info(report: Report) -> Iterator[Sample]:
    for one in report.containers:
        asked = one.container
        unit = (asked.unit if asked else "") or (one.unit.name if one.unit else "")
        yield Sample(
            (
                one.name,
                one.id,
                asked.image if asked else "",
                asked.image_id if asked else "",
                unit,
                one.slice,
                asked.pod if asked else "",
                user_of(one),
                asked.network_mode if asked else "",
            ),
            1,
        )


def _cpu_seconds(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float | None]]:
    if one.cgroups is not None:
        yield ("user",), one.cgroups.use.cpu_user_seconds
        yield ("system",), one.cgroups.use.cpu_system_seconds


def _starting(one: ContainerReport) -> float | None:
    # A container that has ended has no walls to judge.
    return float(one.is_starting) if one.is_starting or one.findings else None


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_container_info",
        "What the container is: join on container to add its id, image, unit, slice, pod, user and network mode.",
        Kind.GAUGE,
        ("container", "id", "image", "image_id", "unit", "slice", "pod", "user", "network_mode"),
        _EACH,
        _info,
    ),
    Family(
        "bulkhead_container_state",
        "1 for the state podman reports, 0 for the others; missing: a quadlet expects it and podman has none.",
        Kind.GAUGE,
        ("container", "state"),
        "7 a container",
        labelled_containers(lambda one: state_set(STATES, one.state)),
    ),
    Family(
        "bulkhead_container_health",
        "1 for the result of the container's health check, 0 for the others; absent without a health check.",
        Kind.GAUGE,
        ("container", "state"),
        "3 a container with a health check",
        labelled_containers(lambda one: state_set(HEALTH_STATES, one.container.health if one.container else None)),
    ),
    Family(
        "bulkhead_container_unit_state",
        "1 for the ActiveState of the container's systemd unit, 0 for the others; absent without a unit.",
        Kind.GAUGE,
        ("container", "state"),
        "7 a container with a unit",
        labelled_containers(lambda one: state_set(UNIT_STATES, one.unit.active_state if one.unit else None)),
    ),
    Family(
        "bulkhead_container_starting",
        "1 while a life begins or ends and the container is not judged, for a minute at most; 0 while it is judged.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(_starting),
    ),
    Family(
        "bulkhead_container_start_time_seconds",
        "Unix time at which the container was last started.",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_containers(lambda one: one.container.started_at_seconds if one.container else None),
    ),
    Family(
        "bulkhead_container_cpu_seconds_total",
        "CPU time of the container.",
        Kind.COUNTER,
        ("container", "mode"),
        "2 a container",
        labelled_containers(_cpu_seconds),
    ),
    Family(
        "bulkhead_container_cpu_throttled_seconds_total",
        "Time for which the CPU quota held the container back, summed over its CPUs.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.cpu_throttled_seconds),
    ),
    Family(
        "bulkhead_container_cpu_periods_total",
        "CPU quota periods in which the container could run.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.cpu_periods),
    ),
    Family(
        "bulkhead_container_cpu_throttled_periods_total",
        "CPU quota periods in which the container used up its quota.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.cpu_throttled_periods),
    ),
    Family(
        "bulkhead_container_pids",
        "Processes and threads of the container (pids.current).",
        Kind.GAUGE,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.pids),
    ),
    Family(
        "bulkhead_container_io_read_bytes_total",
        "Bytes read from block devices, summed over devices; ZFS does its I/O elsewhere, see the dataset's counters.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.io_read_bytes),
    ),
    Family(
        "bulkhead_container_io_written_bytes_total",
        "Bytes written to block devices, summed over devices; ZFS does its I/O elsewhere, see the dataset's counters.",
        Kind.COUNTER,
        _CONTAINER,
        _EACH,
        of_payloads(lambda use: use.io_written_bytes),
    ),
)
