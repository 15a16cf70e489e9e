"""A ledger of the first schema is read without a kill lost or counted twice.

ledger-of-schema-1.db was written by the last version of that schema. It holds, of one boot:

    /services.slice/services-web.slice   2 kills: web's, one with evidence and one without
    /services.slice                      1 kill open: db's, whose slice was stopped before it was read
    /system.slice                        3 kills: mail's with evidence, one that is nobody's, and one that is open
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from exporter.facts.evidence import Evidence, KernelKill, KillCount, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from exporter.ledger.invariant import what_does_not_add_up
from exporter.ledger.store import FILE, SCHEMA

WRITTEN = Path(__file__).parent / "ledger-of-schema-1.db"
SHARED, TOP = "/system.slice", "/services.slice"
WEB, DB = f"{TOP}/services-web.slice", f"{TOP}/services-db.slice"
IDS = {name: letter * 64 for name, letter in (("web", "a"), ("db", "b"), ("mail", "c"), ("dns", "d"))}
HOMES = {"web": WEB, "db": DB, "mail": SHARED, "dns": SHARED}
IDENTITIES = Identities(
    {container_id: name for name, container_id in IDS.items()},
    {f"{name}.service": name for name in IDS},
    {
        WEB: frozenset({"web"}),
        DB: frozenset({"db"}),
        TOP: frozenset({"web", "db"}),
        SHARED: frozenset({"mail", "dns"}),
    },
)
WRITTEN_US = 10_105_000_000
AS_WRITTEN = {TOP: 3, WEB: 2, SHARED: 3}
LONG = 100  # seconds after which nothing waits any more


class Agent:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.us = WRITTEN_US
        self.ledger = Ledger(Store(directory))

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(Store(self.directory))

    def settle(self, slices: Mapping[str, int], *told: Evidence, after: int = 1) -> None:
        self.us += after * 1_000_000
        counts = KillCounts(tuple(KillCount(path, 1, kills, 0) for path, kills in slices.items()))
        self.ledger.settle(Batch(told, counts, identities=IDENTITIES), Now("boot1", self.us, 1.8e9 + self.us / 1e6))

    def line(self, name: str, us: int) -> KernelKill:
        cgroup = f"{HOMES[name]}/{name}.service/libpod-payload-{IDS[name]}"
        return KernelKill("boot1", us, us, 9, cgroup, cgroup, 1.8e9)

    @property
    def kills(self) -> dict[str, int]:
        """Who has lost how many; "" is nobody."""
        totals = self.ledger.totals()
        counted = {one.name: one.oom_kills for one in totals.containers} | {"": totals.unattributed_oom_kills}
        return {name: count for name, count in counted.items() if count}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    shutil.copy(WRITTEN, tmp_path / FILE)
    made = Agent(tmp_path)
    yield made
    made.ledger.close()


def test_all_totals_are_as_they_were_and_add_up(agent: Agent) -> None:
    assert agent.kills == {"web": 2, "mail": 1, "": 1}
    assert what_does_not_add_up(agent.ledger._state) == ()


def test_what_was_open_is_given_once(agent: Agent) -> None:
    agent.settle(AS_WRITTEN)
    agent.settle(AS_WRITTEN, after=LONG)
    assert agent.kills == {"web": 2, "mail": 1, "": 3}


def test_what_was_open_is_still_claimed_by_evidence(agent: Agent) -> None:
    told = (agent.line("db", WRITTEN_US - 500_000), agent.line("dns", WRITTEN_US - 400_000))
    agent.settle(AS_WRITTEN, *told, after=20)
    agent.settle(AS_WRITTEN, after=LONG)
    assert agent.kills == {"web": 2, "mail": 1, "db": 1, "dns": 1, "": 1}


def test_late_evidence_of_what_was_given_without_evidence_adds_nothing(agent: Agent) -> None:
    told = (agent.line("web", WRITTEN_US - 103_500_000), agent.line("dns", WRITTEN_US - 101_500_000))
    agent.settle(AS_WRITTEN, *told)
    assert agent.kills == {"web": 2, "mail": 1, "": 1}


def test_a_slice_that_is_found_late_takes_no_kill_that_was_called_nobodys(agent: Agent) -> None:
    inner = f"{SHARED}/system-dns.slice"
    agent.settle(AS_WRITTEN | {inner: 2})
    agent.settle(AS_WRITTEN | {inner: 2}, after=LONG)
    assert agent.kills == {"web": 2, "mail": 1, "": 3}


def test_it_is_migrated_once_and_read_as_the_present_schema_from_then_on(agent: Agent) -> None:
    agent.restart()  # nothing was written yet
    assert agent.kills == {"web": 2, "mail": 1, "": 1}
    agent.settle(AS_WRITTEN | {SHARED: 4})
    agent.restart()
    for _ in range(3):
        agent.settle(AS_WRITTEN | {SHARED: 4}, after=LONG)
    assert agent.kills == {"web": 2, "mail": 1, "": 4}
    agent.ledger.close()
    with sqlite3.connect(agent.directory / FILE) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert database.execute("SELECT count(*) FROM row WHERE kind = 'slice'").fetchone() == (0,)
    database.close()


def test_a_settlement_that_fails_at_once_is_done_again_from_what_was_migrated(agent: Agent) -> None:
    with pytest.raises(AttributeError):
        agent.ledger.settle(Batch(counts=None, identities=IDENTITIES), Now("boot1", agent.us, 1.8e9))  # type: ignore[arg-type]
    agent.settle(AS_WRITTEN)
    agent.settle(AS_WRITTEN, after=LONG)
    assert agent.kills == {"web": 2, "mail": 1, "": 3}
