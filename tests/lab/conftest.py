"""The `lab` fixture: a running guest. A test that cannot have it fails; nothing is skipped in silence.

With `-n 2` each worker has a guest of its own, new at the start of the session; a guest in which nothing failed is
ended, another one is kept for a look. Without workers the guest of LAB_NAME (else `main`) is joined and left running.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.lab.agent import install_agent
from tests.lab.engine import LabError, chosen
from tests.lab.lab import up
from tests.lab.machine import NAME, Machine
from tests.lab.vitals import vitals

LONGEST_FIRST = (
    "test_pager",
    "test_soak",
    "test_torture",
    "test_counts",
    "test_storage",
    "test_volumes",
    "test_isolation",
    "test_failures",
    "test_reboot",
    "test_walls",
)
"""Modules in the order in which workers take them; a module that is not here comes after these."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Longest modules first, and what this machine's engine cannot carry marked as such, with its reason."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    marked = [(item, mark) for item in items for mark in item.iter_markers("not_on")]
    if marked:
        engine = chosen()[0].name
        for item, mark in marked:
            if engine in mark.args:
                item.add_marker(pytest.mark.skip(reason=f"not on {engine}: {mark.kwargs['reason']}"))


def _worker() -> str | None:
    return os.environ.get("PYTEST_XDIST_WORKER")


def _machine() -> Machine:
    worker = _worker()
    return Machine.named(f"{_prefix()}{worker}" if worker else None)


def _prefix() -> str:
    """Of the names of this session's guests: with LAB_NAME two sessions can run on one machine."""
    return f"{os.environ.get(NAME) or 'test'}-"


@pytest.fixture(scope="session")
def lab() -> Iterator[Machine]:
    """This worker's guest, booted anew; without workers a guest that is joined if it runs."""
    machine = _machine()
    try:
        up(machine, fresh=_worker() is not None)
    except LabError as problem:
        pytest.fail(f"the lab did not start: {problem}")
    yield machine
    if _worker() is not None and not _failed:
        machine.stop()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:  # noqa: ARG001 - pytest's names
    """A session that was interrupted leaves no guest of its own: workers are ended before they can do that."""
    if _worker() is None and exitstatus == pytest.ExitCode.INTERRUPTED:
        for machine in Machine.all():
            if machine.name.startswith(_prefix()):
                machine.stop()


@pytest.fixture(scope="session")
def agent(lab: Machine) -> Machine:
    """The guest with this working tree's Bulkhead running in it."""
    try:
        install_agent(lab)
    except LabError as problem:
        pytest.fail(f"Bulkhead did not start in the lab: {problem}")
    return lab


_LOOKS = 6
_failed: list[str] = []  # tests that failed in this process' guest
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
    if report.failed and not _lost:
        _failed.append(item.nodeid)
        machine = _machine()
        if len(_failed) <= _LOOKS:
            report.sections.append(("how the guest is", vitals(machine)))
        kept = f"make lab-shell LAB_NAME={machine.name}; its console is in {machine.serial_log}"
        report.sections.append(("the guest is kept", f"a look: {kept}; its end: make lab-stop LAB_NAME={machine.name}"))
        if machine.pid is None or not machine.answers():
            _lost.append(item.nodeid)
    return report
