from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.rootful import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import CGROUPS, IN_THE_DARK, SECURE, fails, passes, verdict


def test_a_container_of_root_passes() -> None:
    assert passes(CHECK)


def test_a_cgroup_of_another_user_fails_even_when_podman_was_not_asked() -> None:
    assert fails(CHECK, replace(SECURE, user="alice", container=None, cgroups=replace(CGROUPS, owner_uid=1000)))


def test_no_cgroup_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
