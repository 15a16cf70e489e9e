from __future__ import annotations

from dataclasses import MISSING, fields, replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.assess.audit import audited
from exporter.assess.checks.container import CHECKS
from exporter.facts.reading import Absent, Read
from exporter.facts.snapshot import Snapshot
from exporter.report.examination import SubjectKind
from exporter.report.findings import Verdict, WaiverState
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver
from tests.assess.secure import CONTAINER
from tests.assess.snapshots import NOW, SNAPSHOT, WITHOUT_ZFS, answered, silent
from tests.assess.starting import RUNTIME, after, asked, table


def report_of(snapshot: Snapshot, **build: object) -> Report:
    return assess(snapshot, Thresholds(), replace(Build(), **build))  # type: ignore[arg-type]


TWO = replace(SNAPSHOT, podman=answered((CONTAINER, replace(CONTAINER, id="b" * 64, name="alice/web", user="alice"))))


def names(snapshot: Snapshot, *globs: str) -> list[str]:
    return [subject.name for subject in audited(report_of(snapshot), globs).subjects]


def test_every_container_and_the_host_are_subjects_with_the_report_s_own_findings() -> None:
    report = report_of(SNAPSHOT)
    examination = audited(report)
    assert [(one.name, one.state, one.findings) for one in examination.subjects] == [
        ("objects02", "running", report.containers[0].findings),
        ("host", "", report.host_findings),
    ]
    assert [one.kind for one in examination.subjects] == [SubjectKind.CONTAINER, SubjectKind.HOST]
    assert examination.checks == report.checks
    assert examination.problems == ()
    assert report.host is not None
    assert examination.title == report.host.hostname
    assert audited(report_of(SNAPSHOT, is_example=True)).title == "the example host"


@pytest.mark.parametrize(
    ("globs", "chosen"),
    [
        ((), ["alice/web", "objects02", "host"]),
        (("objects*",), ["objects02"]),
        (("alice/*", "objects0?"), ["alice/web", "objects02"]),
    ],
)
def test_globs_choose_by_name(globs: tuple[str, ...], chosen: list[str]) -> None:
    assert names(TWO, *globs) == chosen


def test_with_globs_the_host_s_checks_were_not_made() -> None:
    checks = {check.id for check in audited(report_of(SNAPSHOT), ("objects*",)).checks}
    assert checks == {check.id for check in CHECKS}


def test_a_container_called_host_is_chosen_and_the_host_is_not() -> None:
    called_host = replace(SNAPSHOT, podman=answered((replace(CONTAINER, name="host"),)))
    (subject,) = audited(report_of(called_host), ("host",)).subjects
    assert subject.kind is SubjectKind.CONTAINER


def test_waivers_are_told_and_are_no_problem() -> None:
    waivers = (Waiver("gone", "rootful", "over", 1.0), Waiver("misspelt", "rootful", "left"))
    examination = audited(assess(SNAPSHOT, Thresholds(), Build(), waivers))
    assert [waiver.state for waiver in examination.waivers] == [WaiverState.EXPIRED, WaiverState.UNMATCHED]
    assert examination.problems == ()


def test_a_glob_that_matches_nothing_is_told_and_not_passed() -> None:
    examination = audited(report_of(SNAPSHOT), ("objects*", "obejcts*"))
    assert examination.problems == ("no container's name matches obejcts*",)


def test_what_is_here_and_did_not_answer_is_a_problem() -> None:
    examination = audited(report_of(replace(SNAPSHOT, process=silent())))
    assert examination.problems == ("process: no answer within 10 s",)
    verdicts = {finding.outcome.verdict for finding in examination.subjects[0].findings}
    assert Verdict.UNKNOWN in verdicts


def test_parts_that_could_not_be_read_are_problems_too() -> None:
    assert isinstance(SNAPSHOT.podman, Read)
    partial = replace(SNAPSHOT.podman, problems=("podman of alice did not answer",))
    assert audited(report_of(replace(SNAPSHOT, podman=partial))).problems == ("podman: podman of alice did not answer",)


def test_what_is_not_on_this_host_is_none() -> None:
    assert audited(report_of(WITHOUT_ZFS)).problems == ()


def test_a_source_that_nobody_asked_is_a_problem_and_not_missing_from_this_host() -> None:
    given = {field.name: getattr(SNAPSHOT, field.name) for field in fields(Snapshot) if field.default is MISSING}
    problems = audited(report_of(Snapshot(**given))).problems
    assert problems == tuple(f"{name}: nobody asked" for name in ("firewall", "volume", "quadlet_file", "traffic"))


def test_a_host_without_podman_where_containers_run_is_a_problem() -> None:
    (problem,) = audited(report_of(replace(SNAPSHOT, podman=Absent("no podman socket.")))).problems
    assert problem.startswith("podman: no podman socket, yet there are containers (1 known)")


def test_a_host_that_tells_of_no_container_because_it_cannot_is_no_host_without_containers() -> None:
    dark = replace(SNAPSHOT, podman=Absent("no podman"), cgroup=Absent("cgroup v1"), quadlet=answered(()))
    assert "nothing here tells what runs: no podman; cgroup v1" in audited(report_of(dark)).problems


def test_containers_beyond_the_cap_are_told() -> None:
    (problem,) = audited(report_of(TWO, max_containers=1)).problems
    assert problem == "containers beyond series.max_containers were not judged: 1 (1 of alice)"


def test_a_container_that_starts_is_shown_as_starting_and_leaves_the_audit_unfinished() -> None:
    half_made = replace(after(NOW + 1), process=asked(table(RUNTIME), NOW + 1))
    examination = audited(report_of(half_made), ("objects02",))
    assert [(one.state, one.findings) for one in examination.subjects] == [("starting", ())]
    (problem,) = examination.problems
    assert problem.startswith("objects02 is starting and was not judged: its first process is still the runtime's")
    assert audited(report_of(half_made), ("twin",)).problems == ()
