"""The checks that ask whether a resource is limited at all; they differ in the names of its limits alone."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import cpu_limited, memory_limited, pids_limited


@dataclass(frozen=True, slots=True)
class Limited:
    """One of these checks, and the fields that hold the limit."""

    check: ContainerCheck
    in_force: str  # of a CgroupLevel
    of_podman: str  # of DeclaredLimits
    of_unit: str  # of a Unit
    of_host: str  # of a Host: how much it has


LIMITED = (
    Limited(cpu_limited.CHECK, "cpu_max_cores", "cpu_cores", "cpu_quota_cores", "cpus"),
    Limited(memory_limited.CHECK, "memory_max_bytes", "memory_bytes", "memory_max_bytes", "memory_total_bytes"),
    Limited(pids_limited.CHECK, "pids_max", "pids", "tasks_max", "tasks_max"),
)
