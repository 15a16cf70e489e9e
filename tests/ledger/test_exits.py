from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from exporter.facts.evidence import (
    ContainerEvent,
    Evidence,
    KernelKill,
    KillCount,
    KillCounts,
    UnitFailed,
    UnitStopping,
)
from exporter.ledger import Batch, Identities, Ledger, Now, Store

ID, BOOT, UNIT = "a" * 64, "boot1", "web.service"
START_US, START_SECONDS = 10_000_000_000, 1_800_000_000.0
PATH = f"/system.slice/{UNIT}/libpod-payload-{ID}"


class Agent:
    """A ledger and a clock: seconds since the start."""

    def __init__(self) -> None:
        self.ledger = Ledger(Store(None))
        self.seconds = 0.0
        self.settle()

    def after(self, seconds: float) -> Agent:
        self.seconds += seconds
        return self

    def settle(self, *evidence: Evidence) -> None:
        now = Now(BOOT, START_US + int(self.seconds * 1e6), START_SECONDS + self.seconds)
        identities = Identities(names_by_id={ID: "web"}, names_by_unit={UNIT: "web"})
        self.ledger.settle(Batch(evidence, identities=identities), now)

    @property
    def us(self) -> int:
        return START_US + int(self.seconds * 1e6)

    def event(self, action: str, code: int | None = None, *, health: str = "", ago: float = 0.0) -> ContainerEvent:
        at = int((START_SECONDS + self.seconds - ago) * 1e9)
        return ContainerEvent(at, ID, "web", action, UNIT, code, health)

    def life(self, code: int, ago: float = 0.0) -> tuple[ContainerEvent, ContainerEvent]:
        return self.event("start", ago=ago + 0.5), self.event("died", code, ago=ago)

    def kill(self, ago: float = 0.0) -> KernelKill:
        us = self.us - int(ago * 1e6)
        return KernelKill(BOOT, us, us, 7, PATH, PATH, START_SECONDS + self.seconds - ago)

    def exits(self) -> dict[str, int]:
        self.after(11).settle()
        web = self.ledger.totals().containers[0]
        return {reason: count for reason, count in web.exits if count}


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0, "success"), (1, "error"), (125, "error"), (137, "signal"), (143, "signal"), (None, "unknown")],
)
def test_a_code_alone_tells_something(code: int | None, reason: str) -> None:
    agent = Agent()
    agent.settle(agent.event("died", code))
    assert agent.exits() == {reason: 1}
    assert agent.ledger.totals().containers[0].last_exit_code == code


def test_a_kill_of_now_is_the_reason_and_one_of_long_ago_is_not() -> None:
    agent = Agent()
    agent.settle(agent.kill())
    agent.after(1).settle(agent.event("died", 137))
    assert agent.exits() == {"oom": 1}
    agent.after(3600).settle(*agent.life(137))
    assert agent.exits() == {"oom": 1, "signal": 1}


def test_a_kill_that_is_told_after_the_end_is_its_reason() -> None:
    agent = Agent()
    agent.settle(agent.event("died", 137))
    agent.after(2).settle(agent.kill(ago=2))
    assert agent.exits() == {"oom": 1}


def test_a_worker_that_was_killed_is_no_reason_for_an_error_code() -> None:
    agent = Agent()
    agent.settle(agent.kill())
    agent.after(1).settle(agent.event("died", 1))
    assert agent.exits() == {"error": 1}


@pytest.mark.parametrize("result", ["watchdog", "timeout"])
@pytest.mark.parametrize("code", [0, 137, 143])
def test_systemds_reason_counts(result: str, code: int) -> None:
    agent = Agent()
    agent.settle(agent.event("died", code))
    agent.after(1).settle(UnitFailed(BOOT, agent.us, UNIT, result))
    assert agent.exits() == {result: 1}


def test_the_result_of_one_life_is_not_that_of_the_next() -> None:
    agent = Agent()
    agent.settle(agent.event("died", 143))
    agent.after(1).settle(UnitFailed(BOOT, agent.us, UNIT, "watchdog"))
    agent.after(1).settle(*agent.life(1))
    agent.after(1).settle(UnitFailed(BOOT, agent.us, UNIT, "exit-code"))
    assert agent.exits() == {"watchdog": 1, "error": 1}


def test_a_stop_job_that_began_before_the_end_asked_for_it() -> None:
    agent = Agent()
    agent.settle(UnitStopping(BOOT, agent.us, UNIT))
    agent.after(80).settle(agent.event("died", 137))  # it took its TimeoutStopSec
    assert agent.exits() == {"stopped": 1}
    agent.after(100).settle(*agent.life(137))
    assert agent.exits() == {"stopped": 1, "signal": 1}


def test_a_container_that_is_killed_while_it_is_being_stopped_was_stopped_and_the_kill_counts() -> None:
    agent = Agent()
    agent.settle(UnitStopping(BOOT, agent.us, UNIT))
    agent.after(3).settle(agent.kill())
    agent.settle(agent.event("died", 137))
    assert agent.exits() == {"stopped": 1}
    assert agent.ledger.totals().containers[0].oom_kills == 1


@pytest.mark.parametrize("order", [("stop", "died"), ("died", "stop")])
def test_podmans_stop_is_a_stop_whichever_comes_first(order: tuple[str, str]) -> None:
    agent = Agent()
    for action in order:
        agent.after(1).settle(agent.event(action, 143 if action == "died" else None))
    assert agent.exits() == {"stopped": 1}


def test_a_stop_of_a_life_before_is_no_reason() -> None:
    agent = Agent()
    for action in ("stop", "died", "start", "died"):
        agent.after(20).settle(agent.event(action, 143 if action == "died" else None))
    assert agent.exits() == {"stopped": 1, "signal": 1}


def test_a_stop_is_of_one_life_and_not_of_those_that_ended_just_before() -> None:
    # As podman 5.4 told of a container that its own policy restarts, while the agent was down.
    agent = Agent()
    agent.after(100)
    ago = {"died": 60.0, "restart": 59.9, "start": 59.0}
    told = [agent.event(action, 137 if action == "died" else None, ago=each) for action, each in ago.items()]
    told += [agent.event("died", 137, ago=25.0), agent.event("restart", ago=24.8), agent.event("start", ago=22.0)]
    told += [agent.event("stop", ago=20.6), agent.event("died", 137, ago=20.5), agent.event("cleanup", ago=20.0)]
    agent.settle(*told, agent.kill(ago=60.1), agent.kill(ago=25.1))
    assert agent.exits() == {"oom": 2, "stopped": 1}


def test_a_stop_that_is_told_late_is_of_the_end_before_it() -> None:
    agent = Agent()
    agent.after(100)
    told = [agent.event("died", 137, ago=30.0), agent.event("start", ago=25.0)]
    agent.settle(*told, agent.event("died", 137, ago=20.0), agent.event("stop", ago=19.9))
    assert agent.exits() == {"signal": 1, "stopped": 1}


# podman kill -s HUP is told as podman kill is.
@pytest.mark.parametrize(("after", "reason"), [(0.1, "stopped"), (3600, "signal")])
def test_a_kill_by_podman_is_the_reason_of_an_end_that_follows_at_once(after: float, reason: str) -> None:
    agent = Agent()
    agent.settle(agent.event("start"), agent.event("kill", ago=-1))
    agent.after(1)
    agent.after(after).settle(agent.event("died", 137))
    assert agent.exits() == {reason: 1}


def test_an_unhealthy_container_that_is_killed_and_one_that_was_healthy_again() -> None:
    agent = Agent()
    agent.settle(agent.event("health_status", health="unhealthy"))
    agent.after(1).settle(agent.event("died", 137))
    agent.after(30).settle(agent.event("health_status", health="unhealthy"))
    agent.after(1).settle(agent.event("health_status", health="healthy"))
    agent.after(1).settle(*agent.life(137))
    assert agent.exits() == {"health": 1, "signal": 1}


# podman 5.4, of an attached `podman run` in a unit whose ExecStop= could not be spawned, so that all of it was killed:
# create, init, start, attach; died 0; 43 s later, by the podman that was asked for its list next, died 0.
def test_an_end_that_podman_tells_twice_is_one_end() -> None:
    agent = Agent()
    agent.settle(agent.event("start"))
    agent.after(67).settle(agent.event("died", 0))
    agent.after(43).settle(agent.event("died", 0))
    assert agent.exits() == {"success": 1}
    agent.after(10).settle(*agent.life(0))
    assert agent.exits() == {"success": 2}


def test_an_event_that_is_told_again_counts_once_also_after_a_restart_of_the_agent() -> None:
    agent = Agent()
    told = agent.event("start"), agent.event("died", 1)
    agent.settle(*told)
    agent.after(20).settle(*told)
    web = agent.ledger.totals().containers[0]
    assert (web.starts, dict(web.exits)["error"]) == (1, 1)


def test_an_event_older_than_all_that_is_remembered_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # The stream of a user whose podman is gone holds the cursor back: root's is heard again from there.
    monkeypatch.setattr("exporter.ledger.heard.SEEN_LIMIT", 20)
    agent = Agent()
    told = [agent.after(1).event("start") for _ in range(50)]
    for one in told:
        agent.settle(one)
    agent.settle(*told)
    assert agent.ledger.totals().containers[0].starts == 50


def test_what_is_not_counted_is_not_remembered() -> None:
    agent = Agent()
    for number in range(50):
        agent.after(number).settle(agent.event("health_status", health="healthy"), agent.event("create"))
    assert not agent.ledger._state.events_seen


def test_a_stop_is_the_reason_of_one_end_and_not_of_those_after_it() -> None:
    agent = Agent()
    agent.after(100)
    # The agent was down: what podman told comes first, then the journal.
    agent.settle(*itertools.chain.from_iterable(agent.life(137, ago) for ago in (80.0, 50.0, 20.0)))
    agent.settle(UnitStopping(BOOT, agent.us - 85_000_000, UNIT))
    assert agent.exits() == {"signal": 2, "stopped": 1}


def test_a_result_is_of_the_end_that_was_nearest() -> None:
    agent = Agent()
    agent.after(200)
    agent.settle(*agent.life(0, ago=190.0), *agent.life(1, ago=30.0))
    agent.settle(UnitFailed(BOOT, agent.us - 29_000_000, UNIT, "watchdog"))
    assert agent.exits() == {"success": 1, "watchdog": 1}


@pytest.mark.parametrize("next_id", [ID, "b" * 64], ids=["the same id", "another id"])
def test_a_kill_of_the_life_before_is_no_reason_for_an_end_by_a_signal(next_id: str) -> None:
    """With RestartSec=15s two ends lie within a minute of one kill."""
    agent = Agent()
    start, died = agent.life(137)
    agent.settle(start, agent.kill(0.2), died)
    agent.after(15).settle(*(replace(event, container_id=next_id) for event in agent.life(137)))
    assert agent.exits() == {"oom": 1, "signal": 1}


def test_a_kill_that_is_read_before_podman_reports_the_start_is_the_reason() -> None:
    agent = Agent()
    agent.settle(agent.event("start", ago=0.1), agent.kill(0.6), agent.event("died", 137))
    assert agent.exits() == {"oom": 1}


def test_a_kill_of_the_life_after_is_no_reason_for_an_end_by_a_signal() -> None:
    """In a slice of several, where the kernel printed no line of the first death."""
    agent, next_id = Agent(), "b" * 64
    agent.settle(*agent.life(137))
    killed = replace(agent.after(8).kill(0.2), victim_cgroup=PATH.replace(ID, next_id))
    agent.settle(killed, *(replace(event, container_id=next_id) for event in agent.life(137)))
    assert agent.exits() == {"oom": 1, "signal": 1}


def test_a_kill_that_is_of_no_life_is_the_reason_of_one_end() -> None:
    """The slice of its own has counted a kill, and neither a line nor the container's own cgroup says of which life."""
    agent = Agent()
    home = "/services.slice/services-web.slice"

    def settle(kills: int, *evidence: Evidence) -> None:
        now = Now(BOOT, agent.us, START_SECONDS + agent.seconds)
        identities = Identities({ID: "web"}, {UNIT: "web"}, {home: frozenset({"web"})})
        agent.ledger.settle(Batch(evidence, KillCounts((KillCount(home, 9, kills, 0),)), identities=identities), now)

    settle(0)
    agent.after(30)  # the agent was down, and reads all at once
    ends = [agent.life(137, ago=ago) for ago in (12, 7, 2)]
    ids = (ID, "b" * 64, "c" * 64)
    settle(1, *(replace(event, container_id=each) for each, end in zip(ids, ends, strict=True) for event in end))
    agent.after(11)
    settle(1)
    web = agent.ledger.totals().containers[0]
    assert web.oom_kills == 1
    assert {reason: count for reason, count in web.exits if count} == {"oom": 1, "signal": 2}
