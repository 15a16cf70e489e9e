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
from tests.lab.agent import Page, by_collector, by_container, metrics, wait_until_ready
from tests.lab.machine import Machine

HERE = "/var/tmp/lab-torture"
KILLS = "bulkhead_container_oom_kills_total"
RESTARTS = "bulkhead_container_restarts_total"
STARTS = "bulkhead_container_starts_total"
EXITS = "bulkhead_container_exits_total"
LOOP = "bulkhead_container_restart_loop"
UNATTRIBUTED = "bulkhead_unattributed_oom_kills_total"
ROUNDS = 7  # each kills the agent three times, and does one thing more
TORTURE_SECONDS = 2400
# A kill that nothing tells of is told as unattributed after 30 s, and NRestarts fills in what the journal has lost.
SETTLE_SECONDS = 90
HEAR_SECONDS = 900


def risen(name: str, before: Page, after: Page) -> dict[str, float]:
    """By how much each container's counter rose."""
    earlier = by_container(before, name)
    return {container: value - earlier.get(container, 0) for container, value in by_container(after, name).items()}


def risen_exits(before: Page, after: Page) -> dict[tuple[str, str], float]:
    """By how much the exits of each container rose, by reason."""
    earlier = {(labels["container"], labels["reason"]): value for labels, value in before[EXITS]}
    told = {(labels["container"], labels["reason"]): value for labels, value in after[EXITS]}
    return {key: value - earlier.get(key, 0) for key, value in told.items()}


def figure(page: Page, name: str) -> float:
    return sum(value for _, value in page[name])


def figure_risen(name: str, before: Page, after: Page) -> float:
    """By how much a figure of the whole host rose."""
    return figure(after, name) - figure(before, name)


def heard_all(lab: Machine) -> bool:
    """Whether the agent has read what the journal took while it was down."""
    page = metrics(lab)
    heard = by_collector(page, "bulkhead_scrape_collector_success").get("journal") == 1
    return heard and by_collector(page, "bulkhead_collector_age_seconds").get("journal", HEAR_SECONDS) < 10


BURST = """\
[Container]
ContainerName=t-burst
Image=localhost/lab:1
Exec=/bin/sh -c 'trap "exit 0" TERM; for i in $(seq {kills}); do tail /dev/zero; done; sleep 999 & wait'
ReadOnly=true
Network=none
PodmanArgs=--memory=8m --memory-swap=8m
[Service]
Slice=services-tburst.slice
"""
BURST_SLICE = "/sys/fs/cgroup/services.slice/services-tburst.slice/memory.events"


def burst(lab: Machine, kills: int) -> float:
    """Kill so many processes of one container as fast as the guest can; by how much its total rose."""
    lab.run("cat >/etc/containers/systemd/t-burst.container", stdin=BURST.format(kills=kills).encode())
    lab.run("systemctl daemon-reload")
    counted = by_container(metrics(lab), KILLS).get("t-burst", 0)

    def in_slice() -> int:
        return int(lab.ssh(f"sed -n 's/^oom_kill //p' {BURST_SLICE} 2>/dev/null", check=False) or 0)

    def on_page() -> float:
        return by_container(metrics(lab), KILLS).get("t-burst", 0) - counted

    before = in_slice()
    lab.run("systemctl start t-burst", timeout_seconds=300)
    try:
        lab.wait(lambda: in_slice() >= before + kills, f"{kills} kills", timeout_seconds=300, pause_seconds=2)
        lab.wait(lambda: on_page() >= kills, f"{kills} kills on the page", timeout_seconds=180, pause_seconds=5)
    finally:
        lab.run("systemctl stop t-burst", check=False, timeout_seconds=120)
    time.sleep(10)
    assert on_page() == in_slice() - before
    return on_page()


def test_more_kills_than_the_kernel_tells_of_are_counted_all(agent: Machine) -> None:
    lines = "journalctl -k -q -o cat -g 'oom-kill:.*t-burst|oom-kill:.*tburst' | wc -l"
    told = int(agent.ssh(lines, timeout_seconds=300))
    assert burst(agent, 60) == 60
    told = int(agent.ssh(lines, timeout_seconds=300)) - told
    print(f"60 kills, {told} lines of the kernel's log")


def test_a_clock_that_jumps_changes_no_count_and_hides_no_kill(agent: Machine) -> None:
    before = metrics(agent)
    agent.run("systemctl stop systemd-timesyncd; date -s '+1 hour'", check=False)
    try:
        assert burst(agent, 5) == 5
    finally:
        agent.run("date -s '-1 hour'")
    assert burst(agent, 5) == 5
    after = metrics(agent)
    looping = [{name for name, value in by_container(page, LOOP).items() if value} for page in (before, after)]
    assert looping[0] == looping[1]
    risen_kills = {name: value for name, value in risen(KILLS, before, after).items() if value}
    risen_restarts = {name: value for name, value in risen(RESTARTS, before, after).items() if value}
    assert (risen_kills, risen_restarts) == ({"t-burst": 10}, {})


def test_what_the_admin_does_is_a_start_and_no_restart(agent: Machine) -> None:
    before = metrics(agent)
    agent.run("systemctl restart good01; systemctl reset-failed good01", timeout_seconds=300)
    agent.run("systemctl stop good01; systemctl start good01", timeout_seconds=300)
    agent.wait(
        lambda: risen(STARTS, before, metrics(agent))["good01"] >= 2, "2 starts", timeout_seconds=180, pause_seconds=5
    )
    time.sleep(40)  # NRestarts would fill in by now what the journal does not tell
    after = metrics(agent)
    assert risen(STARTS, before, after)["good01"] == 2
    assert risen(RESTARTS, before, after)["good01"] == 0
    asked = {reason: risen_exits(before, after)["good01", reason] for reason in EXIT_REASONS}
    assert sum(asked.values()) == asked["success"] + asked["stopped"] == 2


# Its first process ignores SIGTERM, as one without a handler does, and is killed before podman's own SIGKILL.
SLOW = """\
[Container]
ContainerName=t-slow
Image=localhost/lab:1
Exec=/bin/sh -c 'sleep 20; exec tail /dev/zero'
ReadOnly=true
Network=none
StopTimeout=120
PodmanArgs=--memory=8m --memory-swap=8m
[Service]
Slice=services-tslow.slice
TimeoutStopSec=300
"""


def test_a_container_killed_while_it_is_being_stopped_was_stopped_and_the_kill_counts(agent: Machine) -> None:
    agent.run("cat >/etc/containers/systemd/t-slow.container && systemctl daemon-reload", stdin=SLOW.encode())
    before = metrics(agent)
    agent.run("systemctl start t-slow && systemctl stop t-slow", timeout_seconds=600)

    def ends() -> dict[str, float]:
        told = risen_exits(before, metrics(agent))
        return {reason: told.get(("t-slow", reason), 0) for reason in EXIT_REASONS if told.get(("t-slow", reason))}

    agent.wait(lambda: bool(ends()), "end of it", timeout_seconds=180, pause_seconds=5)
    assert (ends(), risen(KILLS, before, metrics(agent))["t-slow"]) == ({"stopped": 1}, 1)


@pytest.fixture(scope="module")
def tortured(agent: Machine) -> tuple[dict[str, Any], Page, Page]:
    """What was counted by all others meanwhile, and the agent's page before and after."""
    lab = agent
    before = metrics(lab)
    lab.push(Path(__file__).parent / "torture", HERE)
    lab.run("systemctl reset-failed lab-torture", check=False)
    lab.run(
        f"systemd-run --quiet --unit=lab-torture -p StandardOutput=truncate:{HERE}/result.json"
        f" /usr/bin/python3 {HERE}/torture.py {ROUNDS} 1"
    )

    def ended() -> bool:
        return lab.run("systemctl is-active --quiet lab-torture", check=False).returncode != 0

    lab.wait(ended, "end of the torture", timeout_seconds=TORTURE_SECONDS, pause_seconds=10)
    told = lab.ssh(f"cat {HERE}/result.json")
    assert told, lab.ssh("journalctl -u lab-torture -n 20 --no-pager -o cat")
    wait_until_ready(lab)
    lab.wait(lambda: heard_all(lab), "journal that is heard to its end", timeout_seconds=HEAR_SECONDS, pause_seconds=10)
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
