from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.own_slice import CHECK
from exporter.facts.cgroup import Level
from exporter.report.findings import Verdict
from tests.assess.secure import CGROUPS, IN_THE_DARK, SECURE, fails, passes, verdict, with_level


def test_a_slice_for_itself_passes() -> None:
    assert passes(CHECK)


def test_another_occupant_of_the_slice_fails_and_is_named() -> None:
    subject = replace(SECURE, other_occupants=("good01",))
    assert fails(CHECK, subject)
    assert "good01" in CHECK.examine(subject).detail


@pytest.mark.parametrize(
    "path", ["/system.slice", "/machine.slice", "/user.slice/user-1000.slice/user@1000.service/app.slice"]
)
def test_a_common_slice_fails_even_without_other_occupants(path: str) -> None:
    assert fails(CHECK, with_level(Level.SLICE, path=path))


def test_no_slice_at_all_fails() -> None:
    assert fails(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=CGROUPS.levels[:2])))


def test_no_cgroup_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, cgroups=replace(CGROUPS, levels=()))) is Verdict.UNKNOWN
