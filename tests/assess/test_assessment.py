from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.assess.checks.container import CHECKS
from exporter.facts.cgroup import MemoryEvents
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Read
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import Dataset, Storage
from exporter.report.findings import Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CGROUPS, CONTAINER, DATASET, PROCESSES
from tests.assess.snapshots import NOW, SNAPSHOT, answered, silent


def report_of(snapshot: Snapshot, build: Build | None = None) -> Report:
    return assess(snapshot, Thresholds(), build or Build())


def verdicts(report: Report, name: str = "objects02") -> dict[str, Verdict]:
    container = next(one for one in report.containers if one.name == name)
    return {finding.check: finding.outcome.verdict for finding in container.findings}


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
