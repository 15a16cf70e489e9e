"""How the example host moves: pure functions of the seconds since it began.

Every figure is a function of time alone, so counters never go back and every page can be made again.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, MemoryEvents, PayloadUse, Pressure
from exporter.facts.process import ContainerProcesses, Process
from exporter.facts.storage import Dataset

_ALL_CAPABILITIES = (1 << 41) - 1
# A wave of this share of a container's memory, on a period of its own, so that no two look alike.
_SWING_RATIO = 0.05


@dataclass(frozen=True, slots=True)
class Life:
    """Where a container that dies again and again stands now."""

    generation: int  # how often it has died
    is_up: bool
    up_ratio: float  # 0 at its start, 1 at its end
    started_at_seconds: float  # since the host began


def life_at(elapsed_seconds: float, *, up_seconds: float, down_seconds: float) -> Life:
    """The life of a container that lives `up_seconds`, and is back `down_seconds` after it died."""
    cycle = up_seconds + down_seconds
    number, within = divmod(max(0.0, elapsed_seconds), cycle)
    is_up = within < up_seconds
    return Life(
        generation=int(number) + (0 if is_up else 1),
        is_up=is_up,
        up_ratio=min(1.0, within / up_seconds),
        started_at_seconds=number * cycle,
    )


def id_in_life(first_id: str, generation: int) -> str:
    """With --rm every restart makes a new id."""
    return first_id if generation == 0 else hashlib.sha256(f"{first_id} {generation}".encode()).hexdigest()


def swing(name: str, elapsed_seconds: float) -> float:
    """A number from -1 to 1 that rises and falls on a period (3 to 11 minutes) of the name's own."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    period_seconds = 180 + seed % 480
    return math.sin(2 * math.pi * (elapsed_seconds / period_seconds + seed / 2**32))


def moved_cgroups(tree: ContainerCgroups, change_bytes: int, elapsed_seconds: float) -> ContainerCgroups:
    """The container using `change_bytes` more (or less) memory than was recorded, after some time of work."""
    return replace(
        tree,
        levels=tuple(_moved_level(level, change_bytes) for level in tree.levels),
        use=_moved_use(tree.use, change_bytes, elapsed_seconds),
    )


def _moved_level(level: CgroupLevel, change_bytes: int) -> CgroupLevel:
    if level.memory_current_bytes is None:
        return level
    moved = max(0, level.memory_current_bytes + change_bytes)
    ceiling = level.memory_max_bytes
    return replace(level, memory_current_bytes=moved if ceiling is None else min(moved, ceiling))


def _moved_use(use: PayloadUse, change_bytes: int, elapsed_seconds: float) -> PayloadUse:
    def later(total: float | None, a_second: float) -> float | None:
        return None if total is None else total + elapsed_seconds * a_second

    def pressed(pressure: Pressure | None, a_second: float) -> Pressure | None:
        if pressure is None:
            return None
        full = later(pressure.full_seconds, a_second / 3)
        return Pressure(pressure.some_seconds + elapsed_seconds * a_second, full)

    unreclaimable, peak = use.memory_unreclaimable_bytes, use.memory_peak_bytes
    return replace(
        use,
        memory_unreclaimable_bytes=None if unreclaimable is None else max(0, unreclaimable + change_bytes),
        memory_peak_bytes=None if peak is None else peak + max(0, change_bytes),
        cpu_user_seconds=later(use.cpu_user_seconds, 0.04),
        cpu_system_seconds=later(use.cpu_system_seconds, 0.01),
        cpu_pressure=pressed(use.cpu_pressure, 0.002),
        memory_pressure=pressed(use.memory_pressure, 0.0005),
        io_pressure=pressed(use.io_pressure, 0.001),
        io_read_bytes=None if use.io_read_bytes is None else use.io_read_bytes + int(elapsed_seconds * 4096),
        io_written_bytes=None if use.io_written_bytes is None else use.io_written_bytes + int(elapsed_seconds * 16384),
    )


def swinging(tree: ContainerCgroups, name: str, elapsed_seconds: float) -> ContainerCgroups:
    """A container at work: its memory rises and falls."""
    current = tree.levels[0].memory_current_bytes if tree.levels else None
    return moved_cgroups(tree, int((current or 0) * _SWING_RATIO * swing(name, elapsed_seconds)), elapsed_seconds)


def dying(tree: ContainerCgroups, life: Life) -> ContainerCgroups:
    """A container that fills its memory up to its limit; its slice remembers the kills, its service does not."""
    limits = [level.memory_max_bytes for level in tree.levels if level.memory_max_bytes is not None]
    current = tree.levels[0].memory_current_bytes if tree.levels else None
    goal = int(min(limits, default=0) * (0.15 + 0.85 * life.up_ratio))
    moved = moved_cgroups(tree, goal - (current or 0), life.started_at_seconds)
    container_id = id_in_life(tree.container_id, life.generation)
    levels = tuple(
        replace(
            level,
            path=level.path.replace(tree.container_id, container_id),
            memory_events=_killed(level, life.generation),
        )
        for level in moved.levels
    )
    return replace(moved, container_id=container_id, levels=levels)


def _killed(level: CgroupLevel, kills: int) -> MemoryEvents | None:
    if level.memory_events is None or level.level in (Level.PAYLOAD, Level.SERVICE):
        return level.memory_events
    return replace(
        level.memory_events, oom_kill=level.memory_events.oom_kill + kills, oom=level.memory_events.oom + kills
    )


def intruded(processes: ContainerProcesses) -> ContainerProcesses:
    """`podman exec --privileged` into a good container: one more process, with everything the others lack."""
    first = processes.processes[0]
    shell = Process(
        pid=first.pid + 900,
        start_ticks=first.start_ticks + 900,
        comm="sh",
        inheritable_capabilities=0,
        permitted_capabilities=_ALL_CAPABILITIES,
        effective_capabilities=_ALL_CAPABILITIES,
        bounding_capabilities=_ALL_CAPABILITIES,
        ambient_capabilities=0,
        no_new_privileges=False,
        seccomp_mode=0,
        uid_map=first.uid_map,
        gid_map=first.gid_map,
        security_label=first.security_label,
    )
    return replace(processes, processes=(*processes.processes, shell))


def filled(dataset: Dataset, ratio: float) -> Dataset:
    """The dataset with this share of its quota used."""
    if not dataset.quota_bytes:
        return dataset
    used = max(dataset.used_bytes, int(dataset.quota_bytes * ratio))
    grown = used - dataset.used_bytes
    return replace(
        dataset,
        used_bytes=used,
        referenced_bytes=dataset.referenced_bytes + grown,
        available_bytes=max(0, dataset.quota_bytes - used),
        used_by_dataset_bytes=None if dataset.used_by_dataset_bytes is None else dataset.used_by_dataset_bytes + grown,
    )
