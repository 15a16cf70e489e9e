"""How near a container is to its memory limit, and what the limit should be.

The limit that binds is the smallest `memory.max` on the way up. The ratio is that of the level
nearest to its own limit: a service's cgroup also holds conmon, so of two equal limits it is the
service's that runs out first. Page cache that can be dropped never counts: the working set is
memory.current less inactive_file.
"""

from __future__ import annotations

import math

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups
from exporter.report.container import MemoryJudgement
from exporter.report.thresholds import Thresholds


def working_set_bytes(level: CgroupLevel) -> int | None:
    """Memory of one cgroup that the kernel cannot simply drop; never below zero."""
    if level.memory_current_bytes is None or level.memory_inactive_file_bytes is None:
        return None
    return max(0, level.memory_current_bytes - level.memory_inactive_file_bytes)


def judge_memory(cgroups: ContainerCgroups | None, thresholds: Thresholds) -> MemoryJudgement:
    """The figures of one container's memory; each None where the kernel has nothing to say."""
    if cgroups is None or not cgroups.levels:
        return MemoryJudgement()
    payload = cgroups.levels[0]
    binding = min(
        (level for level in cgroups.levels if level.memory_max_bytes is not None),
        key=lambda level: level.memory_max_bytes or 0,
        default=None,
    )
    ratios = [(ratio, level.level) for level in cgroups.levels if (ratio := _ratio(level)) is not None]
    nearest = max(ratios, key=lambda one: one[0], default=None)
    highs = [level.memory_high_bytes for level in cgroups.levels if level.memory_high_bytes is not None]
    peak = cgroups.use.memory_peak_bytes
    return MemoryJudgement(
        usage_bytes=payload.memory_current_bytes,
        working_set_bytes=working_set_bytes(payload),
        limit_bytes=binding.memory_max_bytes if binding else None,
        limit_level=binding.level if binding else None,
        high_bytes=min(highs, default=None),
        ratio=nearest[0] if nearest else None,
        ratio_level=nearest[1] if nearest else None,
        recommended_limit_bytes=None if peak is None else math.ceil(peak / thresholds.memory_target_ratio),
    )


def _ratio(level: CgroupLevel) -> float | None:
    used = working_set_bytes(level)
    # A limit of 0 admits nothing: whatever is used is over it, and no ratio of it is a number.
    if used is None or not level.memory_max_bytes:
        return None
    return used / level.memory_max_bytes
