from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.paths_masked import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import MASKED_PATHS
from exporter.report.findings import Verdict
from tests.assess.secure import HOST, IN_THE_DARK, PROCESSES, SECURE, fails, passes, verdict, with_declared


def without(path: str) -> ContainerSubject:
    mounts = tuple(mount for mount in PROCESSES.mounts if mount.mount_point != path)
    return replace(SECURE, processes=replace(PROCESSES, mounts=mounts))


def test_paths_that_the_kernel_has_and_that_are_mounted_over_pass() -> None:
    assert passes(CHECK)


def test_a_path_that_is_not_mounted_over_fails_with_drift() -> None:
    assert fails(CHECK, without("/proc/keys"), drift=True)
    assert CHECK.examine(without("/proc/keys")).detail == "/proc/keys"


def test_unmask_fails_without_drift() -> None:
    unmasked = with_declared(masked_paths=tuple(path for path in MASKED_PATHS if path != "/proc/kcore"))
    assert fails(CHECK, replace(unmasked, processes=without("/proc/kcore").processes))


def test_paths_that_were_not_asked_for_and_are_masked_pass_with_drift() -> None:
    outcome = CHECK.examine(with_declared(masked_paths=()))
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)


def test_a_path_that_this_kernel_does_not_have_needs_no_mask() -> None:
    of_podman_4 = with_declared(masked_paths=("/proc/kcore", "/proc/keys", "/sys/firmware"))
    assert passes(CHECK, of_podman_4)
    with_power = replace(HOST, maskable_paths=(*(HOST.maskable_paths or ()), "/sys/devices/virtual/powercap"))
    assert fails(CHECK, replace(of_podman_4, host=with_power))


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, maskable_paths=None))) is Verdict.UNKNOWN
    assert CHECK.declared is not None
    assert CHECK.declared(with_declared(masked_paths=None)).verdict is Verdict.UNKNOWN
