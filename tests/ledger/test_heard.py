"""podman's events, of which a user's podman may send as many as it likes, dated as it likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.facts.evidence import ContainerEvent
from exporter.ledger import Batch, Identities, Ledger, Now, Store

ID, BOOT, SECONDS = "a" * 64, "boot1", 1_795_000_000
LIMIT = 20


@pytest.fixture(autouse=True)
def _little_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.ledger.heard.SEEN_LIMIT", LIMIT)


def event(seconds: float, action: str, name: str = "web", container_id: str = ID) -> ContainerEvent:
    code = 1 if action == "died" else None
    return ContainerEvent(int((SECONDS + seconds) * 1e9), container_id, name, action, "", code)


def flood(seconds: float, user: str = "mallory") -> list[ContainerEvent]:
    """Starts of twice as many containers as are remembered, the first one dated so."""
    ids = (f"{user.encode().hex():0<60}{number:04x}" for number in range(2 * LIMIT))
    return [event(seconds + number / 1000, "start", f"{user}/x", each) for number, each in enumerate(ids)]


class Agent:
    """A ledger, and a clock: seconds since the start."""

    def __init__(self, directory: Path | None = None) -> None:
        self.ledger = Ledger(Store(directory))

    def settle(self, seconds: float, *told: ContainerEvent, boot: str = BOOT) -> None:
        now = Now(boot, 10_000_000_000 + int(seconds * 1e6), SECONDS + seconds)
        self.ledger.settle(Batch(told, identities=Identities({ID: "web"})), now)

    def keep(self, *stamps: str) -> None:
        """Have these in the state as an agent of before wrote them: without the user whose podman it was."""
        state = self.ledger._state
        state.events_seen.update(dict.fromkeys(stamps, 1))
        state.touched.update(("event", stamp) for stamp in stamps)
        self.settle(0)

    def counted(self, name: str = "web") -> tuple[int, int]:
        (one,) = [one for one in self.ledger.totals().containers if one.name == name]
        return one.starts, sum(count for _, count in one.exits)


def test_a_users_events_of_the_future_hide_none_of_roots() -> None:
    agent = Agent()
    agent.settle(0, *flood(10**6))
    agent.settle(2, event(1, "start"), event(2, "died"))
    agent.settle(60)
    assert agent.counted() == (1, 1)


def test_events_from_before_the_clock_was_set_back_are_counted_and_hide_none_of_those_after_it() -> None:
    agent = Agent()
    agent.settle(0, *(event(3600 + number, "start") for number in range(LIMIT)))
    agent.settle(2, event(1, "start"), event(2, "died"))
    agent.settle(60)
    assert agent.counted() == (LIMIT + 1, 1)


def test_a_users_flood_of_events_makes_none_of_roots_look_old_and_lets_none_count_twice() -> None:
    agent = Agent()
    agent.settle(1, event(1, "start"))
    agent.settle(10, *flood(9.9))
    # The stream of a podman that was silent begins with what it has told before, and goes on with what is new.
    agent.settle(11, event(1, "start"), event(2, "died"), event(3, "start"))
    agent.settle(60)
    assert agent.counted() == (2, 1)


def test_of_each_podman_as_many_events_are_remembered_also_after_a_restart_of_the_agent(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.settle(1, *(event(number / 100, "start") for number in range(2 * LIMIT)))
    agent.settle(10, *flood(9.8), *flood(9.9, "alice"))
    assert len(agent.ledger._state.events_seen) == 3 * LIMIT
    agent.ledger.close()
    again = Agent(tmp_path)
    again.settle(11, *flood(10.5))
    assert len(again.ledger._state.events_seen) == 3 * LIMIT
    again.settle(12, event(0.19, "start"), event(0.39, "start"))
    assert again.counted() == (2 * LIMIT, 0)
    again.ledger.close()


def test_a_ledger_that_is_full_of_the_future_counts_again_and_is_rid_of_it_in_time(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.keep(*(f"{(SECONDS + 10**9 + number) * 10**9}:{number:064x}:start" for number in range(2 * LIMIT)))
    agent.ledger.close()
    for number in range(LIMIT):
        again = Agent(tmp_path)
        again.settle(number + 0.5, event(number, "start"))
        again.settle(number + 0.7, event(number, "start"))
        assert again.counted() == (number + 1, 0)
        again.ledger.close()
    assert {int(stamp.partition(":")[0]) // 10**9 for stamp in again.ledger._state.events_seen} == {
        SECONDS + number for number in range(LIMIT)
    }


def test_what_an_agent_of_before_has_counted_of_a_user_is_not_counted_again(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.keep(f"{(SECONDS + 1) * 10**9}:{ID}:start", f"{(SECONDS + 3) * 10**9}:{ID}:stop")
    agent.ledger.close()
    again = Agent(tmp_path)
    again.settle(4, event(1, "start", "alice/web"), event(3, "stop", "alice/web"), event(4, "died", "alice/web"))
    again.settle(60)
    assert again.counted("alice/web") == (0, 1)
    (one,) = [one for one in again.ledger.totals().containers if one.name == "alice/web"]
    assert dict(one.exits)["stopped"] == 1
    again.ledger.close()


def test_what_was_counted_is_not_counted_again_on_a_host_whose_clock_begins_anew_with_each_boot(tmp_path: Path) -> None:
    agent = Agent(tmp_path)
    agent.settle(1, event(0.5, "start"), event(1, "died"))
    agent.ledger.close()
    again = Agent(tmp_path)
    again.settle(-(10**6), boot="boot2")
    again.settle(10, event(0.5, "start"), event(1, "died"), boot="boot2")
    again.settle(60, boot="boot2")
    assert again.counted() == (1, 1)
    again.ledger.close()
