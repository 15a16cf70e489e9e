from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.drift import declared_limits, limit_drifts, not_applied
from exporter.facts.cgroup import Level
from exporter.facts.container import DeclaredLimits
from exporter.report.container import Drift, LimitSource
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    HOST,
    ID,
    IN_THE_DARK,
    PAYLOAD_LEVEL,
    SECURE,
    SERVICE_LEVEL,
    SLICE,
    UNIT,
    with_level,
)


def asked_of_podman(**limits: float | None) -> ContainerSubject:
    asked = replace(CONTAINER.limits, **limits)  # type: ignore[arg-type]  # the tests name real fields
    return replace(SECURE, container=replace(CONTAINER, limits=asked))


def asked_of_unit(**limits: float | None) -> ContainerSubject:
    return replace(SECURE, unit=replace(UNIT, **limits))  # type: ignore[arg-type]  # as above


def drifts(subject: ContainerSubject, resource: str = "memory_bytes") -> dict[str, bool]:
    return {one.kind.value: one.holds for one in limit_drifts(subject) if one.resource == resource}


def declared(subject: ContainerSubject, resource: str) -> dict[LimitSource, float]:
    return {one.source: one.figure for one in declared_limits(subject) if one.resource == resource}


STRAIGHT = {"not_applied": False, "mismatch": False, "single": False, "none": False}


@pytest.mark.parametrize("resource", ["memory_bytes", "cpu_cores", "pids"])
def test_limits_asked_twice_and_in_force_twice_have_no_drift(resource: str) -> None:
    assert drifts(SECURE, resource) == STRAIGHT
    assert not_applied(SECURE) == ()


def test_what_was_asked_is_told_by_source() -> None:
    assert declared(SECURE, "memory_bytes") == {LimitSource.PODMAN: 512_000_000, LimitSource.UNIT: 512_000_000}
    assert declared(SECURE, "memory_high_bytes") == {LimitSource.UNIT: 512_000_000}
    assert declared(SECURE, "cpu_cores") == {LimitSource.PODMAN: 4.0, LimitSource.UNIT: 4.0}
    subject = replace(SECURE, slice_unit=replace(SLICE, memory_max_bytes=600_000_000))
    assert declared(subject, "memory_bytes")[LimitSource.SLICE] == 600_000_000


@pytest.mark.parametrize(
    ("level", "field", "resource", "who"),
    [
        (Level.PAYLOAD, "memory_max_bytes", "memory_bytes", "podman"),
        (Level.PAYLOAD, "cpu_max_cores", "cpu_cores", "podman"),
        (Level.PAYLOAD, "pids_max", "pids", "podman"),
        (Level.SERVICE, "memory_max_bytes", "memory_bytes", "unit"),
        (Level.SERVICE, "memory_high_bytes", "memory_high_bytes", "unit"),
        (Level.SERVICE, "cpu_max_cores", "cpu_cores", "unit"),
        (Level.SERVICE, "pids_max", "pids", "unit"),
    ],
)
def test_a_limit_that_was_asked_for_and_is_missing_or_another_is_not_applied(
    level: Level, field: str, resource: str, who: str
) -> None:
    for figure in (None, 7):
        subject = with_level(level, **{field: figure})
        assert drifts(subject, resource)["not_applied"] is True
        (sentence,) = not_applied(subject) or ()
        assert sentence.startswith(f"{resource}: {who} was asked for ")
        assert sentence.endswith("its cgroup has no limit" if figure is None else "its cgroup has 7")


def test_only_the_rounding_of_the_kernel_is_allowed() -> None:
    # 512000000 bytes are 125000 pages of 4 KiB; 511999999 are not whole.
    for in_force, holds in ((512_000_000, False), (511_997_952, False), (511_995_904, True), (512_000_001, True)):
        assert drifts(with_level(Level.PAYLOAD, memory_max_bytes=in_force))["not_applied"] is holds
    assert drifts(with_level(Level.PAYLOAD, cpu_max_cores=3.9999), "cpu_cores")["not_applied"] is False
    assert drifts(with_level(Level.PAYLOAD, cpu_max_cores=3.9), "cpu_cores")["not_applied"] is True
    assert drifts(with_level(Level.PAYLOAD, pids_max=199), "pids")["not_applied"] is True


def test_a_host_of_large_pages_rounds_by_its_own() -> None:
    large = with_level(Level.PAYLOAD, memory_max_bytes=511_967_232)  # 7812 pages of 64 KiB
    assert drifts(large)["not_applied"] is True
    assert drifts(replace(large, host=replace(HOST, page_bytes=65536)))["not_applied"] is False


def test_podmans_swap_is_told_and_compared_without_the_memory_in_it() -> None:
    subject = asked_of_podman(memory_swap_bytes=768_000_000)
    use = replace(CGROUPS.use, memory_swap_bytes=0)
    assert declared(subject, "memory_swap_bytes") == {LimitSource.PODMAN: 256_000_000}
    for in_force, holds in ((256_000_000, False), (768_000_000, True), (None, True)):
        levels = (replace(PAYLOAD_LEVEL, memory_swap_max_bytes=in_force), *CGROUPS.levels[1:])
        there = replace(subject, cgroups=replace(CGROUPS, use=use, levels=levels))
        assert drifts(there, "memory_swap_bytes") == {"not_applied": holds}


def test_a_kernel_that_does_not_account_swap_owes_no_limit_of_it() -> None:
    assert drifts(asked_of_podman(memory_swap_bytes=768_000_000), "memory_swap_bytes") == {"not_applied": False}


@pytest.mark.parametrize(("unit_bytes", "holds"), [(512_000_000, False), (500_000_000, True), (1_024_000_000, True)])
def test_two_sources_that_ask_for_different_limits_disagree(unit_bytes: int, holds: bool) -> None:  # noqa: FBT001 - a row of the table
    assert drifts(asked_of_unit(memory_max_bytes=unit_bytes))["mismatch"] is holds


def test_a_service_with_room_for_conmon_agrees_with_its_payload() -> None:
    assert drifts(asked_of_unit(memory_max_bytes=512_000_000 + 16 * 1024 * 1024))["mismatch"] is False


def test_more_tasks_for_the_service_agree_and_fewer_do_not() -> None:
    assert drifts(asked_of_unit(tasks_max=4651), "pids")["mismatch"] is False
    assert drifts(asked_of_unit(tasks_max=199), "pids")["mismatch"] is True


def test_half_the_cpu_disagrees() -> None:
    assert drifts(asked_of_unit(cpu_quota_cores=2.0), "cpu_cores")["mismatch"] is True


def test_a_slice_of_its_own_is_a_source_and_a_shared_or_common_one_is_nobodys() -> None:
    small = replace(SECURE, slice_unit=replace(SLICE, memory_max_bytes=96_000_000))
    assert drifts(small)["mismatch"] is True
    assert drifts(small)["not_applied"] is True, "the slice's cgroup has no limit"
    assert drifts(replace(small, other_occupants=("good01",))) == STRAIGHT
    levels = tuple(
        replace(one, path=one.path.replace("services-objects02.slice", "system.slice")) for one in CGROUPS.levels
    )
    common = replace(SLICE, name="system.slice", memory_max_bytes=96_000_000)
    assert drifts(replace(SECURE, cgroups=replace(CGROUPS, levels=levels), slice_unit=common)) == STRAIGHT


def test_a_limit_asked_of_one_source_is_single_and_of_nobody_none() -> None:
    assert drifts(asked_of_unit(memory_max_bytes=None)) == STRAIGHT | {"single": True}
    nowhere = replace(asked_of_podman(memory_bytes=None), unit=replace(UNIT, memory_max_bytes=None))
    assert drifts(nowhere) == STRAIGHT | {"none": True}


def test_nobody_has_to_ask_for_memory_high_or_swap() -> None:
    assert drifts(SECURE, "memory_high_bytes") == {"not_applied": False, "mismatch": False}
    assert drifts(SECURE, "memory_swap_bytes") == {"not_applied": False}


def test_a_container_that_was_started_by_hand_has_only_podmans_limits() -> None:
    scope = f"/machine.slice/libpod-{ID}.scope"
    levels = (
        replace(PAYLOAD_LEVEL, path=f"{scope}/container"),
        replace(SERVICE_LEVEL, path=scope, memory_high_bytes=None),
        replace(PAYLOAD_LEVEL, path="/machine.slice", level=Level.SLICE, memory_max_bytes=None),
    )
    by_hand = replace(
        SECURE,
        container=replace(CONTAINER, unit=""),
        unit=None,
        slice_unit=None,
        cgroups=replace(CGROUPS, levels=levels),
    )
    assert drifts(by_hand) == STRAIGHT | {"single": True}
    bare = tuple(replace(one, memory_max_bytes=None) for one in levels)
    assert drifts(replace(by_hand, cgroups=replace(CGROUPS, levels=bare)))["not_applied"] is True
    # The scope that podman makes around the payload is podman's too.
    in_scope = (bare[0], levels[1], bare[2])
    assert drifts(replace(by_hand, cgroups=replace(CGROUPS, levels=in_scope)))["not_applied"] is False


def test_a_container_that_runs_outside_the_cgroup_of_its_unit_meets_none_of_the_units_limits() -> None:
    outside = replace(SECURE, unit=replace(UNIT, name="other.service"))
    assert drifts(outside)["not_applied"] is True
    assert any(sentence.endswith("the container runs outside its cgroup") for sentence in not_applied(outside) or ())
    assert declared(outside, "pids") == {LimitSource.PODMAN: 200}


def test_a_stopped_container_is_judged_by_what_was_asked_alone() -> None:
    assert drifts(replace(SECURE, cgroups=None)) == {"mismatch": False, "single": False, "none": False}


@pytest.mark.parametrize(
    "subject",
    [
        replace(SECURE, container=None),
        replace(SECURE, container=replace(CONTAINER, inspected=False, limits=DeclaredLimits())),
        replace(SECURE, unit=None),
        replace(SECURE, slice_unit=None),
        replace(SECURE, container=replace(CONTAINER, user="alice", unit=""), unit=None),
    ],
    ids=["podman silent", "not inspected", "systemd silent", "slice not told", "units of a user"],
)
def test_what_one_source_may_have_been_asked_for_is_not_judged_without_it(subject: ContainerSubject) -> None:
    assert drifts(subject) == {}
    assert not_applied(subject) is None


def test_a_limit_that_is_plainly_not_applied_is_told_however_dark_the_rest_is() -> None:
    subject = replace(with_level(Level.PAYLOAD, memory_max_bytes=None), unit=None)
    assert drifts(subject) == {"not_applied": True}


def test_a_file_that_could_not_be_read_is_not_a_limit_that_is_missing() -> None:
    subject = with_level(Level.PAYLOAD, memory_max_bytes=None)
    assert subject.cgroups is not None
    denied = (f"{PAYLOAD_LEVEL.path}/memory.max: Permission denied",)
    assert "not_applied" not in drifts(replace(subject, cgroups=replace(subject.cgroups, unreadable=denied)))
    elsewhere = (f"{SERVICE_LEVEL.path}/pids.max: Permission denied",)
    assert drifts(replace(subject, cgroups=replace(subject.cgroups, unreadable=elsewhere)))["not_applied"] is True


def test_a_use_of_swap_that_could_not_be_read_is_not_a_kernel_that_does_not_account_it() -> None:
    subject = asked_of_podman(memory_swap_bytes=768_000_000)
    denied = (f"{PAYLOAD_LEVEL.path}/memory.swap.current: Input/output error",)
    hidden = replace(subject, cgroups=replace(CGROUPS, unreadable=denied))
    assert drifts(hidden, "memory_swap_bytes") == {}
    assert not_applied(hidden) is None
    elsewhere = (f"{PAYLOAD_LEVEL.path}/io.stat: Input/output error",)
    other = replace(subject, cgroups=replace(CGROUPS, unreadable=elsewhere))
    assert drifts(other, "memory_swap_bytes") == {"not_applied": False}


def test_darkness_is_not_judged() -> None:
    assert limit_drifts(IN_THE_DARK) == ()
    assert declared_limits(IN_THE_DARK) == ()
    assert not_applied(IN_THE_DARK) is None


@given(st.integers(4096, 2**50))
def test_whatever_the_kernel_makes_of_an_asked_limit_in_whole_pages_is_applied(asked: int) -> None:
    subject = replace(
        with_level(Level.PAYLOAD, memory_max_bytes=asked // 4096 * 4096),
        container=replace(CONTAINER, limits=DeclaredLimits(memory_bytes=asked)),
        unit=replace(UNIT, memory_max_bytes=None),
    )
    assert drifts(subject)["not_applied"] is False


def test_a_kind_is_said_once_a_resource() -> None:
    said = [(one.resource, one.kind) for one in limit_drifts(SECURE)]
    assert len(said) == len(set(said)) == 3 * len(Drift) + 2 + 1
