"""Counters never lie: kills, restarts and starts while everything that could lose or double them is done.

What the kernel, systemd, podman and the containers counted themselves is compared with the agent's page. The guest
runs the torture on its own (torture/torture.py), so that a slow connection changes nothing.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.facts.counts import EXIT_REASONS
from tests.lab.agent import Page, metrics, wait_until_ready
from tests.lab.counts import (
    HEAR_SECONDS,
    KILLS,
    RESTARTS,
    STARTS,
    UNATTRIBUTED,
    figure_risen,
    heard_all,
    risen,
    risen_exits,
)
from tests.lab.machine import Machine

HERE = "/var/tmp/lab-torture"
ROUNDS = 7  # each kills the agent three times, and does one thing more
TORTURE_SECONDS = 2400
# A kill that nothing tells of is told as unattributed after 30 s, and NRestarts fills in what the journal has lost.
SETTLE_SECONDS = 90


@pytest.fixture(scope="module")
def tortured(agent: Machine) -> tuple[dict[str, Any], Page, Page]:
    """What was counted by all others meanwhile, and the agent's page before and after."""
    lab = agent
    before = metrics(lab)
    lab.push(Path(__file__).parent / "torture", HERE)
    lab.run("systemctl reset-failed lab-torture", check=False)
    lab.run(
        f"systemd-run --quiet --unit=lab-torture -p StandardOutput=truncate:{HERE}/result.json"
        f" /usr/bin/python3 {HERE}/torture.py {ROUNDS} 1 {lab.engine.slowness}"
    )

    def ended() -> bool:
        return lab.run("systemctl is-active --quiet lab-torture", check=False).returncode != 0

    lab.wait(ended, "end of the torture", timeout_seconds=TORTURE_SECONDS, pause_seconds=1)
    told = lab.ssh(f"cat {HERE}/result.json")
    assert told, lab.ssh("journalctl -u lab-torture -n 20 --no-pager -o cat")
    wait_until_ready(lab)
    lab.wait(lambda: heard_all(lab), "journal that is heard to its end", timeout_seconds=HEAR_SECONDS, pause_seconds=1)
    time.sleep(SETTLE_SECONDS)
    return json.loads(told), before, metrics(lab)


# Whose kill it was, nothing on a host can tell if the kernel did not print its line (10 in 5 s), its cgroup is gone,
# and nobody has read it while it was there: it is told as nobody's. So it is with the slice that is stopped.
STOPPED = "t-own-worker-2"


def test_no_kill_of_a_container_with_its_own_slice_is_lost_or_counted_twice(
    tortured: tuple[dict[str, Any], Page, Page],
) -> None:
    told, before, page = tortured
    counted = risen(KILLS, before, page)
    homes = list(told["homes"].values())
    own = {name: home for name, home in told["homes"].items() if homes.count(home) == 1 and home != "system.slice"}
    truth = {name: told["slices"][home] for name, home in own.items()}
    assert {name: counted[name] for name in own if name != STOPPED} == {
        name: kills for name, kills in truth.items() if name != STOPPED
    }
    assert truth[STOPPED] - figure_risen(UNATTRIBUTED, before, page) <= counted[STOPPED] <= truth[STOPPED]


def test_no_kill_on_the_host_is_lost_or_counted_twice(tortured: tuple[dict[str, Any], Page, Page]) -> None:
    told, before, page = tortured
    print(table(told, before, page))
    kills = sum(risen(KILLS, before, page).values())
    assert kills + figure_risen(UNATTRIBUTED, before, page) == told["host"]
    assert figure_risen("bulkhead_host_oom_kills_total", before, page) == told["host"]
    assert told["host"] >= 200
    assert figure_risen(UNATTRIBUTED, before, page) < told["host"] / 10
    assert told["done"]["agent killed"] >= 20


def test_workers_that_died_in_a_shared_slice_are_counted_as_their_container_counted_them(
    tortured: tuple[dict[str, Any], Page, Page],
) -> None:
    told, before, page = tortured
    counted = risen(KILLS, before, page)
    unattributed = figure_risen(UNATTRIBUTED, before, page)
    for name, kills in told["counted_by_itself"].items():
        # The last one before each stop may have come with it, before the container could write it down.
        assert kills - unattributed <= counted[name] <= kills + told["by_hand"][name], name
    homes = told["homes"]
    for home in {home for home in homes.values() if home != "system.slice"}:
        inside = sum(counted[name] for name in homes if homes[name] == home)
        assert told["slices"][home] - unattributed <= inside <= told["slices"][home], home


def test_restarts_and_starts_are_those_that_systemd_and_podman_told_of(
    tortured: tuple[dict[str, Any], Page, Page],
) -> None:
    told, before, page = tortured
    restarts, starts = risen(RESTARTS, before, page), risen(STARTS, before, page)
    assert {name: starts[name] for name in told["events"]["start"]} == told["events"]["start"]
    truth = true_restarts(told)
    assert {name: restarts[name] for name in truth} == truth


def test_every_death_for_memory_has_that_reason(tortured: tuple[dict[str, Any], Page, Page]) -> None:
    told, before, page = tortured
    print(table(told, before, page))
    exits = risen_exits(before, page)
    for name, died in told["events"]["died"].items():
        assert sum(exits[name, reason] for reason in EXIT_REASONS) == died, name
    kills = risen(KILLS, before, page)
    for name in ("t-own-dies-1", "t-own-dies-2", "t-none-dies", "t-shared-dies"):
        # One that dies while podman is still starting it, or is removed before podman has told of its end.
        untold = told["events"]["create"][name] - told["events"]["died"][name]
        # A death of which no line told is one by a signal; one that comes while it is being stopped was asked for.
        other = exits[name, "signal"] + exits[name, "stopped"]
        assert exits[name, "oom"] <= kills[name] <= exits[name, "oom"] + other + untold, name
        assert exits[name, "stopped"] <= told["by_hand"][name], name
    # What podman's own policy restarted was not stopped.
    assert exits["t-podman", "stopped"] <= told["events"]["died"]["t-podman"] - told["restarts_of_podmans"]


def true_restarts(told: dict[str, Any]) -> dict[str, int]:
    """systemd makes a container anew at each start: each but those by hand is a restart, and one may be under way."""
    made = told["events"]["create"]
    by_systemd = {name: max(made[name] - hand, told["scheduled"][name]) for name, hand in told["by_hand"].items()}
    return by_systemd | {"t-podman": told["restarts_of_podmans"]}


def table(told: dict[str, Any], before: Page, page: Page) -> str:
    """What was counted by whom, a container a line; in brackets what is true."""
    kills, restarts, starts = (risen(name, before, page) for name in (KILLS, RESTARTS, STARTS))
    exits = risen_exits(before, page)
    homes = list(told["homes"].values())
    true = true_restarts(told)
    lines = [f"{told['seconds']:.0f} s, {told['done']}", f"host {told['host']} kills, slices {told['slices']}"]
    for name in told["events"]["start"]:
        home = told["homes"].get(name, "")
        kernel = told["slices"][home] if homes.count(home) == 1 and home != "system.slice" else "-"
        itself = told["counted_by_itself"].get(name, "-")
        made, died = (told["events"][event][name] for event in ("create", "died"))
        ends = ", ".join(f"{reason} {exits[name, reason]:.0f}" for reason in EXIT_REASONS if exits[name, reason])
        lines.append(
            f"{name:16} kills {kills.get(name, 0):4.0f} (slice {kernel}, itself {itself})"
            f"  restarts {restarts.get(name, 0):3.0f} ({true[name]})"
            f"  starts {starts.get(name, 0):3.0f} ({told['events']['start'][name]}, made {made})  ends ({died}): {ends}"
        )
    return "\n".join([*lines, f"unattributed {figure_risen(UNATTRIBUTED, before, page):.0f}"])
