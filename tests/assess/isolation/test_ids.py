from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.inventory import KnownContainer
from exporter.assess.isolation.ids import Interval, id_use, merged, size, usual_size, without
from exporter.facts.container import DeclaredSecurity, IdRange
from exporter.facts.host import Host, SubIds
from exporter.report.host import IdUse
from tests.assess.secure import CGROUPS, CONTAINER, HOST, PROCESS, PROCESSES

START, COUNT = 2147483647, 4096
SMALL = replace(
    HOST,
    subuids=(SubIds("containers", START, COUNT), SubIds("alice", 100_000, 65_536)),
    subgids=(SubIds("containers", START, COUNT),),
    account_uids=(("root", 0), ("alice", 1000)),
    group_gids=(("root", 0), ("adm", 4)),
)


def running(name: str, *ranges: IdRange, pod: str = "", namespace: int = 0, user: str = "") -> KnownContainer:
    """A container that runs with these ids, which podman has in its storage too."""
    namespaces = (("user", namespace),) if namespace else ()
    process = replace(PROCESS, uid_map=ranges, gid_map=ranges, namespaces=namespaces)
    stored = replace(stopped(name, *ranges, pod=pod, user=user), state="running")
    return replace(stored, cgroups=CGROUPS, processes=replace(PROCESSES, processes=(process,)))


def stopped(name: str, *ranges: IdRange, pod: str = "", user: str = "", mode: str = "private") -> KnownContainer:
    """A container that podman has in its storage and that does not run."""
    security = DeclaredSecurity(userns_mode=mode, uid_map=ranges, gid_map=ranges)
    container = replace(CONTAINER, id=name, name=name, user=user, pod=pod, security=security)
    return KnownContainer(name, user, name, "exited", container, None, None, None)


def block(number: int, count: int = 1024, start: int = START) -> IdRange:
    """The ids of the container of that number, as podman gives them out."""
    return IdRange(0, start + number * 1024, count)


def uids(*containers: KnownContainer, host: Host = SMALL) -> IdUse:
    return id_use(containers, host, podman_told=True)[0]


def test_ids_of_running_and_of_stored_containers_are_used() -> None:
    assert uids(running("a", block(0)), stopped("b", block(2))) == IdUse(
        "uid", total=4096, used=2048, largest_free_block=1024, containers_left=2, overlaps=0
    )


def test_a_range_that_is_used_up_has_no_room() -> None:
    full = uids(*(running(f"c{number}", block(number)) for number in range(4)))
    assert (full.used, full.largest_free_block, full.containers_left) == (4096, 0, 0)


def test_podman_fills_gaps_so_two_halves_are_room_for_one() -> None:
    containers = [running("a", IdRange(0, START + 512, 1024)), running("b", IdRange(0, START + 2048, 1024))]
    containers.append(running("c", IdRange(0, START + 3072, 1024)))
    told = uids(*containers)
    assert (told.largest_free_block, told.containers_left) == (512, 1)


def test_a_container_in_pieces_has_them_all() -> None:
    pieces = (IdRange(0, START, 512), IdRange(512, START + 1024, 512))
    assert uids(running("a", *pieces)).used == 1024


def test_the_usual_size_is_that_of_most_containers() -> None:
    containers = (running("a", block(0, 512)), running("b", block(1, 512)), running("c", block(2)))
    assert uids(*containers).containers_left == 2048 // 512
    assert usual_size(()) == usual_size((1024,)) == 1024
    assert usual_size((512, 65_536)) == 65_536


def test_a_container_with_the_hosts_ids_uses_none_and_overlaps_nothing() -> None:
    told = uids(running("a", IdRange(0, 0, 4_294_967_295)), running("b", IdRange(0, 0, 4_294_967_295)))
    assert (told.used, told.overlaps) == (0, 0)


def test_ids_mapped_by_hand_outside_the_range_are_not_of_the_range() -> None:
    told = uids(running("a", IdRange(0, 300_000, 1024)))
    assert (told.used, told.containers_left) == (0, 4)


def test_nothing_is_told_where_there_is_no_range_or_it_cannot_be_read() -> None:
    assert id_use((), None, podman_told=True) == ()
    assert id_use((), replace(SMALL, subuids=(SubIds("alice", 1, 2),), subgids=()), podman_told=True) == ()
    kinds = [one.kind for one in id_use((), replace(SMALL, unreadable=("etc/subuid",)), podman_told=True)]
    assert kinds == ["gid"]


def test_before_podman_has_answered_only_the_range_is_known() -> None:
    assert id_use((), SMALL, podman_told=False)[0] == IdUse("uid", 4096)


def test_two_containers_with_a_common_id_overlap() -> None:
    assert uids(running("a", block(0)), stopped("b", block(0, 1))).overlaps == 1


@pytest.mark.parametrize(
    "other",
    [
        running("b", block(0), pod="stack"),
        stopped("b", block(0), pod="stack"),
        running("b", block(0), namespace=4026532001),
        stopped("b", block(0), mode="container:a"),
    ],
)
def test_a_pod_and_those_who_join_a_namespace_share_ids_on_purpose(other: KnownContainer) -> None:
    assert uids(running("a", block(0), pod="stack", namespace=4026532001), other).overlaps == 0


def test_two_pods_with_common_ids_overlap() -> None:
    assert uids(running("a", block(0), pod="one"), running("b", block(0), pod="two")).overlaps == 1


def test_an_account_in_the_range_overlaps_with_it_and_with_the_container_that_has_its_id() -> None:
    host = replace(SMALL, account_uids=(*SMALL.account_uids, ("intruder", START + 5)))
    assert uids(host=host).overlaps == 1
    assert uids(running("a", block(0)), host=host).overlaps == 2
    assert uids(running("a", block(1)), host=host).overlaps == 1


def test_a_group_in_the_range_is_told_for_gids_alone() -> None:
    host = replace(SMALL, group_gids=(("intruders", START),))
    assert [one.overlaps for one in id_use((), host, podman_told=True)] == [0, 1]


def test_ranges_of_two_owners_overlap_and_those_of_one_do_not() -> None:
    def with_ranges(*ranges: SubIds) -> int | None:
        return uids(host=replace(SMALL, subuids=(*SMALL.subuids, *ranges))).overlaps

    assert with_ranges(SubIds("bob", START - 10, 20)) == 1
    assert with_ranges(SubIds("containers", START, 10)) == 0


def test_containers_in_one_user_namespace_are_one_holder_of_its_ids() -> None:
    together = [running(f"c{number}", block(0), namespace=4026532001) for number in range(50)]
    assert uids(*together).overlaps == 0
    assert uids(*together, running("other", block(0))).overlaps == 1


def test_where_all_overlap_no_more_are_looked_for_than_anybody_reads() -> None:
    assert uids(*(running(f"c{number}", block(0)) for number in range(60))).overlaps == 1000


def test_a_container_of_roots_in_the_range_of_an_account_overlaps_and_a_rootless_one_does_not() -> None:
    ids = IdRange(0, 100_000, 1000)
    assert uids(running("a", ids)).overlaps == 1
    assert uids(running("a", IdRange(0, 1000, 1), ids, user="alice")).overlaps == 0


intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def ids_of(them: tuple[Interval, ...] | list[Interval]) -> set[int]:
    return {each for start, end in them for each in range(start, end)}


@given(intervals, intervals)
def test_intervals_behave_as_sets_of_ids_do(whole: list[Interval], taken: list[Interval]) -> None:
    assert ids_of(merged(whole)) == ids_of(whole)
    assert size(merged(whole)) == len(ids_of(whole))
    left = without(whole, taken)
    assert ids_of(left) == ids_of(whole) - ids_of(taken)
    assert all(before[1] < after[0] for before, after in pairwise(left))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=8))
def test_the_overlaps_of_containers_are_the_pairs_with_a_common_id(ranges: list[tuple[int, int]]) -> None:
    containers = [running(f"c{at}", IdRange(0, START + start, count)) for at, (start, count) in enumerate(ranges)]
    sets = [set(range(start, start + count)) for start, count in ranges]
    pairs = sum(1 for at, one in enumerate(sets) for other in sets[at + 1 :] if one & other)
    assert uids(*containers).overlaps == pairs
