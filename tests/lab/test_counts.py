"""Counters never lie: bursts of kills, a clock that jumps, what an admin does, a kill during a stop."""

from __future__ import annotations

import time

import pytest

from exporter.facts.counts import EXIT_REASONS
from tests.lab.agent import by_container, metrics
from tests.lab.counts import KILLS, LOOP, RESTARTS, STARTS, risen, risen_exits
from tests.lab.machine import Machine

pytestmark = pytest.mark.core

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
        lab.wait(lambda: in_slice() >= before + kills, f"{kills} kills", timeout_seconds=300, pause_seconds=1)
        lab.wait(lambda: on_page() >= kills, f"{kills} kills on the page", timeout_seconds=180, pause_seconds=1)
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
        lambda: risen(STARTS, before, metrics(agent))["good01"] >= 2, "2 starts", timeout_seconds=180, pause_seconds=1
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

    agent.wait(lambda: bool(ends()), "end of it", timeout_seconds=180, pause_seconds=1)
    assert (ends(), risen(KILLS, before, metrics(agent))["t-slow"]) == ({"stopped": 1}, 1)
