from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.limits_redundant import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import CGROUPS, ID, IN_THE_DARK, SECURE, fails, passes, verdict, with_level


def test_the_scope_that_podman_makes_is_no_second_place() -> None:
    path = f"/machine.slice/libpod-{ID}.scope"
    payload, service, *_ = CGROUPS.levels
    levels = (replace(payload, path=f"{path}/container"), replace(service, path=path))
    assert fails(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=levels)))


def test_limits_at_payload_and_service_pass() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("field", ["memory_max_bytes", "cpu_max_cores"])
@pytest.mark.parametrize(("level", "by"), [(Level.PAYLOAD, "by podman"), (Level.SERVICE, "by the unit")])
def test_a_limit_that_stands_once_fails_and_says_whose_is_lacking(level: Level, by: str, field: str) -> None:
    subject = with_level(level, **{field: None})
    assert fails(CHECK, subject)
    assert by in CHECK.examine(subject).detail


def test_the_slice_serves_where_the_service_has_none_unless_it_is_shared() -> None:
    levels = with_level(Level.SLICE, memory_max_bytes=9, cpu_max_cores=1.0)
    assert levels.cgroups is not None
    bare = tuple(
        replace(one, memory_max_bytes=None, cpu_max_cores=None) if one.level is Level.SERVICE else one
        for one in levels.cgroups.levels
    )
    subject = replace(levels, cgroups=replace(levels.cgroups, levels=bare))
    assert passes(CHECK, subject)
    assert fails(CHECK, replace(subject, other_occupants=("good01",)))


def test_a_service_that_holds_another_container_too_is_no_second_place() -> None:
    shared = frozenset(level.path for level in CGROUPS.levels if level.level is not Level.PAYLOAD)
    assert fails(CHECK, replace(SECURE, shared_levels=shared, other_occupants=("db",)))


def test_no_cgroup_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
