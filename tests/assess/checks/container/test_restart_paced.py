from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.restart_paced import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import CONTAINER, IN_THE_DARK, SECURE, UNIT, fails, passes, verdict


@pytest.mark.parametrize("policy", ["on-failure", "always", "on-abnormal"])
def test_a_restart_after_a_pause_passes(policy: str) -> None:
    assert passes(CHECK, replace(SECURE, unit=replace(UNIT, restart_policy=policy)))


def test_a_unit_that_is_not_restarted_fails() -> None:
    assert fails(CHECK, replace(SECURE, unit=replace(UNIT, restart_policy="no")))


def test_a_pause_under_a_second_fails() -> None:
    assert fails(CHECK, replace(SECURE, unit=replace(UNIT, restart_delay_seconds=0.1)))


def test_a_container_without_a_unit_is_not_judged() -> None:
    subject = replace(SECURE, unit=None, container=replace(CONTAINER, unit=""))
    assert verdict(CHECK, subject) is Verdict.NOT_APPLICABLE


def test_a_unit_that_could_not_be_read_is_unknown() -> None:
    assert verdict(CHECK, replace(SECURE, unit=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, unit=replace(UNIT, restart_delay_seconds=None))) is Verdict.UNKNOWN
