"""Children that no signal reaches, as those of a program that sleeps in the kernel on a suspended pool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


class Sleepers:
    """Keeps the children that were to be killed and whose program or script lies in `directory`; others are killed."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self._really_kill = really_kill = subprocess.Popen.kill

        def kill(child: subprocess.Popen[bytes]) -> None:
            # Threads that other tests have left may end their children in this moment.
            if str(directory) in str(child.args):
                self.children.append(child)
            else:
                really_kill(child)

        patch.setattr(subprocess.Popen, "kill", kill)

    def wake(self) -> None:
        """End them."""
        for child in self.children:
            self._really_kill(child)
            child.wait()
