"""OOM kills and restarts as the kernel and systemd count them now.

`oom_kill` is hierarchical: a cgroup's count holds its descendants', also those that are gone. The
outermost cgroup that is the container's own therefore remembers longest: its slice, if no other
container lives below it, outlives restarts; a service's own cgroup does not.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.assess.inventory import KnownContainer
from exporter.facts.cgroup import COMMON_SLICES, CgroupLevel, ContainerCgroups, Level, MemoryEvents
from exporter.facts.counts import Counts, Totals
from exporter.facts.reading import latest
from exporter.facts.snapshot import Snapshot
from exporter.facts.unit import Unit
from exporter.report.thresholds import Thresholds


def own_levels(cgroups: ContainerCgroups, occupants: Mapping[str, frozenset[str]]) -> tuple[CgroupLevel, ...]:
    """The levels that hold this container alone, payload first; `occupants`: ids of containers by cgroup path."""
    own = []
    for level in cgroups.levels:
        if len(occupants.get(level.path, ())) > 1 or level.level is Level.ANCESTOR or level.name in COMMON_SLICES:
            break
        own.append(level)
    return tuple(own)


def occupants_by_path(trees: tuple[ContainerCgroups, ...]) -> dict[str, frozenset[str]]:
    """By cgroup path: ids of the containers that live in it or below it."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for level in tree.levels:
            found.setdefault(level.path, set()).add(tree.container_id)
    return {path: frozenset(ids) for path, ids in found.items()}


def own_memory_events(cgroups: ContainerCgroups | None, occupants: Mapping[str, frozenset[str]]) -> MemoryEvents | None:
    """memory.events of the container's outermost own cgroup: earlier lives of the container included."""
    for level in reversed(own_levels(cgroups, occupants) if cgroups else ()):
        if level.memory_events is not None:
            return level.memory_events
    return None


def memory_events_of_empty_slice(unit: Unit | None, snapshot: Snapshot) -> MemoryEvents | None:
    """memory.events of the slice of a container that does not run, if no other unit is to live in that slice."""
    if unit is None or not unit.slice or unit.slice in COMMON_SLICES:
        return None
    units = latest(snapshot.systemd) or ()
    if sum(one.slice == unit.slice and one.name.endswith(".service") for one in units) > 1:
        return None
    for level in snapshot.empty_slices:
        if level.name == unit.slice:
            return level.memory_events
    return None


def restarts(known: KnownContainer) -> int | None:
    """Automatic restarts, by systemd, or by podman's own policy for a container without a unit."""
    if known.unit is not None and known.unit.restarts is not None:
        return known.unit.restarts
    return known.container.restarts if known.container is not None else None


def restart_loop(
    counts: Counts | None, unit: Unit | None, totals: Totals | None, thresholds: Thresholds
) -> bool | None:
    """Whether the container restarts again and again, or systemd has given up on it; None without a ledger."""
    if unit is not None and unit.result == "start-limit-hit":
        return True
    if counts is None or totals is None:
        return None
    return restarts_in_window(counts, totals, thresholds) >= thresholds.restart_loop_restarts


def restarts_in_window(counts: Counts, totals: Totals, thresholds: Thresholds) -> int:
    """How often the container was restarted in the latest window."""
    since_us = totals.taken_at_us - thresholds.restart_loop_window_seconds * 1e6
    return sum(at_us >= since_us for at_us in counts.recent_restarts_us)
