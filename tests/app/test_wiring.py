"""Every source is read by the agent, by `audit` and by `doctor`.

The list of sources is derived from the fields of Snapshot. A source that has a field there and no entry in the table
of collectors, or an entry that is not followed, fails here, by its name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest

from exporter.app import agent as app_agent
from exporter.app.agent import build_agent
from exporter.app.collectors import CLOCKS, COLLECTORS, Sources, build_sources, clock_seconds
from exporter.app.diagnosis import State
from exporter.app.doctor import examine
from exporter.app.ledger import HostLedger
from exporter.app.one_shot import survey
from exporter.app.reload import Standards
from exporter.config import Config
from exporter.facts.cgroup import CgroupLevel, Level
from exporter.facts.reading import Absent, Failed, Read, Unreadable, fresh
from exporter.facts.snapshot import Snapshot
from exporter.ledger.keeper import Keeper
from exporter.report.host import Report
from exporter.runtime.agent import Agent
from exporter.sources.log import AuditLogSource, JournalSource
from tests.fake_sources import answers, refuses, sources

# Whether the ledger's own streams are read is a `Reading[None] | None`: these are no sources that are asked.
READINGS = tuple(
    name
    for name, hint in get_type_hints(Snapshot).items()
    if Absent in get_args(hint) and type(None) not in get_args(hint)
)
EMPTY_SLICE = CgroupLevel("/services.slice/services-gone.slice", 7, Level.SLICE)
STREAMS = tuple(collector.name for collector in COLLECTORS if collector.wakes)
PROBLEM = "a part could not be read"
STREAMS_OF_THE_LEDGER: dict[str, tuple[type, str]] = {
    "journal": (JournalSource, "follow"),
    "audit_log": (AuditLogSource, "follow"),
    "keeper": (Keeper, "run"),
}


def with_problems(root: Path) -> tuple[str, ...]:
    """The sources that may read a part and say what they could not read."""
    made = build_sources(Config(), root)
    names = tuple(name for name in READINGS if hasattr(made.by_name[name], "problems"))
    made.ground.podman.close()
    made.ground.cgroup.close()
    return names


def test_every_reading_of_a_snapshot_has_one_entry_in_the_table_of_collectors() -> None:
    assert sorted(READINGS) == sorted(collector.name for collector in COLLECTORS)
    assert len(READINGS) > 10


@pytest.mark.parametrize("name", READINGS)
def test_the_survey_reads_every_source(name: str) -> None:
    made = sources()
    assert fresh(getattr(survey(made, deadline_seconds=5), name)) == made.by_name[name].read()
    snapshot = survey(sources(**{name: refuses(Unreadable("denied"))}), deadline_seconds=5)
    failed = {each: reading.reason for each in READINGS if isinstance(reading := getattr(snapshot, each), Failed)}
    assert failed == {name: "denied"}


@pytest.mark.parametrize("name", READINGS)
def test_the_doctor_reads_every_source(name: str, tmp_path: Path) -> None:
    config = Config(listen=("127.0.0.1:0",), state_dir=tmp_path)
    found = examine(sources(**{name: refuses(Unreadable("denied"))}), config, deadline_seconds=5)
    ailing = {finding.name: finding.found for finding in found if finding.state is not State.OK}
    assert ailing == {name: "denied"}


@dataclass(frozen=True)
class Built:
    """An agent of sources that answer with little, and of streams that end at once."""

    agent: Agent
    sources: Sources
    config: Config
    snapshots: list[Snapshot]
    followed: set[str]

    def snapshot(self) -> Snapshot:
        """What the agent judges once every clock that it has started has brought an answer."""
        self.agent.start()
        ends_at = time.monotonic() + 10
        while not self.agent.ready() and time.monotonic() < ends_at:
            time.sleep(0.005)
        self.agent.report()
        return self.snapshots[-1]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Built]:
    boot_id = tmp_path / "proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text("65e0bb86-b9e7-4ad0-94bd-cb6ea4444883\n")
    for shown in ("self", "stat"):
        (tmp_path / "proc" / shown).symlink_to(f"/proc/{shown}")
    made, followed = sources(), set[str]()
    snapshots: list[Snapshot] = []
    books: list[HostLedger] = []
    vars(made.slices).update(read=answers((EMPTY_SLICE,)))
    for name in STREAMS:
        vars(made.by_name[name]).update(follow=lambda *_, name=name: followed.add(name))
    for name, (stream, follow) in STREAMS_OF_THE_LEDGER.items():
        monkeypatch.setattr(stream, follow, lambda *_, name=name: followed.add(name))

    class Kept(HostLedger):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            books.append(self)

    def judge(snapshot: Snapshot, *_: object) -> Report:
        snapshots.append(snapshot)
        return Report(0.0, (), ())

    monkeypatch.setattr(app_agent, "build_sources", lambda *_, **__: made)
    monkeypatch.setattr(app_agent, "HostLedger", Kept)
    monkeypatch.setattr(app_agent, "assess", judge)
    # A number of its own for each clock: a source that has another one's clock is found.
    clocks = {name: 100.0 + number for number, name in enumerate(CLOCKS)}
    config = Config(state_dir=tmp_path / "state", clocks=clocks)
    agent = build_agent(config, Standards(config), tmp_path)
    yield Built(agent, made, config, snapshots, followed)
    agent.stop()
    books[0].counter.close()
    books[0].ledger.close()


def test_the_agent_starts_and_reads_every_source(built: Built) -> None:
    snapshot = built.snapshot()
    read = {name: fresh(getattr(snapshot, name)) for name in READINGS}
    assert read == {name: built.sources.by_name[name].read() for name in READINGS}
    assert snapshot.empty_slices == (EMPTY_SLICE,)


def test_the_agents_snapshot_leaves_nothing_out(built: Built) -> None:
    snapshot = built.snapshot()
    left_out = {
        field.name
        for field in fields(Snapshot)
        if field.default is not MISSING and getattr(snapshot, field.name) == field.default
    }
    assert left_out == set()


def test_the_agent_follows_every_stream(built: Built) -> None:
    built.agent.start()
    ends_at = time.monotonic() + 10
    while len(built.followed) < len(STREAMS) + len(STREAMS_OF_THE_LEDGER) and time.monotonic() < ends_at:
        time.sleep(0.005)
    assert built.followed == {*STREAMS, *STREAMS_OF_THE_LEDGER}


def test_every_source_has_a_clock_of_its_own(built: Built) -> None:
    intervals = {poller.name: poller._clock.interval_seconds for poller in built.agent._pollers}
    assert intervals == built.config.clocks
    assert {clock_seconds(Config(), collector) for collector in COLLECTORS} == set(CLOCKS.values())


def test_what_a_source_could_not_read_in_part_reaches_audit_doctor_and_agent(built: Built, tmp_path: Path) -> None:
    names = with_problems(tmp_path)
    assert "podman" in names
    for name in names:
        cast("Any", built.sources.by_name[name]).problems = (PROBLEM,)

    def reported(snapshot: Snapshot) -> set[str]:
        readings = {name: getattr(snapshot, name) for name in READINGS}
        return {name for name, reading in readings.items() if isinstance(reading, Read) and PROBLEM in reading.problems}

    found = examine(built.sources, Config(listen=("127.0.0.1:0",), state_dir=tmp_path), deadline_seconds=5)
    assert reported(survey(built.sources, deadline_seconds=5)) == set(names)
    assert {finding.name for finding in found if PROBLEM in finding.found} == set(names)
    assert reported(built.snapshot()) == set(names)
