from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.swap_limited import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    HOST,
    IN_THE_DARK,
    fails,
    passes,
    verdict,
    with_container,
    with_level,
)

ACCOUNTED = replace(CGROUPS.use, memory_swap_bytes=0)
WITHOUT = with_level(Level.PAYLOAD, memory_swap_max_bytes=None)
UNLIMITED = replace(WITHOUT, cgroups=replace(WITHOUT.cgroups or CGROUPS, use=ACCOUNTED))


def test_a_limit_of_the_payload_passes() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_level(Level.PAYLOAD, memory_swap_max_bytes=0))


def test_no_limit_fails_and_drifts_if_one_was_asked_for() -> None:
    assert fails(CHECK, UNLIMITED, drift=True)
    unasked = with_container(limits=replace(CONTAINER.limits, memory_swap_bytes=None))
    assert fails(CHECK, replace(unasked, cgroups=UNLIMITED.cgroups))


def test_a_host_without_swap_and_a_kernel_without_its_accounting_have_nothing_to_limit() -> None:
    assert verdict(CHECK, replace(UNLIMITED, host=replace(HOST, swap_total_bytes=0))) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, WITHOUT) is Verdict.NOT_APPLICABLE
    assert fails(CHECK, replace(UNLIMITED, host=replace(HOST, swap_total_bytes=None)), drift=True)


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    hidden = replace(UNLIMITED.cgroups or CGROUPS, unreadable=("/x/memory.swap.max: EIO",))
    assert verdict(CHECK, replace(UNLIMITED, cgroups=hidden)) is Verdict.UNKNOWN
