"""Collector and front as two processes under their shipped units: each without the other, and the front taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import (
    COLLECTOR,
    FRONT,
    START_SECONDS,
    Page,
    by_container,
    config,
    curl,
    metrics,
    page_when,
    restart_agent,
)
from tests.lab.machine import Machine
from tests.lab.test_failures import USAGE, assert_same_containers

HOSTILE = Path(__file__).parent / "split" / "hostile.py"
KILLS = "bulkhead_container_oom_kills_total"
# The unit of the front or the collector, with other code in it.
OTHER_CODE = """
set -e
sed 's/^ExecStart=.*/ExecStart={command}/; s/^Type=.*/Type=oneshot/; /^Restart/d; /^Watchdog/d; /^RuntimeDir/d' \
    /etc/systemd/system/{unit}.service >/run/systemd/system/lab-hostile.service
sed -i '/^After/d; /^Wants/d; /^ReloadPropagated/d' /run/systemd/system/lab-hostile.service
systemctl daemon-reload
systemctl start lab-hostile
journalctl -u lab-hostile -o cat --no-pager -I
"""


def pid_of(lab: Machine, unit: str) -> int:
    return int(lab.ssh(f"systemctl show -p MainPID --value {unit}"))


def resident_bytes(lab: Machine, unit: str) -> int:
    return int(lab.ssh(f"awk '/^VmRSS/ {{print $2}}' /proc/{pid_of(lab, unit)}/status")) * 1024


def status(lab: Machine, path: str) -> str:
    return lab.run(
        f"curl -s -o /dev/null -m 20 -w '%{{http_code}}' http://127.0.0.1:9946{path}", check=False
    ).stdout.decode()


def of_other_code(lab: Machine, unit: str, command: str) -> str:
    answer = lab.run(OTHER_CODE.format(unit=unit, command=command.replace("/", r"\/")), timeout_seconds=300)
    return answer.stdout.decode()


@pytest.mark.core
def test_the_front_serves_what_the_collector_sees(agent: Machine) -> None:
    page = metrics(agent)
    assert_same_containers(agent, page, page)
    assert by_container(page, USAGE)["objects02"] > 0
    accounts = agent.ssh(f"ps -o user= -p {pid_of(agent, FRONT)} -p {pid_of(agent, COLLECTOR)}").split()
    assert sorted(accounts) == ["bulkhead", "root"]


@pytest.mark.core
def test_the_collector_has_no_socket_of_the_internet_and_can_make_none(agent: Machine) -> None:
    sockets = agent.ssh("ss -H -tuanp")
    assert f"pid={pid_of(agent, FRONT)}," in sockets
    assert f"pid={pid_of(agent, COLLECTOR)}," not in sockets
    command = '/usr/bin/python3 -c "import socket; socket.socket(socket.AF_INET)"'
    answer = agent.run(OTHER_CODE.format(unit=COLLECTOR, command=command.replace("/", r"\/")), check=False)
    assert answer.returncode != 0
    assert "Address family not supported" in agent.ssh("journalctl -u lab-hostile -o cat --no-pager -I")


@pytest.mark.core
def test_a_front_that_is_taken_over_reaches_nothing_and_costs_the_collector_nothing(agent: Machine) -> None:
    agent.run("install -D -m 755 /dev/stdin /usr/local/lib/lab-hostile.py", stdin=HOSTILE.read_bytes())
    before = resident_bytes(agent, COLLECTOR)
    collector = pid_of(agent, COLLECTOR)
    told = of_other_code(agent, FRONT, f"/usr/bin/python3 /usr/local/lib/lab-hostile.py {collector}")
    result: dict[str, Any] = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    # D-Bus answers everybody, and its policy says what of it; the front asks nothing there.
    assert set(result["done"]) <= {"connects to D-Bus"}, result
    assert result["flooded"] == 500
    assert result["page_bytes"] > 10_000
    assert set(result["odd"]) == {0}
    assert result["another version"] == 0
    assert pid_of(agent, COLLECTOR) == collector
    assert resident_bytes(agent, COLLECTOR) < before + 64 * 1024 * 1024
    assert status(agent, "/metrics") == "200"


@pytest.mark.core
def test_a_kill_while_the_front_is_dead_is_counted_and_served_when_it_is_back(agent: Machine) -> None:
    before = by_container(metrics(agent), KILLS)["slice-binds"]
    agent.run(f"systemctl stop {FRONT}")
    agent.run("timeout 60 podman exec slice-binds tail /dev/zero", check=False)
    agent.run(f"systemctl start {FRONT}")
    agent.wait(
        lambda: by_container(metrics(agent), KILLS).get("slice-binds", 0) > before,
        "the kill on the front's page",
        timeout_seconds=120,
    )


RECEIVER, RECEIVED = "/var/tmp/lab-split-receiver.py", "/var/tmp/lab-split.jsonl"


@pytest.fixture
def alertmanager(agent: Machine) -> Iterator[Machine]:
    """The two processes with something in the place of an Alertmanager, that keeps what it was sent."""
    receiver = Path(__file__).parent / "pager" / "receiver.py"
    agent.run(f"rm -f {RECEIVED}; install -m 644 /dev/stdin {RECEIVER}", stdin=receiver.read_bytes())
    agent.run(f"systemd-run --collect --unit=lab-split-receiver python3 {RECEIVER} 9097 {RECEIVED}")
    settings = 'alertmanagers = [{ url = "http://127.0.0.1:9097" }]\n' + config(agent)
    agent.run("cat >/etc/bulkhead/config.toml", stdin=settings.encode())
    restart_agent(agent)
    yield agent
    agent.run("systemctl stop lab-split-receiver; cat >/etc/bulkhead/config.toml", stdin=config(agent).encode())
    restart_agent(agent)


def starts_of_kills(lab: Machine, container: str) -> set[str]:
    """When the alerts of this container's kills that were received began: one for each alert, however often sent."""
    posts = [json.loads(line) for line in lab.ssh(f"cat {RECEIVED} 2>/dev/null", check=False).splitlines()]
    return {
        one["startsAt"]
        for post in posts
        for one in post["body"]
        if one["labels"]["alertname"] == "BulkheadOomKill" and one["labels"].get("container") == container
    }


def test_a_kill_is_sent_by_the_front_and_one_while_it_was_dead_as_soon_as_it_is_back(alertmanager: Machine) -> None:
    lab = alertmanager
    lab.run("timeout 60 podman exec slice-binds tail /dev/zero", check=False)
    lab.wait(lambda: len(starts_of_kills(lab, "slice-binds")) == 1, "the alert of a kill", timeout_seconds=120)
    lab.run(f"systemctl stop {FRONT}")
    lab.run("timeout 60 podman exec objects02 tail /dev/zero", check=False)
    lab.run(f"systemctl start {FRONT}", timeout_seconds=START_SECONDS)
    lab.wait(lambda: len(starts_of_kills(lab, "objects02")) == 1, "the alert of the other kill", timeout_seconds=120)
    assert len(starts_of_kills(lab, "slice-binds")) == 1, "one alert, however often it was sent"


@pytest.mark.core
def test_while_the_collector_is_away_the_front_says_so_at_once_and_serves_again(agent: Machine) -> None:
    agent.run(f"systemctl kill -s KILL {COLLECTOR}")
    began = time.monotonic()
    agent.wait(lambda: status(agent, "/metrics") == "503", "503", timeout_seconds=30, pause_seconds=0.2)
    assert time.monotonic() - began < 30
    assert status(agent, "/-/healthy") == "200"
    assert curl(agent, "http://127.0.0.1:9946/metrics") is None
    agent.wait(lambda: status(agent, "/metrics") == "200", "a page again", timeout_seconds=START_SECONDS)


def test_a_collector_that_hangs_costs_a_page_its_deadline_and_the_front_nothing(agent: Machine) -> None:
    agent.run(f"systemctl kill -s STOP {COLLECTOR}")
    try:
        assert status(agent, "/-/healthy") == "200"
        answer = agent.run("curl -s -m 60 http://127.0.0.1:9946/metrics", check=False).stdout.decode()
        assert "did not answer within" in answer
    finally:
        agent.run(f"systemctl kill -s CONT {COLLECTOR}")
    agent.wait(lambda: status(agent, "/metrics") == "200", "a page again", timeout_seconds=START_SECONDS)


@pytest.mark.core
def test_a_threshold_is_reloaded_in_both_processes_by_one_name_and_neither_starts_anew(agent: Machine) -> None:
    before = {unit: pid_of(agent, unit) for unit in (COLLECTOR, FRONT)}
    settings = config(agent) + "[thresholds]\nmemory_warning_ratio = 0.87\n"
    agent.run("cat >/etc/bulkhead/config.toml", stdin=settings.encode())
    try:
        agent.run(f"systemctl reload {FRONT}")
        page_when(agent, lambda page: threshold(page) == 0.87, "the new threshold")
    finally:
        agent.run("cat >/etc/bulkhead/config.toml", stdin=config(agent).encode())
        agent.run(f"systemctl reload {FRONT}")
    page_when(agent, lambda page: threshold(page) == 0.9, "the threshold of before")
    assert {unit: pid_of(agent, unit) for unit in (COLLECTOR, FRONT)} == before


def threshold(page: Page) -> float:
    (found,) = [value for labels, value in page["bulkhead_threshold"] if labels["name"] == "memory_warning_ratio"]
    return found


@pytest.mark.core
def test_the_page_has_the_figures_of_both_processes(agent: Machine) -> None:
    page = metrics(agent)
    memory = {labels["process"]: value for labels, value in page["process_resident_memory_bytes"]}
    for process, unit in (("collector", COLLECTOR), ("front", FRONT)):
        assert memory[process] == pytest.approx(resident_bytes(agent, unit), rel=0.2)
    assert page["bulkhead_web_exposed"] == [({}, 1)], "this lab listens everywhere, in plain HTTP"
