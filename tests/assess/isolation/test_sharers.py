from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.isolation.sharers import (
    Claim,
    claim_declared,
    claim_in_force,
    own_ids,
    sharers_of_ids,
    sharers_of_labels,
)
from exporter.facts.container import IdRange
from exporter.facts.host import Host, SubIds
from tests.assess.secure import CONTAINER, HOST, PROCESS


def claim(name: str, start: int, count: int = 10, *, pod: str = "", user: str = "") -> Claim:
    return Claim(name, user, pod, frozenset({IdRange(0, start, count)}))


def test_overlapping_ranges_of_two_containers_are_told_of_each_other() -> None:
    claims = [claim("a", 100), claim("b", 109), claim("c", 119)]
    assert sharers_of_ids(claims, None) == {"a": ("b",), "b": ("a",)}


def test_groups_are_looked_at_as_users_are() -> None:
    claims = [Claim(name, "", "", gids=frozenset({IdRange(0, 100, 10)})) for name in "ab"]
    assert sharers_of_ids(claims, None) == {"a": ("b",), "b": ("a",)}


def test_a_pods_members_share_on_purpose_and_those_of_another_users_pod_do_not() -> None:
    members = [claim("a", 100, pod="stack"), claim("b", 100, pod="stack")]
    assert sharers_of_ids(members, None) == {}
    assert set(sharers_of_ids([*members, claim("alice/c", 105, pod="stack", user="alice")], None)) == {
        "a",
        "b",
        "alice/c",
    }


def test_accounts_and_owners_of_subordinate_ids_count_but_for_the_owner_itself() -> None:
    host = replace(HOST, subuids=(SubIds("alice", 100_000, 65_536), SubIds("containers", 2_000_000, 9_000_000)))
    assert sharers_of_ids([claim("a", 1000)], host) == {"a": ("account alice",)}
    assert sharers_of_ids([claim("a", 165_535)], host) == {"a": ("alice's subordinate ids",)}
    assert sharers_of_ids([claim("a", 165_536), claim("b", 2_000_000)], host) == {}
    assert sharers_of_ids([claim("alice/a", 100_000, user="alice")], host) == {}
    assert sharers_of_ids([claim("bob/a", 100_000, user="bob")], host) == {"bob/a": ("alice's subordinate ids",)}


def test_groups_of_the_host_count_for_group_ids_alone() -> None:
    host = replace(HOST, group_gids=(("crew", 105), ("root", 0)))
    gids = Claim("a", "", "", gids=frozenset({IdRange(0, 100, 10)}))
    assert sharers_of_ids([gids], host) == {"a": ("group crew",)}
    assert sharers_of_ids([claim("a", 100)], host) == {}


def test_who_has_no_user_namespace_claims_no_ids() -> None:
    hosts = (IdRange(0, 0, 4_294_967_295),)
    assert own_ids(hosts) == ()
    assert claim_in_force("a", "", "", [replace(PROCESS, uid_map=hosts, gid_map=hosts)]).uids == frozenset()
    assert own_ids((IdRange(0, 0, 65_536),)) != ()


def test_a_claim_holds_what_every_process_has() -> None:
    other = replace(PROCESS, uid_map=(IdRange(0, 7, 1),), security_label="a:b:c:s0:c1,c2")
    both = claim_in_force("a", "", "", [PROCESS, other])
    assert both.uids == {*PROCESS.uid_map, IdRange(0, 7, 1)}
    assert both.categories == {frozenset({229, 276}), frozenset({1, 2})}
    declared = claim_declared("a", CONTAINER)
    assert declared.uids == frozenset(CONTAINER.security.uid_map)
    assert declared.categories == {frozenset({229, 276})}


def labelled(name: str, *sets: set[int], pod: str = "") -> Claim:
    return Claim(name, "", pod, categories=frozenset(map(frozenset, sets)))


@pytest.mark.parametrize(
    "label", ["", "a:b:spc_t:s0", "a:b:c:s0:c?,c?", "unconfined", "unconfined_u:system_r:spc_t:s0-s0:c0.c1023"]
)
def test_who_is_not_confined_by_categories_claims_none(label: str) -> None:
    assert claim_in_force("a", "", "", [replace(PROCESS, security_label=label)]).categories == frozenset()


def test_equal_labels_are_told_of_each_other_unless_they_are_of_one_pod() -> None:
    claims = [
        labelled("a", {1, 2}),
        labelled("b", {1, 2}, pod="stack"),
        labelled("c", {1, 2}, pod="stack"),
        labelled("d", {1, 3}),
    ]
    assert sharers_of_labels(claims) == {"a": ("b",), "b": ("a",), "c": ("a",)}
    assert sharers_of_labels(claims[1:]) == {}


def test_who_is_cleared_for_the_categories_of_another_is_told_with_it() -> None:
    claims = [labelled("a", {1, 2}), labelled("b", {7, 8}), labelled("wide", {1, 2, 3}), labelled("all", set(range(9)))]
    assert sharers_of_labels(claims) == {
        "a": ("all", "wide"),
        "b": ("all",),
        "wide": ("a", "all"),
        "all": ("a", "b", "wide"),
    }


@given(st.lists(st.frozensets(st.integers(0, 5), min_size=1), max_size=6))
def test_labels_are_related_where_one_holds_the_other(sets: list[frozenset[int]]) -> None:
    claims = [labelled(str(number), set(one)) for number, one in enumerate(sets)]
    found = sharers_of_labels(claims)
    for number, one in enumerate(sets):
        others = [other for index, other in enumerate(sets) if index != number]
        assert (str(number) in found) == any(one <= other or other <= one for other in others)


def test_of_very_many_that_share_only_examples_are_told() -> None:
    many = [replace(claim(f"n{number}", 100), categories=frozenset({frozenset({1, 2})})) for number in range(2000)]
    for found in (sharers_of_labels(many), sharers_of_ids(many, None)):
        assert len(found) == 2000
        assert max(map(len, found.values())) <= 4


ranges = st.tuples(st.integers(0, 60), st.integers(1, 20), st.sampled_from(["", "p", "q"]))


@given(st.lists(ranges, max_size=12))
def test_whoever_overlaps_is_found_and_nobody_else(drawn: list[tuple[int, int, str]]) -> None:
    claims = [claim(f"n{index}", start, count, pod=pod) for index, (start, count, pod) in enumerate(drawn)]
    expected = {
        one.name
        for one in claims
        for other in claims
        for (mine,), (theirs,) in [(one.uids, other.uids)]
        if one.group != other.group
        and mine.outside < theirs.outside + theirs.count
        and theirs.outside < mine.outside + mine.count
    }
    assert set(sharers_of_ids(claims, None)) == expected


@given(
    st.lists(
        st.builds(SubIds, st.sampled_from(["alice", "bob", "containers"]), st.integers(0, 60), st.integers(1, 20))
    ),
    st.integers(0, 60),
    st.sampled_from(["", "alice"]),
)
def test_whoever_has_ids_of_another_owner_is_found(subuids: list[SubIds], start: int, user: str) -> None:
    host = Host("", "", "", None, None, None, None, None, subuids=tuple(subuids))
    others = [one for one in subuids if one.owner != (user or "containers")]
    expected = any(one.start < start + 10 and start < one.start + one.count for one in others)
    assert bool(sharers_of_ids([claim("a", start, user=user)], host)) is expected
