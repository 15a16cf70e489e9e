from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import CHECKS
from exporter.facts.container import DeclaredLimits
from exporter.report.findings import Verdict
from tests.assess.secure import HOST, SECURE, UNIT, with_container

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


BY_LABEL = [
    check
    for check in CHECKS
    if check.id
    in {
        *("selinux_confined", "selinux_unique_label", "apparmor_confined"),
        *("label_not_shared_twice", "volumes_labelled_private"),
    }
]


@pytest.mark.parametrize("apparmor_enabled", [True, False, None])
@pytest.mark.parametrize("check", BY_LABEL, ids=lambda check: check.id)
def test_without_a_word_of_the_kernel_on_selinux_what_labels_decide_is_unknown(
    check: ContainerCheck, *, apparmor_enabled: bool | None
) -> None:
    assert len(BY_LABEL) == 5
    host = replace(HOST, selinux_mode=None, apparmor_enabled=apparmor_enabled, unreadable=("sys/fs/selinux/enforce",))
    outcome = check.examine(replace(SECURE, host=host))
    assert (outcome.verdict, outcome.detail) == (Verdict.UNKNOWN, "/sys/fs/selinux/enforce")


@pytest.mark.parametrize("mode", [None, "disabled"])
@pytest.mark.parametrize("check_id", ["selinux_confined", "apparmor_confined"])
def test_without_a_word_of_the_kernel_on_apparmor_it_is_unknown_whether_the_host_has_an_access_control(
    check_id: str, mode: str | None
) -> None:
    path = "sys/module/apparmor/parameters/enabled"
    host = replace(HOST, selinux_mode=mode, apparmor_enabled=None, unreadable=(path,))
    (check,) = (one for one in CHECKS if one.id == check_id)
    outcome = check.examine(replace(SECURE, host=host))
    assert (outcome.verdict, outcome.detail) == (Verdict.UNKNOWN, f"/{path}")


def test_apparmor_decides_nothing_where_selinux_enforces() -> None:
    host = replace(HOST, apparmor_enabled=None, unreadable=("sys/module/apparmor/parameters/enabled",))
    verdicts = {check.id: check.examine(replace(SECURE, host=host)).verdict for check in BY_LABEL}
    assert verdicts.pop("apparmor_confined") is Verdict.NOT_APPLICABLE
    assert set(verdicts.values()) == {Verdict.PASS}
