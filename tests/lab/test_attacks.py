"""Attacks on the front's port: beside each, an honest scraper has its page, and the collector does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.agent import COLLECTOR, FRONT, URL
from tests.lab.machine import Machine
from tests.lab.test_split import pid_of, resident_bytes

BATTERY, HERE = Path(__file__).parent / "web" / "battery.py", "/var/tmp/lab-battery.py"
# Two guests share two processors: one page in eight may wait for another guest, none for as long as a scrape may take.
HONEST_SECONDS, SCRAPE_SECONDS = 2.0, 10.0
BEGUN_AT_LEAST = 40
MIB = 1 << 20


@pytest.fixture(scope="module")
def armed(agent: Machine) -> Iterator[Machine]:
    """The guest with the battery in it."""
    arm(agent)
    yield agent
    agent.run(f"rm -f {HERE} {HERE}.begun")


def arm(lab: Machine) -> None:
    """Have the battery in the guest."""
    lab.run(f"cat >{HERE}", stdin=BATTERY.read_bytes())


def assert_an_honest_scraper_has_its_page(lab: Machine, attack: str, url: str, authority: str = "") -> None:
    """Beside that attack: pages within two seconds, both processes the same as before, and within bounds."""
    before = {unit: pid_of(lab, unit) for unit in (COLLECTOR, FRONT)}
    collectors_bytes = resident_bytes(lab, COLLECTOR)
    # An attacker has a machine of its own: here it comes after everybody else.
    nice = "-p CPUWeight=10 -p Nice=19 -p LimitNOFILE=20000"
    lab.run(
        f"rm -f {HERE}.begun; systemd-run --collect --quiet --unit=lab-attack {nice}"
        f" /usr/bin/python3 {HERE} attack {attack} {HERE}.begun"
    )
    try:
        lab.wait(
            lambda: int(lab.ssh(f"cat {HERE}.begun 2>/dev/null || echo 0")) > BEGUN_AT_LEAST,
            "an attack that is under way",
            timeout_seconds=60,
            pause_seconds=1,
        )
        met = json.loads(lab.ssh(f"python3 {HERE} honest '{url}' {authority}", timeout_seconds=300))
    finally:
        lab.run("systemctl kill -s KILL lab-attack; systemctl stop lab-attack", check=False)
    peak_bytes = int(lab.ssh(f"cat /sys/fs/cgroup/system.slice/{FRONT}.service/memory.peak"))
    begun = int(lab.ssh(f"cat {HERE}.begun"))
    print(f"{attack}: begun {begun} times, front at most {peak_bytes // MIB} MiB, pages after {met['seconds']} s")
    assert set(met["answers"]) == {"200"}
    assert sorted(met["seconds"])[len(met["seconds"]) * 3 // 4] < HONEST_SECONDS * lab.engine.slowness
    assert max(met["seconds"]) < SCRAPE_SECONDS * lab.engine.slowness
    assert {unit: pid_of(lab, unit) for unit in (COLLECTOR, FRONT)} == before
    assert peak_bytes < 256 * MIB
    assert resident_bytes(lab, COLLECTOR) < collectors_bytes + 32 * MIB


@pytest.mark.parametrize(
    "attack",
    ["idle", "slow_heads", "slow_readers", "never_read", "long_heads", "pipelined", "smuggled", "scrapers"],
)
def test_an_honest_scraper_has_its_page_beside(armed: Machine, attack: str) -> None:
    assert_an_honest_scraper_has_its_page(armed, attack, f"{URL}/metrics")
