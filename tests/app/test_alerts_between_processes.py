"""An alert on its way from the collector over the front to Alertmanager, and either process killed at each step."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.killed import STEPS
from tests.notify.alertmanager import alertmanager

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


class Child:
    """A process of tests/app/killed.py."""

    def __init__(self, role: str, directory: Path, url: str, step: str = "") -> None:
        own_step = step if STEPS.get(step) == role else ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.app.killed", role, str(directory), url, own_step],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def said(self) -> str:
        """What it answers to a line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def go_on(self) -> None:
        """Have it count the kill."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def wait_until_killed(self) -> None:
        assert self.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.kill()
            self.process.communicate()


@contextlib.contextmanager
def child(role: str, directory: Path, url: str, step: str = "") -> Iterator[Child]:
    one = Child(role, directory, url, step)
    try:
        yield one
    finally:
        one.end()


def eventually(holds: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("step", STEPS)
def test_whoever_is_killed_at_that_step_the_alert_is_neither_lost_nor_another_one(tmp_path: Path, step: str) -> None:
    with (
        alertmanager() as fake,
        child("collector", tmp_path, fake.url, step) as collector,
        child("front", tmp_path, fake.url, step) as front,
    ):
        collector.go_on()
        victim = {"collector": collector, "front": front}[STEPS[step]]
        victim.wait_until_killed()
        with child(STEPS[step], tmp_path, fake.url) as again:
            left = again if STEPS[step] == "collector" else collector
            if left is again:
                again.go_on()
            assert eventually(lambda: fake.names() == ["web"])
            assert eventually(lambda: left.said() == "0\n")
    # Alertmanager knows an alert by its labels and its start: what came twice is the same one.
    assert {(one["labels"]["container"], one["startsAt"]) for one in fake.taken} == {("web", fake.taken[0]["startsAt"])}
    sent_twice = step in {"posted", "heard"}
    assert len(fake.taken) == 1 + sent_twice
