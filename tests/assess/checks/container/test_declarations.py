from __future__ import annotations

from pathlib import Path

import pytest

from exporter.assess.checks import container
from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import CHECKS
from exporter.report.findings import Verdict
from tests.assess.checks.container.limited import LIMITED
from tests.assess.secure import IN_THE_DARK, SECURE, SECURE_BY_APPARMOR

FILES = {path.stem for path in Path(str(container.__file__)).parent.glob("[!_]*.py")}
TESTED = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")}
TESTED_TOGETHER = {each.check.id for each in LIMITED}  # in test_limited.py


def test_every_file_is_a_check_of_that_name_once() -> None:
    assert sorted(check.id for check in CHECKS) == sorted(FILES)


def test_every_check_has_its_test_file() -> None:
    assert FILES <= TESTED | TESTED_TOGETHER


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_tells_what_why_and_how_to_mend(check: ContainerCheck) -> None:
    assert check.title
    assert check.why.endswith(".")
    assert check.fix_quadlet
    assert check.fix_podman
    assert check.references


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_secure_container_passes_and_darkness_never_does(check: ContainerCheck) -> None:
    secure = SECURE_BY_APPARMOR if check.id == "apparmor_confined" else SECURE
    assert check.examine(secure).verdict is Verdict.PASS
    assert check.examine(IN_THE_DARK).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_reasons_are_short_enough_for_a_label(check: ContainerCheck) -> None:
    for subject in (SECURE, IN_THE_DARK):
        assert 0 < len(check.examine(subject).reason) <= 60
