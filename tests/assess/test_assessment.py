from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.assess.checks.container import CHECKS
from exporter.facts.cgroup import MemoryEvents
from exporter.facts.counts import Counts, Totals
from exporter.facts.owners import CONTAINERS_OF_A_USER
from exporter.facts.process import ContainerProcesses, MountPoint, ProcessTable
from exporter.facts.reading import Read
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import Dataset, Storage
from exporter.report.findings import Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CGROUPS, CONTAINER, DATASET, HOST_MOUNTS, HOST_NAMESPACES, PROCESSES
from tests.assess.snapshots import NOW, SNAPSHOT, answered, silent


def report_of(snapshot: Snapshot, build: Build | None = None) -> Report:
    return assess(snapshot, Thresholds(), build or Build())


def verdicts(report: Report, name: str = "objects02") -> dict[str, Verdict]:
    container = next(one for one in report.containers if one.name == name)
    return {finding.check: finding.outcome.verdict for finding in container.findings}


def without(point: str) -> tuple[MountPoint, ...]:
    return tuple(mount for mount in PROCESSES.mounts if mount.mount_point != point)


def test_a_volume_that_the_container_has_unmounted_is_unknown_and_no_check_of_volumes_passes_without_it() -> None:
    hidden = ProcessTable((replace(PROCESSES, mounts=without("/data")),), (), HOST_NAMESPACES, HOST_MOUNTS)
    found = verdicts(report_of(replace(SNAPSHOT, process=answered(hidden))))
    assert {check for check, verdict in found.items() if verdict is Verdict.UNKNOWN} == {
        *("own_dataset", "dataset_quota", "volumes_labelled_private", "volumes_nosuid_nodev"),
        *("shared_volumes_idmapped", "label_not_shared_twice"),
    }


def test_the_limits_of_a_service_count_for_none_of_two_containers_in_it() -> None:
    payload, *above = CGROUPS.levels
    bare = replace(payload, memory_max_bytes=None, cpu_max_cores=None, pids_max=None)
    mine = replace(CGROUPS, levels=(bare, *above))
    other = replace(mine, container_id="f" * 64, levels=(replace(bare, path=f"{above[0].path}/other"), *above))
    limited = {"memory_limited", "cpu_limited", "pids_limited"}
    alone = verdicts(report_of(replace(SNAPSHOT, cgroup=answered((mine,)))))
    beside = verdicts(report_of(replace(SNAPSHOT, cgroup=answered((mine, other)))))
    assert {alone[check] for check in limited} == {Verdict.PASS}
    assert {beside[check] for check in limited} == {Verdict.FAIL}


def test_a_program_that_sandboxes_itself_need_not_see_the_volume() -> None:
    sandboxed = replace(PROCESSES, other_mounts=(without("/data"),))
    table = ProcessTable((sandboxed,), (), HOST_NAMESPACES, HOST_MOUNTS)
    passing = verdicts(report_of(SNAPSHOT))
    assert verdicts(report_of(replace(SNAPSHOT, process=answered(table)))) == passing


def called(word: str) -> Snapshot:
    """The secure container, as podman calls it by this word."""
    return replace(SNAPSHOT, podman=answered((replace(CONTAINER, state=word),)))


def test_the_secure_container_passes_every_check() -> None:
    assert verdicts(report_of(SNAPSHOT)) == {check.id: Verdict.PASS for check in CHECKS} | {
        "apparmor_confined": Verdict.NOT_APPLICABLE
    }


def test_a_silent_podman_turns_what_only_podman_knows_into_unknown_and_leaves_what_the_kernel_says() -> None:
    found = verdicts(report_of(replace(SNAPSHOT, podman=silent(answered((CONTAINER,))))))
    assert found["auto_remove"] is Verdict.UNKNOWN
    assert found["all_capabilities_dropped"] is Verdict.PASS


def test_a_silent_proc_never_passes_a_check_on_its_last_answer() -> None:
    last = answered(ProcessTable((PROCESSES,), ()))
    report = report_of(replace(SNAPSHOT, process=silent(last)))
    assert verdicts(report)["no_new_privileges"] is Verdict.UNKNOWN
    assert report.containers[0].datasets, "which dataset is whose is still shown"


def test_cgroups_that_hang_show_their_last_figures_and_pass_no_check_on_them() -> None:
    report = report_of(replace(SNAPSHOT, cgroup=silent(answered((CGROUPS,)))))
    whole = report_of(SNAPSHOT).containers[0]
    shown = report.containers[0]
    assert (shown.cgroups, shown.memory, shown.limits_in_force) == (CGROUPS, whole.memory, whole.limits_in_force)
    assert {name for name, verdict in verdicts(report).items() if verdict is Verdict.UNKNOWN} >= {
        *("memory_limited", "cpu_limited", "pids_limited", "own_slice", "rootful", "limits_applied"),
    }
    assert not any(drift.holds for drift in shown.limit_drifts)
    (cgroup,) = (one for one in report.collectors if one.name == "cgroup")
    assert (cgroup.success, cgroup.age_seconds) == (False, 5)


def with_other_mounts(*tables: tuple[MountPoint, ...], processes: ContainerProcesses = PROCESSES) -> Snapshot:
    table = ProcessTable((replace(processes, other_mounts=tables),), (), HOST_NAMESPACES, HOST_MOUNTS)
    return replace(SNAPSHOT, process=answered(table))


def in_a_copy(**changes: object) -> tuple[MountPoint, ...]:
    """The mounts as unshare(1) copies them, with other ids and `/` changed."""
    copied = (replace(one, mount_id=9000 + number) for number, one in enumerate(PROCESSES.mounts))
    return tuple(replace(one, **changes) if one.mount_point == "/" else one for one in copied)  # type: ignore[arg-type]  # the tests name real fields


def test_a_mount_namespace_with_the_same_walls_changes_no_verdict() -> None:
    assert verdicts(report_of(with_other_mounts(in_a_copy()))) == verdicts(report_of(SNAPSHOT))


def test_what_does_not_hold_in_each_mount_namespace_is_unknown_and_says_where_it_fails() -> None:
    writable = in_a_copy(options=("rw",))
    report = report_of(with_other_mounts(in_a_copy(), writable))
    changed = verdicts(report).items() - verdicts(report_of(SNAPSHOT)).items()
    assert changed == {("read_only_rootfs", Verdict.UNKNOWN)}
    outcomes = {finding.check: finding.outcome for finding in report.containers[0].findings}
    assert outcomes["read_only_rootfs"].reason == "not so in another mount namespace of the container"
    assert outcomes["read_only_rootfs"].detail == "root file system writable: / is rw"


def test_what_fails_in_the_first_mount_namespace_fails_whatever_the_others_are() -> None:
    bare = replace(PROCESSES, mounts=in_a_copy(options=("rw",)))
    assert verdicts(report_of(with_other_mounts((), processes=bare)))["read_only_rootfs"] is Verdict.FAIL


def test_a_mount_namespace_that_could_not_be_read_leaves_every_check_of_mounts_unknown() -> None:
    changed = verdicts(report_of(with_other_mounts(()))).items() - verdicts(report_of(SNAPSHOT)).items()
    assert {verdict for _, verdict in changed} == {Verdict.UNKNOWN}
    assert {check for check, _ in changed} == {
        *("read_only_rootfs", "paths_masked", "images_in_system_storage", "no_added_devices"),
        *("no_host_path_of_the_system", "shared_volumes_idmapped", "volumes_nosuid_nodev"),
        *("volumes_labelled_private", "label_not_shared_twice", "own_dataset", "dataset_quota"),
    }


def test_a_missing_container_is_not_judged() -> None:
    report = report_of(replace(SNAPSHOT, podman=answered(()), cgroup=answered(())))
    assert report.containers[0].state == "missing"
    assert report.containers[0].findings == ()


def test_an_oom_killed_container_that_is_away_is_still_counted() -> None:
    left = replace(CGROUPS.levels[2], memory_events=MemoryEvents(oom_kill=3))
    report = report_of(replace(SNAPSHOT, podman=silent(), cgroup=answered(()), empty_slices=(left,)))
    assert [(one.name, one.oom_kills, one.restarts) for one in report.containers] == [("objects02", 3, 0)]


def test_of_an_ended_container_only_its_removal_is_judged() -> None:
    ended = replace(CONTAINER, state="exited", pid=None)
    report = report_of(replace(SNAPSHOT, podman=answered((ended,)), cgroup=answered(())))
    assert verdicts(report) == {"auto_remove": Verdict.FAIL}


WORDS_OF_PODMAN = ("unknown", "", "created", "configured", "initialized", "stopped", "exited", "removing", "dead")


@pytest.mark.parametrize("word", WORDS_OF_PODMAN)
def test_a_container_with_living_processes_is_judged_whatever_podman_calls_it(word: str) -> None:
    report = report_of(called(word))
    assert verdicts(report).keys() == {check.id for check in CHECKS}
    bare = replace(PROCESSES, processes=tuple(replace(one, seccomp_mode=0) for one in PROCESSES.processes))
    report = report_of(replace(called(word), process=answered(ProcessTable((bare,), ()))))
    assert verdicts(report)["seccomp_filtered"] is Verdict.FAIL


@pytest.mark.parametrize("word", WORDS_OF_PODMAN)
def test_a_container_none_of_whose_living_processes_could_be_read_is_judged_as_unknown(word: str) -> None:
    closed = replace(PROCESSES, processes=(), mounts=(), unreadable=("4001: Permission denied",))
    report = report_of(replace(called(word), process=answered(ProcessTable((closed,), ()))))
    assert verdicts(report)["seccomp_filtered"] is Verdict.UNKNOWN


@pytest.mark.parametrize("word", WORDS_OF_PODMAN)
def test_a_container_that_has_no_process_is_not_judged_whatever_podman_calls_it(word: str) -> None:
    report = report_of(replace(called(word), process=answered(ProcessTable((), ()))))
    assert verdicts(report).keys() <= {"auto_remove"}
    last = answered(ProcessTable((PROCESSES,), ()))
    assert verdicts(report_of(replace(called(word), process=silent(last)))).keys() <= {"auto_remove"}


def test_the_label_of_a_container_that_podman_calls_exited_is_held_against_its_neighbours() -> None:
    twin = replace(CONTAINER, id="f" * 64, name="twin", unit="")
    tree = replace(CGROUPS, container_id=twin.id)
    snapshot = replace(
        SNAPSHOT,
        podman=answered((replace(CONTAINER, state="exited"), twin)),
        cgroup=answered((CGROUPS, tree)),
        process=answered(ProcessTable((PROCESSES, replace(PROCESSES, container_id=twin.id)), ())),
    )
    assert verdicts(report_of(snapshot), "twin")["selinux_unique_label"] is Verdict.FAIL


def test_another_occupant_of_the_slice_is_named() -> None:
    other = replace(CGROUPS, container_id="f" * 64, levels=CGROUPS.levels[2:])
    twin = replace(CONTAINER, id="f" * 64, name="good01", unit="")
    report = report_of(replace(SNAPSHOT, cgroup=answered((CGROUPS, other)), podman=answered((CONTAINER, twin))))
    detail = {f.check: f.outcome.detail for c in report.containers if c.name == "objects02" for f in c.findings}
    assert "good01" in detail["own_slice"]


def test_the_quick_clock_of_mounted_datasets_stands() -> None:
    assert [dataset.used_bytes for dataset in report_of(SNAPSHOT).datasets] == [810]


@pytest.mark.parametrize(("quick_read_at", "used"), [(NOW - 3600, 800), (NOW - 1, 810)])
def test_of_two_clocks_for_datasets_one_that_failed_gives_way_to_newer_figures(quick_read_at: float, used: int) -> None:
    slow = replace(DATASET, used_bytes=800)
    quick: Read[tuple[Dataset, ...]] = Read((replace(DATASET, used_bytes=810),), quick_read_at, 0.01)
    snapshot = replace(SNAPSHOT, zfs=answered(Storage((slow,), ())), zfs_mounted=silent(quick))
    assert [one.used_bytes for one in report_of(snapshot).datasets] == [used]


def test_containers_beyond_the_cap_are_dropped_and_counted() -> None:
    many = tuple(replace(CONTAINER, id=f"{number:064x}", name=f"c{number:03}") for number in range(10))
    report = report_of(replace(SNAPSHOT, podman=answered(many), cgroup=answered(())), Build(max_containers=4))
    assert [one.name for one in report.containers] == ["c000", "c001", "c002", "c003"]
    assert report.dropped_containers == 7  # six of the many, and the quadlet's objects02
    assert report.dropped_by_owner == (("", 7),)


def test_no_users_containers_take_the_place_of_roots_on_the_page() -> None:
    users = tuple(
        replace(CONTAINER, id=f"{number:064x}", name=f"{user}/{number:04}", user=user, unit="")
        for user, count in (("alice", 1_200), ("bob", 2))
        for number in range(count)
    )
    many = (*users, replace(CONTAINER, id="e" * 64, name="web", unit=""))
    snapshot = replace(SNAPSHOT, podman=answered(many), cgroup=answered(()), cgroups_left_out={7: 3})
    names = [one.name for one in report_of(snapshot, Build(max_containers=8)).containers]
    assert names == ["alice/0000", "alice/0001", "alice/0002", "alice/0003", "bob/0000", "bob/0001", "objects02", "web"]
    report = report_of(snapshot, Build(max_containers=2_000))
    assert len(report.containers) == CONTAINERS_OF_A_USER + 4
    assert report.dropped_by_owner == (("7", 3), ("alice", 1_200 - CONTAINERS_OF_A_USER))
    assert report.dropped_containers == 3 + 1_200 - CONTAINERS_OF_A_USER


def test_the_containers_of_users_are_the_first_beyond_the_cap() -> None:
    many = tuple(
        replace(CONTAINER, id=f"{number:064x}", name=f"alice/{number}", user="alice", pod="") for number in range(10)
    )
    gone = tuple(Counts(name) for name in ("alice/a", "alice/b", "worker"))
    snapshot = replace(SNAPSHOT, podman=answered((*many, CONTAINER)), totals=Totals(0, (*gone, Counts("objects02"))))
    report = report_of(snapshot, Build(max_containers=4))
    assert [one.name for one in report.containers] == ["alice/0", "alice/1", "alice/2", "objects02"]
    few = report_of(replace(snapshot, podman=answered((CONTAINER,))), Build(max_containers=2))
    assert [one.name for one in few.gone] == ["worker"]
