from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.resource_accounting import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CGROUPS,
    IN_THE_DARK,
    PAYLOAD_LEVEL,
    SECURE,
    SERVICE_LEVEL,
    UNIT,
    fails,
    passes,
    verdict,
    with_level,
)


def test_both_controllers_pass() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("controllers", [("cpu",), ("memory", "pids"), ()])
def test_a_lacking_controller_that_the_unit_asked_for_fails_with_drift(controllers: tuple[str, ...]) -> None:
    assert fails(CHECK, with_level(Level.PAYLOAD, controllers=controllers), drift=True)


def test_a_lacking_controller_that_nobody_asked_for_fails_without_drift() -> None:
    subject = replace(with_level(Level.PAYLOAD, controllers=()), unit=replace(UNIT, cpu_accounting=False))
    assert fails(CHECK, subject)


def test_controllers_that_could_not_be_read_are_not_lacking() -> None:
    bare = with_level(Level.PAYLOAD, controllers=())
    assert bare.cgroups is not None
    denied = replace(bare.cgroups, unreadable=(f"{PAYLOAD_LEVEL.path}/cgroup.controllers: Input/output error",))
    assert verdict(CHECK, replace(bare, cgroups=denied)) is Verdict.UNKNOWN
    elsewhere = replace(bare.cgroups, unreadable=(f"{SERVICE_LEVEL.path}/cgroup.controllers: Input/output error",))
    assert fails(CHECK, replace(bare, cgroups=elsewhere), drift=True)


def test_no_cgroup_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=()))) is Verdict.UNKNOWN
