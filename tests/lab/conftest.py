"""The `lab` fixture: a running guest. A test that cannot have it fails; nothing is skipped in silence."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.lab.agent import install_agent
from tests.lab.lab import up
from tests.lab.machine import LabError, Machine
from tests.lab.vitals import vitals


@pytest.fixture(scope="session")
def lab() -> Machine:
    """The guest of BULKHEAD_LAB_NAME (else `main`), started if it does not run."""
    machine = Machine.named()
    try:
        up(machine)
    except LabError as problem:
        pytest.fail(f"the lab did not start: {problem}")
    return machine


@pytest.fixture(scope="session")
def agent(lab: Machine) -> Machine:
    """The guest with this working tree's Bulkhead running in it."""
    try:
        install_agent(lab)
    except LabError as problem:
        pytest.fail(f"Bulkhead did not start in the lab: {problem}")
    return lab


_LOOKS = 6
_looks: list[str] = []  # tests after whose failure the guest was looked at
_lost: list[str] = []  # the test after which it did not answer


@pytest.fixture(autouse=True)
def _guest_that_answers() -> None:
    """Fail at once if the guest is lost: each later test would wait for minutes to say less."""
    if _lost:
        pytest.fail(f"the guest does not answer since {_lost[0]}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep with a failure how the guest was then: on another machine there is nothing else to look at later."""
    report = yield
    if report.failed and not _lost and len(_looks) < _LOOKS:
        _looks.append(item.nodeid)
        machine = Machine.named()
        report.sections.append(("how the guest is", vitals(machine)))
        if machine.pid is None or not machine.answers():
            _lost.append(item.nodeid)
    return report
