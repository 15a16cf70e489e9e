from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.all_capabilities_dropped import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    IN_THE_DARK,
    PROCESSES,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_process,
)


def test_no_capability_anywhere_passes() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("kind", ["bounding", "permitted", "effective", "inheritable", "ambient"])
def test_one_capability_of_any_kind_in_one_process_fails_with_drift(kind: str) -> None:
    assert fails(CHECK, with_process(**{f"{kind}_capabilities": 1 << 13}), drift=True)


def test_a_capability_that_was_asked_for_fails_without_drift() -> None:
    declared = with_declared(bounding_capabilities=("CAP_NET_RAW",))
    subject = replace(declared, processes=with_every_process(bounding_capabilities=1 << 13).processes)
    assert fails(CHECK, subject)


def test_the_detail_names_the_process() -> None:
    assert "worker (4002)" in CHECK.examine(with_process(effective_capabilities=1)).detail


def test_a_process_that_could_not_be_read_makes_it_unknown_and_never_a_pass() -> None:
    subject = replace(SECURE, processes=replace(PROCESSES, unreadable=("4003: permission denied",)))
    assert verdict(CHECK, subject) is Verdict.UNKNOWN


def test_a_known_break_outweighs_an_unreadable_process() -> None:
    broken = with_process(bounding_capabilities=1).processes
    assert broken is not None
    assert fails(CHECK, replace(SECURE, processes=replace(broken, unreadable=("4003: denied",))), drift=True)


def test_no_processes_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, processes=()))) is Verdict.UNKNOWN
