from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.seccomp_filtered import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    IN_THE_DARK,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_process,
)


def test_a_filter_on_every_process_passes() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_declared(seccomp="/etc/seccomp.json"))


@pytest.mark.parametrize("mode", [0, 1])
def test_one_process_without_a_filter_fails_with_drift(mode: int) -> None:
    assert fails(CHECK, with_process(seccomp_mode=mode), drift=True)


def test_unconfined_that_was_asked_for_fails_without_drift() -> None:
    subject = replace(with_declared(seccomp="unconfined"), processes=with_every_process(seccomp_mode=0).processes)
    assert fails(CHECK, subject)


def test_a_programs_own_filter_is_none_of_podmans_and_fails() -> None:
    assert fails(CHECK, with_declared(seccomp="unconfined"))


def test_whose_filter_it_is_is_unknown_while_podman_does_not_say() -> None:
    assert verdict(CHECK, replace(SECURE, container=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, with_declared(seccomp=None)) is Verdict.UNKNOWN
    assert fails(CHECK, replace(with_process(seccomp_mode=0), container=None))


def test_no_processes_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
