"""A container is judged once it has begun, and not before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.app.lives import following_lives
from exporter.assess.assessment import Build, assess
from exporter.facts.container import Container
from exporter.facts.life import START_SECONDS_MAX
from exporter.facts.reading import NOT_YET, Failed, Read, latest
from exporter.facts.snapshot import Snapshot
from exporter.report.container import ContainerReport
from exporter.report.findings import Verdict
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CGROUPS, CONTAINER, PROCESS, PROCESSES, UNIT, VOLUME
from tests.assess.snapshots import NOW, SNAPSHOT
from tests.assess.starting import (
    CLONE,
    FORMER,
    FORMER_CGROUPS,
    PAYLOAD,
    RUNTIME,
    STARTED,
    TWIN,
    TWIN_CGROUPS,
    TWIN_UNITS,
    TWIN_VOLUME,
    UNLIMITED,
    after,
    asked,
    before,
    complaints,
    judged,
    table,
    verdicts,
)

Follow = Callable[[Snapshot], ContainerReport]


@pytest.fixture
def follow() -> Follow:
    """Judges one snapshot after another, as the agent does."""
    waiting: list[Snapshot] = []
    taken = following_lives(waiting.pop)

    def see(snapshot: Snapshot) -> ContainerReport:
        waiting.append(snapshot)
        return judged(taken())

    return see


def test_a_container_whose_first_process_is_still_the_runtimes_is_not_judged() -> None:
    one = judged(replace(after(NOW + 1), process=asked(table(RUNTIME), NOW + 1)))
    assert (one.is_starting, one.findings, one.limit_drifts) == (True, (), ())
    assert one.lacks == "its first process is still the runtime's"


def test_what_is_known_of_a_container_that_starts_is_served() -> None:
    one = judged(replace(after(NOW + 1), process=asked(table(RUNTIME), NOW + 1)))
    assert one.state == "running"
    assert one.memory.usage_bytes is not None
    assert one.limits_declared
    assert (one.selinux, one.datasets, one.volumes) == (None, (), ()), "the runtime's label and mounts are the host's"


def test_a_container_that_has_begun_is_judged_in_full() -> None:
    one = judged(after(NOW + 1))
    assert (one.is_starting, one.lacks) == (False, "")
    assert set(verdicts(one).values()) == {Verdict.PASS, Verdict.NOT_APPLICABLE}


def test_who_looks_like_the_runtime_is_judged_after_the_bound() -> None:
    late = NOW + START_SECONDS_MAX + 1
    imitator = replace(PAYLOAD, processes=(CLONE,))
    one = judged(replace(after(late), process=asked(table(imitator), late)))
    assert not one.is_starting
    assert one.lacks
    assert verdicts(one)["seccomp_filtered"] is Verdict.FAIL


def test_the_bound_does_not_begin_anew_with_each_look(follow: Follow) -> None:
    def look(at: float) -> bool:
        imitator = replace(RUNTIME, started_at_seconds=at)  # as if it could make itself younger
        return follow(replace(after(at), process=asked(table(imitator), at))).is_starting

    assert [look(NOW + at) for at in (1, 30, 59, 61, 62, 90)] == [True, True, True, False, False, False]


def test_a_wall_clock_that_is_set_back_makes_no_start_longer(follow: Follow) -> None:
    def look(at: float) -> bool:
        return follow(replace(after(at), process=asked(table(RUNTIME), at))).is_starting

    assert [look(NOW), look(NOW - 3600)] == [True, False]


def test_a_privileged_exec_in_a_container_that_has_begun_is_judged(follow: Follow) -> None:
    assert not complaints(follow(after(NOW + 1)))
    intruded = replace(PAYLOAD, processes=(PROCESS, replace(CLONE, pid=9000)))
    one = follow(replace(after(NOW + 2), process=asked(table(intruded), NOW + 2)))
    assert not one.is_starting
    assert verdicts(one)["seccomp_filtered"] is Verdict.FAIL


def test_a_life_that_has_begun_stays_so_whatever_its_processes_imitate(follow: Follow) -> None:
    follow(after(NOW + 1))
    imitator = replace(PAYLOAD, processes=(CLONE,))
    one = follow(replace(after(NOW + 2), process=asked(table(imitator), NOW + 2)))
    assert not one.is_starting
    assert verdicts(one)["no_new_privileges"] is Verdict.FAIL


def test_a_container_that_leaves_its_cgroup_and_comes_back_is_given_one_bound_in_all(follow: Follow) -> None:
    follow(after(NOW + 1))
    starting = []
    for at in range(2, 200, 10):
        away = replace(after(NOW + at), process=asked(table(), NOW + at))
        starting.append(follow(away if at % 20 == 2 else after(NOW + at)).is_starting)
    assert sum(starting) <= START_SECONDS_MAX / 20 + 1


def test_podmans_answer_on_the_life_before_is_not_used_for_this_one() -> None:
    stale = replace(STARTED, security=replace(STARTED.security, auto_remove=False))
    one = judged(replace(after(NOW + 1), podman=asked((TWIN, stale), NOW - 0.5)))
    assert one.lacks == "podman does not report it as running yet"
    assert one.is_starting


def test_a_container_of_roots_that_podman_does_not_name_yet_is_not_judged_within_the_bound() -> None:
    unnamed = replace(after(NOW + 1), podman=asked((TWIN,), NOW + 0.5))
    one = judged(unnamed)
    assert (one.is_starting, complaints(one)) == (True, [])
    assert not judged(replace(unnamed, taken_at_seconds=NOW + START_SECONDS_MAX + 1)).is_starting


def test_systemds_answer_on_the_life_before_is_not_used_for_this_one() -> None:
    one = judged(replace(after(NOW + 1), systemd=asked(after(NOW).systemd.value, NOW - 0.5)))  # type: ignore[union-attr]  # it is read
    assert one.lacks.startswith("systemd has not answered for objects02.service, services-objects02.slice")


def test_processes_of_the_life_before_are_not_used_for_this_one(follow: Follow) -> None:
    """Without --rm podman starts the same id again: only the cgroup is another."""
    kept = replace(CONTAINER, started_at_seconds=NOW - 3600)
    old = replace(PROCESSES, started_at_seconds=NOW - 3600)
    follow(replace(after(NOW - 60), podman=asked((TWIN, kept), NOW - 60), process=asked(table(old), NOW - 60)))
    again = replace(CGROUPS, levels=(replace(CGROUPS.levels[0], inode=31), *CGROUPS.levels[1:]))
    stale = replace(after(NOW + 1), cgroup=asked((TWIN_CGROUPS, again), NOW + 1), process=asked(table(old), NOW - 1))
    assert follow(stale).lacks == "its processes were not read yet"
    fresh_process = replace(PAYLOAD, processes=(replace(PROCESS, pid=7000),))
    begun = replace(stale, process=asked(table(fresh_process), NOW + 0.9))
    assert follow(begun).lacks == ""


def test_volumes_of_the_life_before_are_not_used_for_this_one() -> None:
    one = judged(replace(after(NOW + 1), volume=asked((TWIN_VOLUME, VOLUME), NOW - 1)))
    assert not one.is_starting, "the same mount was read"
    one = judged(replace(after(NOW + 1), volume=asked((TWIN_VOLUME,), NOW - 1)))
    assert one.lacks == "its volumes were not read yet"


def test_a_container_by_hand_waits_for_quadlets_that_were_read_since() -> None:
    def look(at: float) -> ContainerReport:
        return judged(replace(after(NOW + 1), quadlet=asked((), at)))

    assert look(NOW - 1).lacks == "quadlets were not read yet"
    assert verdicts(look(NOW + 0.5))["managed_by_quadlet"] is Verdict.FAIL


def test_a_source_that_fails_is_not_waited_for() -> None:
    one = judged(replace(after(NOW + 1), podman=Failed("no answer", 10.0, asked((TWIN, STARTED), NOW - 1))))
    assert not one.is_starting
    assert verdicts(one)["auto_remove"] is Verdict.UNKNOWN


def test_a_container_that_is_not_known_to_be_young_is_judged_as_it_is() -> None:
    one = judged(replace(SNAPSHOT, process=asked(table(), NOW - 5)))
    assert not one.is_starting
    assert verdicts(one)["seccomp_filtered"] is Verdict.UNKNOWN


def test_a_container_that_is_created_and_never_started_is_judged_as_one(follow: Follow) -> None:
    created = replace(CONTAINER, state="created", pid=None)
    one = follow(replace(after(NOW), podman=asked((TWIN, created), NOW), cgroup=asked((TWIN_CGROUPS,), NOW)))
    assert verdicts(one) == {"auto_remove": Verdict.PASS}


# The symptoms that were seen on a quick host, each of them a check that failed or was unknown for a moment.


def test_seccomp_filtered_does_not_fail_for_the_runtimes_own_process() -> None:
    one = judged(replace(after(NOW + 1), process=asked(table(RUNTIME), NOW + 1)))
    assert "seccomp_filtered" not in verdicts(one)


def test_auto_remove_does_not_fail_while_podman_removes_it(follow: Follow) -> None:
    follow(before(NOW - 60))
    ended = replace(FORMER, state="exited", pid=None, exited_at_seconds=NOW)
    going = replace(before(NOW), podman=asked((TWIN, ended), NOW + 0.1))
    assert follow(going).findings == (), "its cgroup is still there"
    gone = replace(going, cgroup=asked((TWIN_CGROUPS,), NOW + 0.2))
    assert follow(gone).findings == ()
    late = replace(gone, taken_at_seconds=NOW + START_SECONDS_MAX + 2)
    assert verdicts(follow(late)) == {"auto_remove": Verdict.FAIL}


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_container_that_podman_reports_as_ended_and_that_runs_is_judged_after_the_bound(
    follow: Follow, *, is_removed: bool
) -> None:
    follow(before(NOW - 60))
    security = replace(FORMER.security, auto_remove=is_removed)
    ended = replace(FORMER, state="exited", pid=None, exited_at_seconds=NOW, security=security)
    said = replace(before(NOW), podman=asked((TWIN, ended), NOW + 0.1))
    one = follow(said)
    assert (one.is_starting, one.findings) == (True, ()), "its end may be a moment ago"
    one = follow(replace(said, taken_at_seconds=NOW + START_SECONDS_MAX + 2))
    assert not one.is_starting
    assert verdicts(one)["seccomp_filtered"] is Verdict.PASS


def test_nothing_is_unknown_of_a_container_that_podman_removes_between_list_and_inspect(follow: Follow) -> None:
    assert not follow(after(NOW + 1)).is_starting
    listed_alone = replace(STARTED, inspected=False)
    removing = replace(after(NOW + 2), podman=asked((TWIN, listed_alone), NOW + 2))
    one = follow(removing)
    assert (one.is_starting, one.lacks, complaints(one)) == (True, "podman is removing it", [])
    assert not follow(after(NOW + 3)).is_starting
    # An inspect that fails for another reason is a problem of podman's: what it decides is unknown.
    assert not follow(replace(removing, podman=replace(removing.podman, problems=("no answer",)))).is_starting  # type: ignore[arg-type]  # it is read


@pytest.mark.parametrize("has_cgroup", [True, False])
def test_nothing_is_unknown_of_a_container_that_ends_while_the_agent_starts(
    follow: Follow, *, has_cgroup: bool
) -> None:
    """The agent has no past to know it by, and podman's list says that it has run for an hour."""
    ending = replace(STARTED, started_at_seconds=NOW - 3600, inspected=False)
    now = replace(after(NOW + 1), podman=asked((TWIN, ending), NOW + 0.5))
    if not has_cgroup:
        now = replace(now, cgroup=asked((TWIN_CGROUPS,), NOW + 0.5), process=asked(table(), NOW + 0.5))
    one = follow(now)
    assert (one.is_starting, complaints(one)) == (True, [])


def test_a_container_that_podman_reports_as_running_and_that_is_nowhere_is_judged_after_the_bound(
    follow: Follow,
) -> None:
    lost = replace(
        after(NOW + 1),
        podman=asked((TWIN, replace(STARTED, started_at_seconds=NOW - 3600)), NOW + 0.5),
        cgroup=asked((TWIN_CGROUPS,), NOW + 0.5),
        process=asked(table(), NOW + 0.5),
    )
    assert follow(lost).is_starting
    assert not follow(replace(lost, taken_at_seconds=NOW + START_SECONDS_MAX + 2)).is_starting


def hurried_podman(at_seconds: float) -> Read[tuple[Container, ...]]:
    """An answer whose time was over before the container, which has run for an hour, was inspected."""
    listed = replace(CONTAINER, started_at_seconds=NOW - 3600, inspected=False)
    answer: Read[tuple[Container, ...]] = asked((TWIN, listed), at_seconds)
    return replace(answer, problems=("one container was not inspected",))


def test_a_container_that_podman_did_not_inspect_while_the_agent_starts_is_starting_for_the_bound(
    follow: Follow,
) -> None:
    hurried = replace(
        after(NOW + 1),
        podman=hurried_podman(NOW + 0.5),
        process=asked(table(replace(PAYLOAD, started_at_seconds=NOW - 3600)), NOW + 0.5),
    )
    one = follow(hurried)
    assert (one.is_starting, complaints(one)) == (True, [])
    assert not follow(replace(hurried, taken_at_seconds=NOW + START_SECONDS_MAX + 2)).is_starting


@pytest.mark.parametrize("name", ["podman", "process", "systemd", "quadlet", "volume", "zfs_mounted"])
def test_a_source_that_has_yet_to_answer_for_the_first_time_is_waited_for(follow: Follow, name: str) -> None:
    """A page may be asked for in the first second of an agent, and what it shows does not begin a life."""
    awaited: dict[str, Any] = {name: NOT_YET}
    starting = replace(after(NOW + 1), **awaited)
    one = follow(starting)
    assert (one.is_starting, one.lacks, complaints(one)) == (True, f"{name} has not answered yet", [])
    assert not follow(replace(starting, taken_at_seconds=NOW + START_SECONDS_MAX + 2)).is_starting


def test_podmans_first_answer_that_lacks_a_container_is_waited_for_after_a_page_without_any(follow: Follow) -> None:
    old = table(replace(PAYLOAD, started_at_seconds=NOW - 3600))
    follow(replace(after(NOW + 1), podman=NOT_YET, process=asked(old, NOW + 0.5)))
    one = follow(replace(after(NOW + 2), podman=hurried_podman(NOW + 1.5), process=asked(old, NOW + 1.5)))
    assert (one.is_starting, complaints(one)) == (True, [])


def test_a_container_that_was_found_in_another_phase_is_given_no_second_bound(follow: Follow) -> None:
    old = table(replace(PAYLOAD, started_at_seconds=NOW - 3600))
    starting = []
    for at in range(1, 200, 10):
        seen = old if at % 20 == 1 else table()
        hurried = replace(after(NOW + at), podman=hurried_podman(NOW + at), process=asked(seen, NOW + at))
        starting.append(follow(hurried).is_starting)
    assert any(starting)
    assert sum(starting) <= 2 * START_SECONDS_MAX / 10 + 1, "one bound from its finding, one since it left"
    assert not any(starting[13:])


def test_limits_do_not_fail_while_the_runtime_sets_them() -> None:
    one = judged(replace(after(NOW + 1), cgroup=asked((TWIN_CGROUPS, UNLIMITED), NOW + 0.9)))
    assert not {"limits_applied", "limits_redundant"} & verdicts(one).keys()
    assert one.limit_drifts == ()
    assert one.lacks == "its cgroups were not read yet"


def test_nothing_is_unknown_between_two_lives(follow: Follow) -> None:
    """The cgroup tree is walked often, and podman and /proc were last asked while the life before was alive."""
    old = before(NOW - 1)
    follow(old)
    gone = replace(old, cgroup=asked((TWIN_CGROUPS,), NOW), taken_at_seconds=NOW)
    assert complaints(follow(gone)) == []
    here = replace(old, cgroup=asked((TWIN_CGROUPS, CGROUPS), NOW + 0.1), taken_at_seconds=NOW + 0.1)
    assert complaints(follow(here)) == []
    dying = replace(old, process=asked(table(), NOW), taken_at_seconds=NOW)
    assert complaints(follow(dying)) == []


# All orders in which the answers may come.

_STAGES = ("podman", "cgroup", "process", "systemd", "volume", "zfs_mounted", "quadlet")
_DEAD = replace(FORMER_CGROUPS, use=replace(FORMER_CGROUPS.use, pids=0))
_BORN, _EXECUTED = "born", "executed"


@st.composite
def _orders(draw: st.DrawFn) -> list[str]:
    """Sources in the order in which they are asked; all of them are asked once the payload runs."""
    early = draw(st.lists(st.sampled_from(_STAGES), max_size=6))
    middle = draw(st.lists(st.sampled_from(_STAGES), max_size=8))
    last = draw(st.permutations(_STAGES))
    return [*early, _BORN, *middle, _EXECUTED, *last, "cgroup"]


def _answer(source: str, stage: int, at: float, known: Snapshot) -> Read[object]:
    """What a source answers when it is asked at this moment."""
    if stage == 0:
        return asked(getattr(before(at), source).value, at)
    half_made = {
        "podman": (TWIN, replace(STARTED, state="initialized", inspected=False)),
        "cgroup": (TWIN_CGROUPS, UNLIMITED),
        "process": table(RUNTIME),
        "systemd": (*TWIN_UNITS, UNIT),  # the slice is asked about once the cgroup is found
        "volume": (TWIN_VOLUME,),
    }
    value = half_made.get(source) if stage == 1 else None
    if source == "systemd" and _DEAD in (latest(known.cgroup) or ()):
        value = None
    return asked(getattr(after(at), source).value if value is None else value, at)


def _walk(order: list[str]) -> Iterator[Snapshot]:
    snapshot, stage, at = before(NOW - 10), 0, NOW - 5.0
    yield snapshot
    for step in order:
        if step == _BORN:
            # Cgroups are read at each look: the former life's has no process any more.
            stage, at = 1, NOW
            snapshot = replace(snapshot, cgroup=asked((TWIN_CGROUPS, _DEAD), at))
        elif step == _EXECUTED:
            stage = 2
        else:
            snapshot = replace(snapshot, **{step: _answer(step, stage, at, snapshot)})  # type: ignore[arg-type]  # by name
        at += 0.1
        snapshot = replace(snapshot, taken_at_seconds=at)
        yield snapshot


@given(order=_orders())
def test_no_check_fails_or_is_unknown_in_whatever_order_the_answers_come(order: list[str]) -> None:
    snapshots = _walk(order)
    taken = following_lives(lambda: next(snapshots))
    for _ in range(len(order) + 1):
        report = assess(taken(), Thresholds(), Build())
        assert [word for one in report.containers for word in complaints(one)] == []
        twin = next(one for one in report.containers if one.name == "twin")
        assert len(twin.findings) > 30, "the other container is judged all the time"
        assert report.id_use[0].overlaps == 0
    one = next(one for one in report.containers if one.name == "objects02")
    assert not one.is_starting, one.lacks
    assert len(one.findings) == len(twin.findings)
