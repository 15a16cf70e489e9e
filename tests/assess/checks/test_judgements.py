from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import CHECKS
from exporter.facts.container import DeclaredLimits
from exporter.report.findings import Verdict
from tests.assess.secure import SECURE, UNIT, with_container

LIMITED = [
    check
    for check in CHECKS
    if check.id in {"memory_limited", "memory_high_set", "swap_limited", "cpu_limited", "pids_limited"}
]
PODMAN_ASKED_NOTHING = with_container(limits=DeclaredLimits())


@pytest.mark.parametrize("check", LIMITED, ids=lambda check: check.id)
def test_a_limit_in_force_is_no_drift_while_systemd_has_not_answered_for_the_unit(check: ContainerCheck) -> None:
    assert PODMAN_ASKED_NOTHING.container is not None
    assert PODMAN_ASKED_NOTHING.container.unit
    assert check.examine(replace(PODMAN_ASKED_NOTHING, unit=None)).drift is False


@pytest.mark.parametrize("check", LIMITED, ids=lambda check: check.id)
def test_a_limit_in_force_is_no_drift_while_podman_has_not_answered(check: ContainerCheck) -> None:
    silent = replace(
        UNIT,
        memory_max_bytes=None,
        memory_high_bytes=None,
        memory_swap_max_bytes=None,
        cpu_quota_cores=None,
        tasks_max=None,
    )
    assert check.examine(replace(SECURE, container=None, unit=silent)).drift is False


@pytest.mark.parametrize("check", LIMITED, ids=lambda check: check.id)
def test_a_limit_that_nobody_asked_for_is_drift(check: ContainerCheck) -> None:
    by_hand = with_container(limits=DeclaredLimits(), unit="")
    outcome = check.examine(replace(by_hand, unit=None))
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)
