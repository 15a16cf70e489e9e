"""Collector and front as two processes under their shipped units: each without the other, and the front taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import HOME, START_SECONDS, by_container, config, curl, metrics, wait_until_ready
from tests.lab.machine import Machine
from tests.lab.test_failures import USAGE, assert_same_containers

COLLECTOR, FRONT = "bulkhead-collector", "bulkhead-front"
HOSTILE = Path(__file__).parent / "split" / "hostile.py"
KILLS = "bulkhead_container_oom_kills_total"
INSTALL = f"""
set -e
install -D -m 644 {HOME}/systemd/sysusers.conf /etc/sysusers.d/bulkhead.conf
systemd-sysusers
install -m 644 {HOME}/systemd/{COLLECTOR}.service {HOME}/systemd/{FRONT}.service /etc/systemd/system/
systemctl daemon-reload
systemctl start {FRONT}
"""
# The unit of the front or the collector, with other code in it.
OTHER_CODE = """
set -e
sed 's/^ExecStart=.*/ExecStart={command}/; s/^Type=.*/Type=oneshot/; /^Restart/d; /^Watchdog/d; /^RuntimeDir/d' \
    /etc/systemd/system/{unit}.service >/run/systemd/system/lab-hostile.service
sed -i '/^Conflicts/d; /^After/d; /^Wants/d' /run/systemd/system/lab-hostile.service
systemctl daemon-reload
systemctl start lab-hostile
journalctl -u lab-hostile -o cat --no-pager -I
"""


@pytest.fixture(scope="module")
def split(agent: Machine) -> Iterator[Machine]:
    """The guest with both processes in the place of the one, and the one again at the end."""
    agent.run(INSTALL, timeout_seconds=START_SECONDS)
    wait_until_ready(agent)
    yield agent
    agent.run(f"systemctl stop {FRONT} {COLLECTOR}; systemctl start bulkhead", timeout_seconds=START_SECONDS)
    wait_until_ready(agent)


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
def test_the_front_serves_what_the_collector_sees(split: Machine) -> None:
    page = metrics(split)
    assert_same_containers(split, page, page)
    assert by_container(page, USAGE)["objects02"] > 0
    accounts = split.ssh(f"ps -o user= -p {pid_of(split, FRONT)} -p {pid_of(split, COLLECTOR)}").split()
    assert sorted(accounts) == ["bulkhead", "root"]


@pytest.mark.core
def test_the_collector_has_no_socket_of_the_internet_and_can_make_none(split: Machine) -> None:
    sockets = split.ssh("ss -H -tuanp")
    assert f"pid={pid_of(split, FRONT)}," in sockets
    assert f"pid={pid_of(split, COLLECTOR)}," not in sockets
    command = '/usr/bin/python3 -c "import socket; socket.socket(socket.AF_INET)"'
    answer = split.run(OTHER_CODE.format(unit=COLLECTOR, command=command.replace("/", r"\/")), check=False)
    assert answer.returncode != 0
    assert "Address family not supported" in split.ssh("journalctl -u lab-hostile -o cat --no-pager -I")


@pytest.mark.core
def test_a_front_that_is_taken_over_reaches_nothing_and_costs_the_collector_nothing(split: Machine) -> None:
    split.run("install -D -m 755 /dev/stdin /usr/local/lib/lab-hostile.py", stdin=HOSTILE.read_bytes())
    before = resident_bytes(split, COLLECTOR)
    collector = pid_of(split, COLLECTOR)
    told = of_other_code(split, FRONT, f"/usr/bin/python3 /usr/local/lib/lab-hostile.py {collector}")
    result: dict[str, Any] = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    # D-Bus answers everybody, and its policy says what of it; the front asks nothing there.
    assert set(result["done"]) <= {"connects to D-Bus"}, result
    assert result["flooded"] == 500
    assert result["page_bytes"] > 10_000
    assert set(result["odd"]) == {0}
    assert result["another version"] == 0
    assert pid_of(split, COLLECTOR) == collector
    assert resident_bytes(split, COLLECTOR) < before + 64 * 1024 * 1024
    assert status(split, "/metrics") == "200"


@pytest.mark.core
def test_a_kill_while_the_front_is_dead_is_counted_and_served_when_it_is_back(split: Machine) -> None:
    before = by_container(metrics(split), KILLS)["slice-binds"]
    split.run(f"systemctl stop {FRONT}")
    split.run("timeout 60 podman exec slice-binds tail /dev/zero", check=False)
    split.run(f"systemctl start {FRONT}")
    split.wait(
        lambda: by_container(metrics(split), KILLS).get("slice-binds", 0) > before,
        "the kill on the front's page",
        timeout_seconds=120,
    )


RECEIVER, RECEIVED = "/var/tmp/lab-split-receiver.py", "/var/tmp/lab-split.jsonl"


@pytest.fixture
def alertmanager(split: Machine) -> Iterator[Machine]:
    """The two processes with something in the place of an Alertmanager, that keeps what it was sent."""
    receiver = Path(__file__).parent / "pager" / "receiver.py"
    split.run(f"rm -f {RECEIVED}; install -m 644 /dev/stdin {RECEIVER}", stdin=receiver.read_bytes())
    split.run(f"systemd-run --collect --unit=lab-split-receiver python3 {RECEIVER} 9097 {RECEIVED}")
    settings = 'alertmanagers = [{ url = "http://127.0.0.1:9097" }]\n' + config(split)
    split.run("cat >/etc/bulkhead/config.toml", stdin=settings.encode())
    split.run(f"systemctl restart {COLLECTOR} {FRONT}", timeout_seconds=START_SECONDS)
    wait_until_ready(split)
    yield split
    split.run("systemctl stop lab-split-receiver; cat >/etc/bulkhead/config.toml", stdin=config(split).encode())
    split.run(f"systemctl restart {COLLECTOR} {FRONT}", timeout_seconds=START_SECONDS)
    wait_until_ready(split)


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
def test_while_the_collector_is_away_the_front_says_so_at_once_and_serves_again(split: Machine) -> None:
    split.run(f"systemctl kill -s KILL {COLLECTOR}")
    began = time.monotonic()
    split.wait(lambda: status(split, "/metrics") == "503", "503", timeout_seconds=30, pause_seconds=0.2)
    assert time.monotonic() - began < 30
    assert status(split, "/-/healthy") == "200"
    assert curl(split, "http://127.0.0.1:9946/metrics") is None
    split.wait(lambda: status(split, "/metrics") == "200", "a page again", timeout_seconds=START_SECONDS)


def test_a_collector_that_hangs_costs_a_page_its_deadline_and_the_front_nothing(split: Machine) -> None:
    split.run(f"systemctl kill -s STOP {COLLECTOR}")
    try:
        assert status(split, "/-/healthy") == "200"
        answer = split.run("curl -s -m 60 http://127.0.0.1:9946/metrics", check=False).stdout.decode()
        assert "did not answer within" in answer
    finally:
        split.run(f"systemctl kill -s CONT {COLLECTOR}")
    split.wait(lambda: status(split, "/metrics") == "200", "a page again", timeout_seconds=START_SECONDS)
