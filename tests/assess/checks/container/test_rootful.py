from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.rootful import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import CGROUPS, CONTAINER, IN_THE_DARK, SECURE, fails, passes, verdict


def test_a_container_of_root_passes() -> None:
    assert passes(CHECK)


def test_a_cgroup_of_another_user_fails_even_when_podman_was_not_asked() -> None:
    assert fails(CHECK, replace(SECURE, user="alice", container=None, cgroups=replace(CGROUPS, owner_uid=1000)))


def test_a_users_podman_fails_also_where_its_processes_sit_outside_the_users_slice() -> None:
    container = replace(CONTAINER, user="alice")
    for cgroups in (CGROUPS, None):
        assert fails(CHECK, replace(SECURE, user="alice", container=container, cgroups=cgroups))


def test_one_of_podman_and_the_cgroup_is_not_enough_to_pass() -> None:
    assert verdict(CHECK, replace(SECURE, container=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, cgroups=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
