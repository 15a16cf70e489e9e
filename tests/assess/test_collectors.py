from __future__ import annotations

from dataclasses import replace

from exporter.assess.assessment import Build, assess
from exporter.facts.container import Container
from exporter.facts.reading import Read
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.report.collectors import CollectorReport
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CONTAINER
from tests.assess.snapshots import NOW, SNAPSHOT, WITHOUT_ZFS, answered, silent


def report_of(snapshot: Snapshot) -> Report:
    return assess(snapshot, Thresholds(), Build())


def collector(report: Report, name: str) -> CollectorReport:
    return next(one for one in report.collectors if one.name == name)


def test_an_absent_source_is_neither_present_nor_failed() -> None:
    zfs = collector(report_of(WITHOUT_ZFS), "zfs")
    assert (zfs.present, zfs.success, zfs.age_seconds) == (False, False, None)
    assert zfs.reason == "ZFS is not on this host"


def test_a_failed_source_tells_the_age_of_what_is_shown() -> None:
    report = report_of(replace(SNAPSHOT, podman=silent(answered((CONTAINER,)))))
    podman = collector(report, "podman")
    assert (podman.present, podman.success, podman.age_seconds) == (True, False, 5.0)


def test_a_source_with_a_problem_has_not_succeeded_and_serves_the_rest() -> None:
    partly: Read[tuple[Container, ...]] = Read((CONTAINER,), NOW - 5, 0.1, problems=("alice's podman did not answer",))
    report = report_of(replace(SNAPSHOT, podman=partly))
    assert not collector(report, "podman").success
    assert collector(report, "podman").reason == "alice's podman did not answer"
    assert report.containers[0].container is not None


def test_a_clock_that_was_set_back_gives_no_negative_age() -> None:
    assert collector(report_of(replace(SNAPSHOT, taken_at_seconds=NOW - 3600)), "podman").age_seconds == 0.0


def test_every_source_is_reported_by_its_field_name_with_its_events() -> None:
    report = report_of(replace(SNAPSHOT, events=(EventCount("podman", 7, 1),)))
    assert [one.name for one in report.collectors] == [
        "podman",
        "cgroup",
        "process",
        "systemd",
        "quadlet",
        "zfs",
        "zfs_mounted",
        "host",
        "firewall",
        "volume",
        "quadlet_file",
        "traffic",
    ]
    assert (collector(report, "podman").events, collector(report, "podman").events_lost) == (7, 1)
