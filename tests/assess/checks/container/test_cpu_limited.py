from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.cpu_limited import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import CGROUPS, CONTAINER, IN_THE_DARK, SECURE, UNIT, fails, passes, verdict

UNLIMITED = replace(CGROUPS, levels=tuple(replace(level, cpu_max_cores=None) for level in CGROUPS.levels))


def test_a_limit_at_payload_and_service_passes() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("holder", [Level.PAYLOAD, Level.SERVICE, Level.SLICE])
def test_a_limit_at_any_own_level_passes(holder: Level) -> None:
    levels = tuple(replace(one, cpu_max_cores=9 if one.level is holder else None) for one in CGROUPS.levels)
    assert passes(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=levels)))


def test_a_limit_that_only_an_ancestor_or_a_shared_slice_has_fails() -> None:
    levels = tuple(
        replace(one, cpu_max_cores=9 if one.level in (Level.SLICE, Level.ANCESTOR) else None) for one in CGROUPS.levels
    )
    subject = replace(SECURE, cgroups=replace(CGROUPS, levels=levels), other_occupants=("good01",))
    assert fails(CHECK, subject, drift=True)


def test_a_limit_that_was_asked_for_and_is_nowhere_fails_with_drift() -> None:
    assert fails(CHECK, replace(SECURE, cgroups=UNLIMITED), drift=True)
    assert fails(CHECK, replace(SECURE, cgroups=UNLIMITED, unit=replace(UNIT, cpu_quota_cores=None)), drift=True)


def test_no_limit_that_nobody_asked_for_fails_without_drift() -> None:
    container = replace(CONTAINER, limits=replace(CONTAINER.limits, cpu_cores=None))
    unit = replace(UNIT, cpu_quota_cores=None)
    assert fails(CHECK, replace(SECURE, cgroups=UNLIMITED, container=container, unit=unit))


def test_no_cgroup_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN


def test_a_cgroup_file_that_could_not_be_read_makes_it_unknown_and_never_a_failure_of_the_container() -> None:
    subject = replace(SECURE, cgroups=replace(UNLIMITED, unreadable=("/x: denied",)))
    assert verdict(CHECK, subject) is Verdict.UNKNOWN
