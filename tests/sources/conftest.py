from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.sources.cgroup import CgroupSource
from tests.sources.sleepers import Sleepers


@pytest.fixture(autouse=True)
def _cgroups_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test leaves open: the recorded host is 371 files, and most systems let a process open 1024."""
    made: list[CgroupSource] = []
    init = CgroupSource.__init__

    def kept_in_mind(self: CgroupSource, root: Path, open_files_max: int | None = None) -> None:
        made.append(self)
        init(self, root, open_files_max)

    monkeypatch.setattr(CgroupSource, "__init__", kept_in_mind)
    yield
    for source in made:
        source.close()


@pytest.fixture
def sleepers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sleepers]:
    """The children of this test's programs, which cannot be killed until its end."""
    asleep = Sleepers(tmp_path, monkeypatch)
    yield asleep
    asleep.wake()
