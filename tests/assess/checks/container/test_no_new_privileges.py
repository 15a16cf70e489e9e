from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.no_new_privileges import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    IN_THE_DARK,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_process,
)


def test_every_process_with_the_flag_passes() -> None:
    assert passes(CHECK)


def test_one_process_without_the_flag_fails_with_drift() -> None:
    assert fails(CHECK, with_process(no_new_privileges=False), drift=True)


def test_a_container_that_never_asked_fails_without_drift() -> None:
    subject = replace(
        with_declared(no_new_privileges=False), processes=with_every_process(no_new_privileges=False).processes
    )
    assert fails(CHECK, subject)


def test_no_processes_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
