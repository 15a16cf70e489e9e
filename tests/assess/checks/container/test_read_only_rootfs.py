from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.read_only_rootfs import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import DATA, IN_THE_DARK, PROCESSES, ROOT, SECURE, fails, passes, verdict, with_declared

WRITABLE = replace(ROOT, options=("rw", "relatime"))


def test_a_read_only_root_passes() -> None:
    assert passes(CHECK)


def test_a_writable_root_that_was_to_be_read_only_fails_with_drift() -> None:
    assert fails(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=(WRITABLE, DATA))), drift=True)


def test_a_writable_root_that_was_asked_for_fails_without_drift() -> None:
    subject = with_declared(read_only_rootfs=False)
    assert fails(CHECK, replace(subject, processes=replace(PROCESSES, mounts=(WRITABLE,))))


def test_of_several_roots_the_last_one_counts() -> None:
    assert fails(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=(ROOT, WRITABLE))), drift=True)
    assert passes(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=(WRITABLE, ROOT))))


def test_a_read_only_root_that_nobody_asked_for_passes_with_drift() -> None:
    assert CHECK.examine(with_declared(read_only_rootfs=False)).drift


def test_no_mounts_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
