from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.limits_applied import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.cgroup import Level
from exporter.facts.container import DeclaredLimits
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    IN_THE_DARK,
    SECURE,
    fails,
    passes,
    verdict,
    with_container,
    with_level,
)


def test_limits_that_the_kernel_has_but_for_a_page_pass() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize(
    ("level", "changes", "told"),
    [
        (Level.PAYLOAD, {"memory_max_bytes": None}, "memory_bytes: podman was asked for 512000000"),
        (Level.PAYLOAD, {"memory_max_bytes": 1_024_000_000}, "its cgroup has 1024000000"),
        (Level.PAYLOAD, {"cpu_max_cores": 8.0}, "cpu_cores: podman was asked for 4"),
        (Level.PAYLOAD, {"pids_max": None}, "pids: podman was asked for 200"),
        (Level.SERVICE, {"memory_max_bytes": None}, "memory_bytes: unit was asked for 512000000"),
        (Level.SERVICE, {"memory_high_bytes": None}, "memory_high_bytes: unit was asked for 512000000"),
    ],
)
def test_a_limit_that_was_asked_for_and_is_not_there_fails_with_drift(
    level: Level, changes: dict[str, object], told: str
) -> None:
    subject = with_level(level, **changes)
    assert fails(CHECK, subject, drift=True)
    assert told in CHECK.examine(subject).detail


def test_without_any_limit_asked_for_there_is_nothing_to_apply() -> None:
    by_hand = with_container(unit="", limits=DeclaredLimits())
    assert verdict(CHECK, replace(by_hand, unit=None)) is Verdict.NOT_APPLICABLE


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, container=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, unit=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, container=replace(CONTAINER, inspected=False))) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=()))) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (replace(SECURE, container=None), "podman did not answer for it"),
        (replace(SECURE, unit=None), f"systemd did not answer for {CONTAINER.unit}"),
        (replace(SECURE, slice_unit=None), "systemd did not answer for services-objects02.slice"),
        (replace(SECURE, cgroups=None), "its cgroup was not read"),
        (replace(SECURE, unit=None, cgroups=None), "; its cgroup was not read"),
    ],
)
def test_where_limits_cannot_be_judged_the_outcome_says_who_did_not_answer(
    changed: ContainerSubject, words: str
) -> None:
    outcome = CHECK.examine(changed)
    assert outcome.verdict is Verdict.UNKNOWN
    assert words in outcome.detail
