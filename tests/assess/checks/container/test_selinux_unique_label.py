from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.selinux_unique_label import CHECK
from exporter.assess.checks.subject import Sharers
from exporter.report.findings import Verdict
from tests.assess.secure import (
    HOST,
    IN_THE_DARK,
    PROCESSES,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
)


def test_a_label_that_nobody_else_has_passes_also_where_it_is_not_enforced() -> None:
    assert passes(CHECK)
    assert passes(CHECK, replace(SECURE, host=replace(HOST, selinux_mode="permissive")))


def test_a_label_that_another_has_too_fails_with_drift_unless_it_was_asked_for() -> None:
    subject = replace(SECURE, label_shared_with=Sharers(("db",)))
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == "with db"
    assert fails(CHECK, replace(SECURE, label_shared_with=Sharers(("db",), ("db",))))


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_without_selinux_it_is_not_judged(mode: str | None) -> None:
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, selinux_mode=mode))) is Verdict.NOT_APPLICABLE


def test_a_container_without_a_label_of_its_own_has_none_to_share() -> None:
    unlabelled = with_every_process(security_label="system_u:system_r:spc_t:s0")
    assert verdict(CHECK, unlabelled) is Verdict.NOT_APPLICABLE
    assert CHECK.declared is not None
    assert CHECK.declared(with_declared(selinux_process_label="")).verdict is Verdict.NOT_APPLICABLE


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    hidden = replace(PROCESSES, unreadable=("4001: attr/current: Permission denied",))
    assert verdict(CHECK, replace(SECURE, processes=hidden)) is Verdict.UNKNOWN
    assert CHECK.declared is not None
    assert CHECK.declared(with_declared(selinux_process_label=None)).verdict is Verdict.UNKNOWN
