from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.facts.podman import PodmanSocket
from exporter.sources.cgroup import CgroupSource
from exporter.sources.podman import PodmanSource
from tests.sources.podman_service import HOST, Opens, PodmanService, podman_at
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


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[PodmanService]:
    with podman_at(tmp_path / "root.sock") as answering:
        yield answering


@pytest.fixture
def source_of() -> Iterator[Opens]:
    """`source_of(path)` reads root's podman there; `source_of(path, alice=path)` a user's beside."""
    opened: list[PodmanSource] = []

    def opens(path: Path, timeout_seconds: float = 5, root: Path = HOST, **users: Path) -> PodmanSource:
        sockets = [*((user, where) for user, where in users.items()), ("", path)]
        named = tuple(PodmanSocket(f"unix://{where}", user) for user, where in sockets)
        opened.append(PodmanSource(named, timeout_seconds, root=root))
        return opened[-1]

    yield opens
    for source in opened:
        source.close()
