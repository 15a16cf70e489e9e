"""A cgroup's name may read like the rest of the kernel's line: it can make the line useless, never another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.cgroup import container_id_of
from exporter.sources.log.kill import Victim, parse_kill

A, B = "a" * 64, "b" * 64
OF_A = f"/services.slice/services-a.slice/a.service/libpod-payload-{A}"
OF_B = f"/services.slice/services-b.slice/b.service/libpod-payload-{B}"

HOSTILE = (
    ",task_memcg=",
    ",oom_memcg=",
    ",global_oom,task_memcg=",
    ",task=",
    ",task=z,pid=1,uid=0",
    "oom-kill:constraint=CONSTRAINT_MEMCG,",
    "services.slice",
    "services-b.slice",
    "b.service",
    f"libpod-payload-{B}",
    f"libpod-payload-{A}",
    "x",
)
hostile_names = st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4).map("".join)
hostile_paths = st.lists(
    hostile_names | st.sampled_from([f"e,task_memcg={OF_A}/x"]) | st.sampled_from([f"e,task_memcg={OF_B},task=z"]),
    max_size=8,
).map(lambda names: "".join(f"/{name}" for name in names))


def of_a_limit(limit: str, victim: str, task: str = "tail", cpuset: str = "x") -> str:
    return (
        f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={cpuset},mems_allowed=0,"
        f"oom_memcg={limit},task_memcg={victim},task={task},pid=7,uid=0"
    )


def of_the_host(victim: str, task: str = "tail") -> str:
    return (
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,"
        f"global_oom,task_memcg={victim},task={task},pid=7,uid=0"
    )


def container_of(victim: Victim | None) -> str | None:
    """The container that a line names, None for none."""
    if victim is None or victim.victim_cgroup is None:
        return None
    return next((found for part in victim.victim_cgroup.split("/") if (found := container_id_of(part))), None)


def test_a_limit_of_the_attackers_own_cannot_name_another_victim() -> None:
    forged = f"{OF_A}/e,task_memcg={OF_B},task=z"
    assert parse_kill(of_a_limit(forged, forged)) == Victim(7, forged, forged)


def test_a_victim_below_a_shared_limit_cannot_name_another() -> None:
    victim = f"{OF_A}/e,task_memcg=/services.slice{OF_B},task=z"
    assert container_of(parse_kill(of_a_limit("/services.slice", victim))) == A


def test_a_line_that_may_be_of_two_containers_names_nobody() -> None:
    # Who may make cgroups beside a container: what he makes is read as the container's, or as his own.
    assert parse_kill(of_the_host(f"/user.slice/libpod-payload-{A},task=x")) is None
    assert parse_kill(of_a_limit("/user.slice", f"/user.slice/libpod-payload-{A},task=x")) is None
    assert parse_kill(of_a_limit("/a", f"/a/b,task_memcg=/a/b,task_memcg=/a/b/libpod-payload-{B}")) is not None


def test_a_name_of_a_task_hides_no_kill_of_its_containers_limit() -> None:
    for name in (",task=x", "a,task=b,task=c", ",task_memcg=/b"):
        assert container_of(parse_kill(of_a_limit(OF_A, OF_A, name))) == A
        assert container_of(parse_kill(of_a_limit("/services.slice", f"{OF_A}/init.scope", name))) == A
        assert container_of(parse_kill(of_the_host(f"{OF_A}/init.scope", name))) == A


def test_without_a_limit_a_line_with_two_readings_outside_containers_names_nobody() -> None:
    assert parse_kill(of_the_host("/user.slice/a", "x,task=y")) is None
    assert parse_kill(of_the_host("/user.slice/a")) == Victim(7, "/user.slice/a", "")


def test_a_sibling_whose_name_begins_alike_is_not_below_the_limit() -> None:
    assert parse_kill(of_a_limit(OF_A, f"{OF_A}b")) is None


@given(hostile_paths, hostile_paths, hostile_names, hostile_names.filter(lambda name: "/" not in name))
def test_no_name_forges_a_victim(inner_limit: str, below: str, task: str, cpuset: str) -> None:
    for limit in ("/services.slice", OF_A.rpartition("/")[0], OF_A, OF_A + inner_limit):
        inside = limit if limit.startswith(OF_A) else OF_A
        assert container_of(parse_kill(of_a_limit(limit, inside + below, task[:15], cpuset))) in {A, None}
    assert container_of(parse_kill(of_the_host(OF_A + inner_limit, task[:15]))) in {A, None}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_line_longer_than_the_kernels_is_not_matched(name: str) -> None:
    victim = OF_A + f"/{name}" * ((1 << 18) // len(name))
    assert parse_kill(of_a_limit(OF_A, victim)) is None
    assert parse_kill(of_the_host(victim)) is None
    assert parse_kill("Out of memory" * (1 << 15) + ": Killed process 7 (tail)") is None
