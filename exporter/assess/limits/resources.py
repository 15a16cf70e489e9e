"""Resources that can be limited: in which field of podman, unit and cgroup the limit of each stands.

https://docs.kernel.org/admin-guide/cgroup-v2.html: memory.max is kept in whole pages, cpu.max in whole microseconds of
its period; podman's MemorySwap is memory and swap together, memory.swap.max is swap alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level
from exporter.facts.container import DeclaredLimits
from exporter.facts.host import Host
from exporter.facts.unit import Unit
from exporter.report.container import Drift, LimitInForce

PAGE_BYTES = 4096
"""Of a memory page, where the host did not say."""

# conmon lives in the service beside the payload: a service that is given this much more asks for the same.
_ROOM_FOR_CONMON_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: the fields in which its limit is asked for and in force, and what counts as the same limit."""

    name: str
    of_podman: Callable[[DeclaredLimits], float | None]
    of_unit: Callable[[Unit], float | None]
    in_force: Callable[[CgroupLevel], float | None]
    is_applied: Callable[[float, float, int], bool]  # asked, in force, bytes of a page
    agree: Callable[[float, float], bool]  # of the inner cgroup, of the outer
    # What the host has of it: a limit above that limits nothing. None: any limit does, for no swap is one, too.
    of_host: Callable[[Host], float | None] | None
    kinds: frozenset[Drift] = frozenset(Drift)

    def is_limited_by(self, figure: float | None, host: Host | None) -> bool | None:
        """Whether a limit keeps a container from using all that the host has; None: nobody knows what that is."""
        if figure is None or self.of_host is None:
            return figure is not None
        most = self.of_host(host) if host else None
        return None if most is None else figure <= most


def _in_whole_pages(asked: float, in_force: float, page_bytes: int) -> bool:
    return 0 <= asked - in_force < page_bytes


def _as_much_cpu(asked: float, in_force: float, _: int = 0) -> bool:
    return math.isclose(asked, in_force, rel_tol=1e-3, abs_tol=1e-4)


def _memory_agrees(inner: float, outer: float) -> bool:
    return inner - PAGE_BYTES < outer <= inner + _ROOM_FOR_CONMON_BYTES


def _swap_of_podman(limits: DeclaredLimits) -> int | None:
    if limits.memory_swap_bytes is None:
        return None
    return max(0, limits.memory_swap_bytes - (limits.memory_bytes or 0))


MEMORY = Resource(
    "memory_bytes",
    lambda podman: podman.memory_bytes,
    lambda unit: unit.memory_max_bytes,
    lambda level: level.memory_max_bytes,
    _in_whole_pages,
    _memory_agrees,
    lambda host: host.memory_total_bytes,
)
MEMORY_HIGH = Resource(
    "memory_high_bytes",
    lambda podman: podman.memory_high_bytes,
    lambda unit: unit.memory_high_bytes,
    lambda level: level.memory_high_bytes,
    _in_whole_pages,
    _memory_agrees,
    lambda host: host.memory_total_bytes,
    # To be slowed down is a choice: once, or not at all, is right too.
    frozenset({Drift.NOT_APPLIED, Drift.MISMATCH}),
)
MEMORY_SWAP = Resource(
    "memory_swap_bytes",
    _swap_of_podman,
    lambda unit: unit.memory_swap_max_bytes,
    lambda level: level.memory_swap_max_bytes,
    _in_whole_pages,
    lambda _inner, _outer: True,
    None,
    # podman asks for as much swap as memory whenever memory is limited, whether the user thought of swap or not.
    frozenset({Drift.NOT_APPLIED}),
)
CPU = Resource(
    "cpu_cores",
    lambda podman: podman.cpu_cores,
    lambda unit: unit.cpu_quota_cores,
    lambda level: level.cpu_max_cores,
    _as_much_cpu,
    _as_much_cpu,
    lambda host: host.cpus,
)
PIDS = Resource(
    "pids",
    lambda podman: podman.pids,
    lambda unit: unit.tasks_max,
    lambda level: level.pids_max,
    lambda asked, in_force, _: asked == in_force,
    # Both have a default, the unit's the larger one: the inner limit only has to be the one that is met.
    lambda inner, outer: inner <= outer,
    lambda host: host.tasks_max,
)
RESOURCES = (MEMORY, MEMORY_HIGH, MEMORY_SWAP, CPU, PIDS)


def limits_in_force(cgroups: ContainerCgroups | None) -> tuple[LimitInForce, ...]:
    """What the kernel enforces at each level: of several ancestors the smallest limit is the one that binds."""
    found: dict[tuple[str, Level], LimitInForce] = {}
    for resource in RESOURCES:
        for at in cgroups.levels if cgroups else ():
            figure = resource.in_force(at)
            known = found.get((resource.name, at.level))
            if figure is not None and (known is None or figure < known.figure):
                found[resource.name, at.level] = LimitInForce(resource.name, at.level, figure)
    return tuple(found.values())
