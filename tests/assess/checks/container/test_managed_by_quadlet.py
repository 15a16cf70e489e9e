from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.managed_by_quadlet import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CGROUPS,
    IN_THE_DARK,
    QUADLET,
    SECURE,
    fails,
    passes,
    verdict,
    with_container,
)


def test_a_container_in_the_unit_of_its_quadlet_passes() -> None:
    assert passes(CHECK)


def test_a_container_that_no_quadlet_describes_fails() -> None:
    assert fails(CHECK, replace(SECURE, quadlets=()))


def test_a_container_that_runs_outside_its_quadlets_unit_fails_with_drift() -> None:
    assert fails(CHECK, replace(SECURE, quadlets=(replace(QUADLET, unit="other.service"),)), drift=True)


def test_of_two_quadlets_with_its_name_the_one_that_runs_counts() -> None:
    assert passes(CHECK, replace(SECURE, quadlets=(replace(QUADLET, unit="other.service"), QUADLET)))


def test_a_pods_own_container_is_not_judged() -> None:
    assert verdict(CHECK, replace(with_container(is_infra=True), quadlets=())) is Verdict.NOT_APPLICABLE


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, quadlets=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=()))) is Verdict.UNKNOWN
    assert CHECK.examine(replace(SECURE, quadlets=None, user="alice")).reason == "quadlets of users are not read"
