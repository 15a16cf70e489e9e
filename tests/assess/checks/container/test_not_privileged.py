from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.not_privileged import CHECK
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

EVERYTHING = (1 << 41) - 1


def test_a_container_with_its_walls_up_passes() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_process(bounding_capabilities=1 << 21))


def test_one_process_with_every_capability_fails_with_drift() -> None:
    assert fails(CHECK, with_process(bounding_capabilities=EVERYTHING), drift=True)
    of_an_old_kernel = (1 << 38) - 1
    assert fails(CHECK, with_process(bounding_capabilities=of_an_old_kernel), drift=True)


def test_what_was_asked_to_be_privileged_fails_whatever_its_processes_show() -> None:
    asked = with_declared(privileged=True)
    assert fails(CHECK, asked)
    assert fails(CHECK, replace(asked, processes=with_every_process(bounding_capabilities=EVERYTHING).processes))
    assert CHECK.declared is not None
    assert CHECK.declared(asked).verdict is Verdict.FAIL


def test_without_podman_the_processes_decide() -> None:
    assert passes(CHECK, replace(SECURE, container=None))
    privileged = with_process(bounding_capabilities=EVERYTHING)
    assert fails(CHECK, replace(privileged, container=None))


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    hidden = replace(SECURE, processes=replace(PROCESSES, unreadable=("4003: Permission denied",)))
    assert verdict(CHECK, hidden) is Verdict.UNKNOWN
