"""The checks of what the kernel itself does."""

from __future__ import annotations

import pytest

from exporter.report.findings import Verdict
from tests.assess.checks.host.sound import turned, with_host, with_sysctl

SYSCTLS = [
    ("kptr_restricted", "kernel.kptr_restrict", ("1", "2"), "0"),
    ("dmesg_restricted", "kernel.dmesg_restrict", ("1",), "0"),
    ("unprivileged_bpf_disabled", "kernel.unprivileged_bpf_disabled", ("1", "2"), "0"),
    ("ptrace_scoped", "kernel.yama.ptrace_scope", ("1", "2", "3"), "0"),
    ("kexec_disabled", "kernel.kexec_load_disabled", ("1",), "0"),
]


@pytest.mark.parametrize(("check", "sysctl", "right", "wrong"), SYSCTLS)
def test_a_sysctl_passes_or_fails_by_its_value_and_a_kernel_without_it_is_not_judged(
    check: str, sysctl: str, right: tuple[str, ...], wrong: str
) -> None:
    for value in right:
        assert turned(with_sysctl(sysctl, value)) == {}
    assert turned(with_sysctl(sysctl, wrong)) == {check: Verdict.FAIL}
    assert turned(with_sysctl(sysctl, None)) == {check: Verdict.NOT_APPLICABLE}


@pytest.mark.parametrize(("check", "sysctl"), [(check, sysctl) for check, sysctl, _, _ in SYSCTLS])
def test_a_sysctl_that_could_not_be_read_is_unknown(check: str, sysctl: str) -> None:
    without = with_sysctl(sysctl, None).host
    assert without is not None
    subject = with_host(sysctls=without.sysctls, unreadable=("proc/sys/" + sysctl.replace(".", "/"),))
    assert turned(subject) == {check: Verdict.UNKNOWN}


@pytest.mark.parametrize("mode", ["permissive", "disabled", None])
def test_selinux_that_does_not_enforce_fails(mode: str | None) -> None:
    assert turned(with_host(selinux_mode=mode)) == {"selinux_enforcing": Verdict.FAIL}


def test_selinux_is_not_judged_on_a_host_of_apparmor_unless_it_runs_too() -> None:
    not_applicable = {"selinux_enforcing": Verdict.NOT_APPLICABLE}
    assert turned(with_host(selinux_mode=None, apparmor_enabled=True)) == not_applicable
    assert turned(with_host(selinux_mode="disabled", apparmor_enabled=True)) == not_applicable
    assert turned(with_host(selinux_mode="permissive", apparmor_enabled=True)) == {"selinux_enforcing": Verdict.FAIL}


def test_a_mode_of_selinux_that_could_not_be_read_is_unknown() -> None:
    subject = with_host(selinux_mode="disabled", unreadable=("sys/fs/selinux/enforce",))
    assert turned(subject) == {"selinux_enforcing": Verdict.UNKNOWN}


@pytest.mark.parametrize("mode", ["disabled", None])
def test_whether_apparmor_is_the_access_control_is_unknown_where_its_state_could_not_be_read(mode: str | None) -> None:
    unread = ("sys/module/apparmor/parameters/enabled",)
    subject = with_host(selinux_mode=mode, apparmor_enabled=None, unreadable=unread)
    assert turned(subject) == {"selinux_enforcing": Verdict.UNKNOWN}
    subject = with_host(selinux_mode="permissive", apparmor_enabled=None, unreadable=unread)
    assert turned(subject) == {"selinux_enforcing": Verdict.FAIL}


def test_lockdown_is_judged_where_the_kernel_has_it() -> None:
    assert turned(with_host(lockdown="confidentiality")) == {}
    assert turned(with_host(lockdown="none")) == {"kernel_lockdown": Verdict.FAIL}
    assert turned(with_host(lockdown="")) == {"kernel_lockdown": Verdict.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("disabled", "signatures", "lockdown", "verdict"),
    [
        ("1", "N", "none", Verdict.PASS),
        ("0", "Y", "none", Verdict.PASS),
        ("0", "N", "integrity", Verdict.PASS),
        ("0", "N", "none", Verdict.FAIL),
        ("0", "", "", Verdict.FAIL),
        ("0", None, "none", Verdict.UNKNOWN),
        ("0", "N", None, Verdict.UNKNOWN),
        (None, "", "", Verdict.NOT_APPLICABLE),
    ],
)
def test_one_of_three_locks_on_modules_is_enough(
    disabled: str | None, signatures: str | None, lockdown: str | None, verdict: Verdict
) -> None:
    host = with_sysctl("kernel.modules_disabled", disabled).host
    assert host is not None
    subject = with_host(sysctls=host.sysctls, module_signatures=signatures, lockdown=lockdown)
    assert turned(subject).get("modules_locked_or_signed", Verdict.PASS) is verdict


def test_a_lock_on_modules_that_could_not_be_read_is_unknown() -> None:
    subject = with_host(
        sysctls=(), module_signatures="N", lockdown="none", unreadable=("proc/sys/kernel/modules_disabled",)
    )
    assert turned(subject)["modules_locked_or_signed"] is Verdict.UNKNOWN


def test_cgroups_of_version_1_fail_and_none_are_unknown() -> None:
    assert turned(with_host(cgroup_version=1)) == {"cgroup_v2": Verdict.FAIL}
    assert turned(with_host(cgroup_version=None)) == {"cgroup_v2": Verdict.UNKNOWN}
