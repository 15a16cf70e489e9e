from __future__ import annotations

from dataclasses import replace

from exporter.assess.limits.resources import RESOURCES, limits_in_force
from exporter.facts.cgroup import CgroupLevel, Level
from tests.assess.secure import ANCESTOR_LEVEL, CGROUPS

LIMITS = ("memory_max_bytes", "memory_high_bytes", "memory_swap_max_bytes", "cpu_max_cores", "pids_max")


def test_every_limit_of_a_cgroup_is_the_limit_of_one_resource() -> None:
    figures = {field: number for number, field in enumerate(LIMITS, 1)}
    level = CgroupLevel("/a", 1, Level.PAYLOAD, **figures)  # type: ignore[arg-type]  # real fields
    assert [resource.in_force(level) for resource in RESOURCES] == list(figures.values())
    assert {field for field in CgroupLevel.__dataclass_fields__ if "max" in field or "high" in field} == set(LIMITS)


def test_a_limit_in_force_is_reported_for_each_level_that_has_one() -> None:
    found = {(one.resource, one.level): one.figure for one in limits_in_force(CGROUPS)}
    assert {level: figure for (resource, level), figure in found.items() if resource == "memory_bytes"} == {
        Level.PAYLOAD: 511_997_952,
        Level.SERVICE: 511_997_952,
    }


def test_of_several_ancestors_the_smallest_limit_binds() -> None:
    figures = (None, 8_000, 4_000, 6_000)
    ancestors = tuple(replace(ANCESTOR_LEVEL, path=f"/{n}", memory_max_bytes=one) for n, one in enumerate(figures))
    found = limits_in_force(replace(CGROUPS, levels=ancestors))
    assert [(one.resource, one.level, one.figure) for one in found] == [("memory_bytes", Level.ANCESTOR, 4_000)]


def test_a_container_without_cgroups_has_no_limit_in_force() -> None:
    assert limits_in_force(None) == ()
