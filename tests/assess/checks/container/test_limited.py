from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.cgroup import ContainerCgroups, Level
from exporter.report.findings import Verdict
from tests.assess.checks.container.limited import LIMITED, Limited
from tests.assess.secure import CGROUPS, CONTAINER, HOST, IN_THE_DARK, SECURE, UNIT, fails, passes, verdict


@pytest.fixture(params=LIMITED, ids=lambda limited: limited.check.id)
def limited(request: pytest.FixtureRequest) -> Limited:
    found: Limited = request.param
    return found


def with_limit(fact: Any, field: str, limit: int | None) -> Any:
    return replace(fact, **{field: limit})


def limited_at(limited: Limited, *holders: Level) -> ContainerCgroups:
    levels = [with_limit(each, limited.in_force, 9 if each.level in holders else None) for each in CGROUPS.levels]
    return replace(CGROUPS, levels=tuple(levels))


def test_a_limit_at_payload_and_service_passes(limited: Limited) -> None:
    assert passes(limited.check)


@pytest.mark.parametrize("holder", [Level.PAYLOAD, Level.SERVICE, Level.SLICE])
def test_a_limit_at_any_own_level_passes(limited: Limited, holder: Level) -> None:
    assert passes(limited.check, replace(SECURE, cgroups=limited_at(limited, holder)))


def test_a_limit_that_only_an_ancestor_or_a_shared_slice_has_fails(limited: Limited) -> None:
    cgroups = limited_at(limited, Level.SLICE, Level.ANCESTOR)
    assert fails(limited.check, replace(SECURE, cgroups=cgroups, other_occupants=("good01",)), drift=True)


def test_a_limit_of_a_service_that_holds_another_container_too_is_not_its_own(limited: Limited) -> None:
    cgroups = limited_at(limited, Level.SERVICE)
    shared = frozenset(level.path for level in cgroups.levels if level.level is not Level.PAYLOAD)
    subject = replace(SECURE, cgroups=cgroups, shared_levels=shared, other_occupants=("good01",))
    assert fails(limited.check, subject, drift=True)


@pytest.mark.parametrize("name", ["system.slice", "machine.slice", "user.slice", "app.slice"])
def test_a_limit_of_a_slice_for_everything_is_nobodys(limited: Limited, name: str) -> None:
    cgroups = limited_at(limited, Level.SLICE)
    levels = [replace(each, path=f"/{name}") if each.level is Level.SLICE else each for each in cgroups.levels]
    assert fails(limited.check, replace(SECURE, cgroups=replace(cgroups, levels=tuple(levels))), drift=True)


def test_a_limit_above_what_the_host_has_limits_nothing(limited: Limited) -> None:
    def on_a_host_with(figure: int | None) -> ContainerSubject:
        subject = replace(SECURE, cgroups=limited_at(limited, Level.PAYLOAD, Level.SERVICE))
        return replace(subject, host=with_limit(HOST, limited.of_host, figure))

    assert passes(limited.check, replace(on_a_host_with(10), container=None, unit=None))
    assert passes(limited.check, replace(on_a_host_with(9), container=None, unit=None)), "one CPU of a host with one"
    assert fails(limited.check, replace(on_a_host_with(8), container=None, unit=None))
    assert verdict(limited.check, on_a_host_with(None)) is Verdict.UNKNOWN
    assert verdict(limited.check, replace(on_a_host_with(10), host=None)) is Verdict.UNKNOWN


def test_asking_for_more_than_the_host_has_asks_for_no_limit_so_that_nothing_drifts(limited: Limited) -> None:
    container = replace(CONTAINER, limits=with_limit(CONTAINER.limits, limited.of_podman, 9))
    subject = replace(SECURE, container=container, unit=with_limit(UNIT, limited.of_unit, 9))
    small = replace(subject, cgroups=limited_at(limited, Level.PAYLOAD), host=with_limit(HOST, limited.of_host, 8))
    assert fails(limited.check, small)
    assert limited.check.declared is not None
    assert limited.check.declared(small).verdict is Verdict.FAIL
    assert limited.check.declared(replace(small, host=None)).verdict is Verdict.PASS


def test_one_limit_that_limits_is_enough(limited: Limited) -> None:
    cgroups = limited_at(limited, Level.SERVICE)
    payload = with_limit(cgroups.levels[0], limited.in_force, 10**15)
    assert passes(limited.check, replace(SECURE, cgroups=replace(cgroups, levels=(payload, *cgroups.levels[1:]))))


def test_a_limit_that_was_asked_for_and_is_nowhere_fails_with_drift(limited: Limited) -> None:
    unlimited = replace(SECURE, cgroups=limited_at(limited))
    assert fails(limited.check, unlimited, drift=True)
    assert fails(limited.check, replace(unlimited, unit=with_limit(UNIT, limited.of_unit, None)), drift=True)


def test_no_limit_that_nobody_asked_for_fails_without_drift(limited: Limited) -> None:
    container = replace(CONTAINER, limits=with_limit(CONTAINER.limits, limited.of_podman, None))
    unit = with_limit(UNIT, limited.of_unit, None)
    assert fails(limited.check, replace(SECURE, cgroups=limited_at(limited), container=container, unit=unit))


def test_no_cgroup_is_unknown(limited: Limited) -> None:
    assert verdict(limited.check, IN_THE_DARK) is Verdict.UNKNOWN


def test_a_cgroup_file_that_could_not_be_read_makes_it_unknown_and_never_a_failure_of_the_container(
    limited: Limited,
) -> None:
    cgroups = replace(limited_at(limited), unreadable=("/x: denied",))
    assert verdict(limited.check, replace(SECURE, cgroups=cgroups)) is Verdict.UNKNOWN
