"""A settlement that fails half-way and is done again counts what it would have counted at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from exporter.facts.evidence import ContainerEvent, Evidence, UnitStopping
from exporter.ledger import Batch, Identities, Ledger, Now, Refused, Store
from exporter.ledger.store import FILE
from exporter.rows import Rows, Unavailable

ID, BOOT, UNIT = "a" * 64, "boot1", "web.service"
START_US, START_SECONDS = 10_000_000_000, 1.8e9
IDENTITIES = Identities({ID: "web"}, {UNIT: "web"})
NO_COUNTS = cast("Any", None)  # the evidence is heard, and what comes after it raises


class Agent:
    """A ledger on disk, and a clock: seconds since the start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ledger = Ledger(Store(directory))
        self.seconds = 0.0

    @property
    def now(self) -> Now:
        return Now(BOOT, START_US + int(self.seconds * 1e6), START_SECONDS + self.seconds)

    def settle(self, *evidence: Evidence) -> None:
        self.ledger.settle(Batch(evidence, identities=IDENTITIES), self.now)

    def settle_at_the_second_try(self, *evidence: Evidence) -> None:
        with pytest.raises(AttributeError):
            self.ledger.settle(Batch(evidence, NO_COUNTS, identities=IDENTITIES), self.now)
        self.settle(*evidence)

    def restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(Store(self.directory))

    def event(self, action: str, code: int | None = None, health: str = "") -> ContainerEvent:
        return ContainerEvent(int(self.now.seconds * 1e9), ID, "web", action, UNIT, code, health)

    def exits(self) -> dict[str, int]:
        self.seconds += 20
        self.settle()
        return {reason: count for reason, count in self.ledger.totals().containers[0].exits if count}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = Agent(tmp_path)
    yield made
    made.ledger.close()


def test_the_end_of_an_unhealthy_container_is_for_its_health_when_its_settlement_is_done_again(agent: Agent) -> None:
    agent.settle(agent.event("health_status", health="unhealthy"))
    agent.seconds += 1
    agent.settle_at_the_second_try(agent.event("died", 137))
    assert agent.exits() == {"health": 1}


def test_an_end_that_a_stop_job_asked_for_was_asked_for_when_its_settlement_is_done_again(agent: Agent) -> None:
    agent.settle(UnitStopping(BOOT, agent.now.us, UNIT))
    agent.seconds += 1
    agent.settle_at_the_second_try(agent.event("died", 137))
    assert agent.exits() == {"stopped": 1}


def test_what_may_explain_an_end_is_remembered_over_a_restart_of_the_agent(agent: Agent) -> None:
    agent.settle(agent.event("health_status", health="unhealthy"))
    agent.restart()
    agent.settle(agent.event("died", 137))
    agent.seconds += 1
    agent.settle(agent.event("start"), UnitStopping(BOOT, agent.now.us, UNIT))
    agent.restart()
    agent.seconds += 1
    agent.settle(agent.event("died", 137))
    assert agent.exits() == {"health": 1, "stopped": 1}


def test_what_explained_an_end_explains_no_other_after_a_restart_of_the_agent(agent: Agent) -> None:
    agent.settle(agent.event("health_status", health="unhealthy"), UnitStopping(BOOT, agent.now.us, UNIT))
    agent.settle(agent.event("died", 137))
    agent.restart()
    agent.seconds += 1
    agent.settle(agent.event("start"))
    agent.seconds += 1
    agent.settle(agent.event("died", 137))
    assert agent.exits() == {"health": 1, "signal": 1}


def test_the_health_of_a_life_that_is_over_explains_no_later_end_when_podman_tells_it_again(agent: Agent) -> None:
    told = [agent.event("health_status", health="unhealthy")]
    agent.seconds += 1
    told.append(agent.event("died", 137))
    agent.settle(*told)
    agent.restart()
    agent.settle(*told)
    agent.seconds += 1
    agent.settle(agent.event("start"))
    agent.seconds += 1
    agent.settle(agent.event("died", 137))
    assert agent.exits() == {"health": 1, "signal": 1}


def test_a_ledger_that_cannot_be_read_after_a_failed_settlement_is_neither_emptied_nor_half_settled(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.settle(agent.event("start"))
    agent.seconds += 1
    second = agent.event("start")

    def read(rows: Rows) -> Iterator[tuple[str, str, bytes]]:
        rows.close()
        raise Unavailable("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(Rows, "read", read)
        with pytest.raises(AttributeError):
            agent.ledger.settle(Batch((second,), NO_COUNTS, identities=IDENTITIES), agent.now)
        for _ in range(2):
            with pytest.raises(Refused, match="disk I/O error"):
                agent.settle(second)
        totals = agent.ledger.totals()
        assert (totals.containers[0].starts, totals.durable) == (1, False)
        assert "mend its disk" in totals.problem
    agent.settle(second)
    totals = agent.ledger.totals()
    assert (totals.containers[0].starts, totals.durable, totals.problem) == (2, True, "")
    agent.restart()
    assert agent.ledger.totals().containers[0].starts == 2


def test_a_ledger_whose_file_is_gone_after_a_failed_settlement_is_not_begun_anew(agent: Agent) -> None:
    agent.settle(agent.event("start"))
    assert agent.ledger._store._rows is not None
    agent.ledger._store._rows.close()
    (agent.directory / FILE).rename(agent.directory / "elsewhere")
    with pytest.raises(AttributeError):
        agent.ledger.settle(Batch((), NO_COUNTS, identities=IDENTITIES), agent.now)
    with pytest.raises(Refused, match="is gone"):
        agent.settle()
    (agent.directory / "elsewhere").rename(agent.directory / FILE)
    agent.settle()
    assert agent.ledger.totals().containers[0].starts == 1


def test_of_too_many_unhealthy_containers_the_first_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.ledger.exits._UNHEALTHY_LIMIT", 10)
    ledger = Ledger(Store(None))
    for number in range(20):
        told = ContainerEvent(number, f"{number:064x}", "web", "health_status", health="unhealthy")
        ledger.settle(Batch((told,)), Now(BOOT, START_US, START_SECONDS))
    assert list(ledger._state.unhealthy) == [f"{number:064x}" for number in range(10, 20)]


def test_no_total_is_shown_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is asked for while the disk writes, for seconds if it is slow, has the totals of before."""
    shown: list[tuple[int, int, int]] = []
    write = Rows.write

    def slow_write(rows: Rows, changes: Iterable[tuple[str, str, object]], *, is_synced: bool = False) -> bool:
        before = [one.starts for one in ledger.totals().containers]
        is_written = write(rows, changes, is_synced=is_synced)
        after = [one.starts for one in ledger.totals().containers]
        assert rows._database is not None
        (level,) = rows._database.execute("PRAGMA synchronous").fetchone()
        shown.append((sum(before), sum(after), level))
        return is_written

    monkeypatch.setattr(Rows, "write", slow_write)
    ledger = Ledger(Store(tmp_path))
    for number in (1, 2):
        event = ContainerEvent(number, "a" * 64, "web", "start", "web.service")
        totals = ledger.settle(Batch((event,), cursors={"journal": f"s={number}"}), Now("boot1", number, 1.0))
        assert [one.starts for one in totals.containers] == [number]
    full = 2
    assert shown == [(0, 0, full), (1, 1, full)]
    ledger.close()


def test_a_cursor_alone_is_no_reason_to_wait_for_the_disk(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path))
    ledger.settle(Batch(vmstat_oom_kills=1), Now("boot1", 1, 1.0))
    ledger.settle(Batch(vmstat_oom_kills=1, cursors={"journal": "s=1"}), Now("boot1", 2, 1.0))
    rows = ledger._store._rows
    assert rows is not None
    assert rows._database is not None
    normal = 1
    assert rows._database.execute("PRAGMA synchronous").fetchone() == (normal,)
    ledger.close()


def test_what_has_not_changed_is_given_out_as_it_was() -> None:
    ledger = Ledger(Store(None))
    identities = Identities({"a" * 64: "web", "b" * 64: "db"})
    first = ledger.settle(Batch(identities=identities), Now(BOOT, 1, 1.0))
    event = ContainerEvent(1, "a" * 64, "web", "start", UNIT)
    second = ledger.settle(Batch((event,), identities=identities), Now(BOOT, 2, 1.0))
    assert second.containers[0] is first.containers[0]
    assert [(one.name, one.starts) for one in second.containers] == [("db", 0), ("web", 1)]
