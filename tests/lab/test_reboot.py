"""A host that loses its power: what was counted stays counted, and counting goes on."""

from __future__ import annotations

import pytest

from tests.lab.agent import Page, by_collector, by_container, metrics, wait_until_ready
from tests.lab.counts import KILLS, RESTARTS
from tests.lab.lab import up
from tests.lab.machine import Machine

pytestmark = pytest.mark.core

HOST = "bulkhead_host_oom_kills_total"
SLICE = "/sys/fs/cgroup/services.slice/services-oomloop.slice/memory.events"


def kills_in_slice(lab: Machine) -> int:
    return int(lab.ssh(f"sed -n 's/^oom_kill //p' {SLICE} 2>/dev/null", check=False) or 0)


def kills_on_page(lab: Machine) -> float:
    return by_container(metrics(lab), KILLS).get("oomloop", 0)


def page_after_kills(lab: Machine, kills: int) -> Page:
    """Let oomloop be killed so often, at least, and wait until the page tells of as many as its slice."""
    counted, killed = kills_on_page(lab), kills_in_slice(lab)
    lab.run("systemctl start --no-block oomloop")
    try:
        lab.wait(lambda: kills_in_slice(lab) >= killed + kills, f"{kills} kills of oomloop", timeout_seconds=600)
    finally:
        lab.run("systemctl stop oomloop; systemctl reset-failed oomloop", check=False, timeout_seconds=300)
    risen = kills_in_slice(lab) - killed
    lab.wait(lambda: kills_on_page(lab) == counted + risen, f"{risen} kills on the page", timeout_seconds=180)
    return metrics(lab)


def test_totals_go_on_after_the_power_was_cut(agent: Machine) -> None:
    lab = agent
    lab.run("sync")  # what the lab itself has written; what the agent counts from here on is its own to keep
    before = page_after_kills(lab, 5)
    lab.cut_power()
    lab.wait(lab.answers, "answer over ssh", timeout_seconds=900)
    up(lab)
    wait_until_ready(lab)

    after = metrics(lab)
    assert by_collector(after, "bulkhead_scrape_collector_success")["ledger"] == 1
    for name in (KILLS, RESTARTS):
        kept = by_container(after, name)
        assert {container: kept.get(container) for container in by_container(before, name)} == by_container(
            before, name
        )
    assert after[HOST] == before[HOST]

    later = page_after_kills(lab, 1)
    assert by_container(later, KILLS)["oomloop"] == by_container(before, KILLS)["oomloop"] + kills_in_slice(lab)
