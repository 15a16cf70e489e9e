from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.memory_high_set import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    IN_THE_DARK,
    SECURE,
    UNIT,
    fails,
    passes,
    verdict,
    with_container,
    with_level,
)

UNASKED = replace(UNIT, memory_high_bytes=None)


def test_a_mark_at_the_service_passes() -> None:
    assert passes(CHECK)


def test_a_mark_that_podman_was_asked_for_passes_too() -> None:
    limits = replace(CONTAINER.limits, memory_high_bytes=500_000_000)
    subject = replace(with_container(limits=limits), unit=UNASKED)
    levels = (replace(CGROUPS.levels[0], memory_high_bytes=499_998_720), *CGROUPS.levels[2:])
    assert passes(CHECK, replace(subject, cgroups=replace(CGROUPS, levels=levels)))


def test_no_mark_fails_and_drifts_if_one_was_asked_for() -> None:
    without = with_level(Level.SERVICE, memory_high_bytes=None)
    assert fails(CHECK, without, drift=True)
    assert fails(CHECK, replace(without, unit=UNASKED))


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    levels = tuple(replace(level, memory_high_bytes=None) for level in CGROUPS.levels)
    hidden = replace(CGROUPS, levels=levels, unreadable=(f"{levels[1].path}/memory.high: EIO",))
    assert verdict(CHECK, replace(SECURE, cgroups=hidden)) is Verdict.UNKNOWN
