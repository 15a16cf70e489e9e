"""The `lab` fixture: a running guest. A test that cannot have it fails; nothing is skipped in silence."""

from __future__ import annotations

import pytest

from tests.lab.agent import install_agent
from tests.lab.lab import up
from tests.lab.machine import LabError, Machine


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
