from __future__ import annotations

from dataclasses import replace

from exporter.assess.inventory import known_containers
from exporter.assess.kernel_counts import (
    memory_events_of_empty_slice,
    occupants_by_path,
    own_levels,
    own_memory_events,
    restarts,
)
from exporter.facts.cgroup import ContainerCgroups, Level, MemoryEvents
from tests.assess.secure import CGROUPS, CONTAINER, UNIT
from tests.assess.snapshots import SNAPSHOT, answered


def oom_kills(tree: ContainerCgroups | None, occupants: dict[str, frozenset[str]]) -> int | None:
    events = own_memory_events(tree, occupants)
    return events.oom_kill if events else None


def with_kills(payload: int, service: int, own_slice: int, ancestor: int) -> ContainerCgroups:
    counts = (payload, service, own_slice, ancestor)
    levels = tuple(
        replace(level, memory_events=MemoryEvents(oom_kill=count))
        for level, count in zip(CGROUPS.levels, counts, strict=True)
    )
    return replace(CGROUPS, levels=levels)


def test_the_own_slice_remembers_kills_of_cgroups_that_are_gone() -> None:
    tree = with_kills(0, 0, 4, 9)
    assert oom_kills(tree, occupants_by_path((tree,))) == 4


def test_a_shared_slice_is_never_one_containers_count() -> None:
    tree = with_kills(1, 2, 7, 9)
    other = replace(tree, container_id="f" * 64, levels=tree.levels[2:])
    assert oom_kills(tree, occupants_by_path((tree, other))) == 2


def test_a_common_slice_is_never_one_containers_count_even_when_it_is_alone_there() -> None:
    tree = with_kills(1, 2, 7, 9)
    levels = tuple(replace(one, path="/system.slice") if one.level is Level.SLICE else one for one in tree.levels)
    tree = replace(tree, levels=levels)
    assert oom_kills(tree, occupants_by_path((tree,))) == 2


def test_without_a_cgroup_nothing_is_counted() -> None:
    assert oom_kills(None, {}) is None


def test_an_ancestor_is_nobodys_own() -> None:
    assert [level.level for level in own_levels(CGROUPS, occupants_by_path((CGROUPS,)))] == [
        Level.PAYLOAD,
        Level.SERVICE,
        Level.SLICE,
    ]


def test_systemd_counts_the_restarts_of_a_unit() -> None:
    snapshot = replace(SNAPSHOT, systemd=answered((replace(UNIT, restarts=3),)))
    assert restarts(known_containers(snapshot)[0]) == 3


def test_podman_counts_the_restarts_of_a_container_without_a_unit() -> None:
    alone = replace(CONTAINER, unit="", restart_policy="always", restarts=5)
    snapshot = replace(SNAPSHOT, podman=answered((alone,)), quadlet=answered(()))
    assert restarts(known_containers(snapshot)[0]) == 5


LEFT_BEHIND = replace(with_kills(0, 0, 7, 9).levels[2])
AWAY = replace(SNAPSHOT, podman=answered(()), cgroup=answered(()), empty_slices=(LEFT_BEHIND,))


def test_a_container_that_died_of_it_keeps_its_count_in_the_slice_that_it_left() -> None:
    events = memory_events_of_empty_slice(UNIT, AWAY)
    assert events is not None
    assert events.oom_kill == 7


def test_a_slice_that_several_units_share_is_nobodys_count() -> None:
    other = replace(UNIT, name="good01.service")
    assert memory_events_of_empty_slice(UNIT, replace(AWAY, systemd=answered((UNIT, other)))) is None


def test_a_common_slice_a_gone_slice_and_no_unit_tell_nothing() -> None:
    assert memory_events_of_empty_slice(replace(UNIT, slice="system.slice"), AWAY) is None
    assert memory_events_of_empty_slice(UNIT, replace(AWAY, empty_slices=())) is None
    assert memory_events_of_empty_slice(None, AWAY) is None
