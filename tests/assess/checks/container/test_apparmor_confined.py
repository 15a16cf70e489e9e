from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.apparmor_confined import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Verdict
from tests.assess.secure import HOST, IN_THE_DARK, PROCESSES, SECURE, SECURE_BY_APPARMOR, fails, passes, verdict


def labelled(label: str | None) -> ContainerSubject:
    processes = SECURE_BY_APPARMOR.processes or PROCESSES
    first, worker = processes.processes
    return replace(
        SECURE_BY_APPARMOR,
        processes=replace(processes, processes=(first, replace(worker, security_label=label))),
    )


def test_an_enforced_profile_passes() -> None:
    assert passes(CHECK, SECURE_BY_APPARMOR)


@pytest.mark.parametrize("label", [None, "unconfined", "containers-default-0.62.1 (complain)", "(enforce)"])
def test_a_process_without_an_enforced_profile_fails_with_drift(label: str | None) -> None:
    assert fails(CHECK, labelled(label), drift=True)


@pytest.mark.parametrize("profile", ["", "unconfined"])
def test_unconfined_as_asked_fails_without_drift(profile: str) -> None:
    assert SECURE_BY_APPARMOR.container is not None
    security = replace(SECURE_BY_APPARMOR.container.security, apparmor_profile=profile)
    asked = replace(labelled("unconfined"), container=replace(SECURE_BY_APPARMOR.container, security=security))
    assert fails(CHECK, asked)


def test_it_is_not_judged_where_selinux_is_or_where_neither_is() -> None:
    assert verdict(CHECK, SECURE) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, apparmor_enabled=True))) is Verdict.NOT_APPLICABLE
    bare = replace(HOST, selinux_mode=None, apparmor_enabled=False)
    assert verdict(CHECK, replace(SECURE, host=bare)) is Verdict.NOT_APPLICABLE


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE_BY_APPARMOR, processes=None)) is Verdict.UNKNOWN
    nameless = labelled(None)
    assert nameless.processes is not None
    pid = next(one.pid for one in nameless.processes.processes if one.security_label is None)
    denied = replace(nameless.processes, unreadable=(f"{pid}: attr/current: Permission denied",))
    assert verdict(CHECK, replace(nameless, processes=denied)) is Verdict.UNKNOWN
