from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.auto_remove import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import CONTAINER, IN_THE_DARK, SECURE, fails, passes, verdict, with_declared


def test_a_container_with_rm_passes() -> None:
    assert passes(CHECK)


def test_a_container_without_rm_fails() -> None:
    assert fails(CHECK, with_declared(auto_remove=False))


def test_an_ended_container_that_was_to_be_removed_fails_with_drift() -> None:
    assert fails(CHECK, replace(SECURE, running=False, container=replace(CONTAINER, state="exited")), drift=True)


def test_ended_containers_are_judged_too() -> None:
    assert CHECK.judges_stopped


def test_what_podman_did_not_say_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, with_declared(auto_remove=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, container=replace(CONTAINER, inspected=False))) is Verdict.UNKNOWN
