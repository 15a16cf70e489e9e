"""The shipped rules, samples and dashboards, and the agent's own alerts, in a real Prometheus and Alertmanager."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.dashboards.boards import QUERIES
from tests.dashboards.maybe_empty import IN_THE_LAB
from tests.lab.agent import parse
from tests.lab.containers import LIMIT_BYTES
from tests.lab.engine import LabError
from tests.lab.machine import Machine
from tests.lab.pagers import (
    AGENT,
    ALERTS,
    BOTH,
    DEAD,
    DEAD_UNIT,
    END_SECONDS,
    HERE,
    PROMETHEUS,
    RULES,
    START_SECONDS,
    UNITS,
    WAYS,
    Pager,
    ask,
    configure_alertmanagers,
    guest_seconds,
    have_the_agent_be_silent,
    have_the_agent_tell,
    prometheus_config,
    quick,
    started,
    stop_pager,
)

pytestmark = pytest.mark.core

QUERIES_AT_ONCE = 40


@pytest.fixture(scope="module")
def pager(agent: Machine) -> Iterator[Pager]:
    lab = agent
    stop_pager(lab)
    have_the_agent_tell(lab)
    try:
        yield started(lab, quick(lab, prometheus_config()))
    finally:
        stop_pager(lab)
        have_the_agent_be_silent(lab)


def test_prometheus_takes_every_page_and_every_sample(pager: Pager) -> None:
    minutes = max(1, int((guest_seconds(pager.lab) - pager.since_seconds) / 60))
    alive = 'instance="localhost:9946"'
    up, samples = ask(pager.lab, f"min_over_time(up{{{alive}}}[{minutes}m])", f"scrape_samples_scraped{{{alive}}}")
    assert [float(each["value"][1]) for each in up] == [1]
    assert [float(each["value"][1]) > 1000 for each in samples] == [True]
    of_itself = parse(pager.lab.ssh(f"curl -sSf -m 60 {PROMETHEUS}/metrics"))
    refused = {
        name: value
        for name, [(_, value), *_] in of_itself.items()
        if re.search(r"^prometheus_target_scrapes_(sample|exceeded)_\w+_total$", name)
    }
    assert {"prometheus_target_scrapes_sample_duplicate_timestamp_total", *refused} == set(refused)
    assert not any(refused.values()), refused


def unanswered(pager: Pager) -> list[str]:
    """The queries of the dashboards to which Prometheus has no answer, but for those of which that is known."""
    empty = []
    for few in (QUERIES[at : at + QUERIES_AT_ONCE] for at in range(0, len(QUERIES), QUERIES_AT_ONCE)):
        asked = [query.chosen() for query in few]
        answers = ask(pager.lab, *asked, since_seconds=pager.since_seconds)
        empty += [query for query, answer in zip(few, answers, strict=True) if not answer]
    unexplained = [query for query in empty if not any(asked in query.expr for asked in IN_THE_LAB)]
    return [f"{query.name}: {query.expr}" for query in unexplained]


def test_every_query_of_every_dashboard_answers(pager: Pager) -> None:
    assert all(any(asked in query.expr for query in QUERIES) for asked in IN_THE_LAB)
    # A rate needs several pages, and an average over time some more.
    with contextlib.suppress(LabError):
        pager.lab.wait(lambda: not unanswered(pager), "answers", timeout_seconds=START_SECONDS, pause_seconds=5)
    assert unanswered(pager) == []


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is done to a container, the alert that follows, and how it is undone."""

    alert: str
    container: str
    do: str
    undo: str
    ways: tuple[str, ...] = tuple(WAYS)


def _limit(memory: str) -> str:
    """good01's memory limit at each level, behind podman's back and systemd's."""
    places = "/sys/fs/cgroup/services.slice/services-good01.slice/good01.service"
    return f"for each in {places} {places}/libpod-payload-*; do echo {memory} >$each/memory.max; done"


FILLER = "/data/containers/objects02/filler"
TROUBLES = (
    Trouble(
        "BulkheadQuotaNearlyFull",
        "objects02",
        # The quota comes down to what is used: near a quota ZFS lets a writer wait for each sync, here for minutes.
        f"head -c 10M /dev/urandom >{FILLER} && zpool sync tank && zfs set quota=10500K tank/containers/objects02",
        f"rm -f {FILLER}; zfs set quota=64M tank/containers/objects02",
        ways=(BOTH, RULES),  # a quota fills slowly enough for the rules
    ),
    Trouble(
        "BulkheadOomKill",
        "oomloop",
        "systemctl start --no-block oomloop",
        "systemctl stop oomloop; systemctl reset-failed oomloop",
    ),
    Trouble(
        "BulkheadRestartLoop",
        "exitloop",
        "systemctl start --no-block exitloop",
        "systemctl stop exitloop; systemctl reset-failed exitloop",
    ),
    Trouble("BulkheadLimitNotApplied", "good01", _limit("max"), _limit(f"{LIMIT_BYTES}")),
)


def undo(lab: Machine) -> None:
    lab.run("; ".join(trouble.undo for trouble in TROUBLES), check=False, timeout_seconds=300)


def test_each_trouble_reaches_the_pager(pager: Pager) -> None:
    for trouble in TROUBLES:
        pager.lab.run(trouble.do, timeout_seconds=300)
    try:
        for trouble in TROUBLES:
            told = [pager.wait_told(trouble.alert, trouble.container, "firing", way=way) for way in trouble.ways]
            assert all(each["labels"] == told[0]["labels"] for each in told), told
            for each in told:
                assert each["labels"]["severity"] in {"warning", "critical"}
                assert trouble.container in each["annotations"]["summary"]
                assert each["annotations"]["runbook_url"].endswith(f"/alerts/runbooks/{trouble.alert}.md")
            assert (ALERTS / f"runbooks/{trouble.alert}.md").is_file()
    finally:
        undo(pager.lab)


PUSHED = """\
[Container]
ContainerName=t-called
Image=localhost/lab:1
Exec=/bin/sh -c 'sleep 90; exec tail /dev/zero'
ReadOnly=true
Network=none
PodmanArgs=--memory=16m --memory-swap=16m
[Service]
Slice=services-tcalled.slice
Restart=no
"""
PUSHED_FILE = "/etc/containers/systemd/t-called.container"


@pytest.fixture
def hurried(pager: Pager) -> Iterator[Pager]:
    """The scrape interval as shipped, and no group waits: what is measured is the way to Alertmanager."""
    lab = pager.lab
    configure_alertmanagers(lab, group_wait="0s", group_interval="1s")
    lab.run(f"cat >{HERE}/prometheus.yml", stdin=prometheus_config().encode())
    lab.run(f"systemctl kill -s HUP {' '.join(unit for unit in UNITS if unit != 'lab-receiver')}")
    lab.run(f"cat >{PUSHED_FILE} && systemctl daemon-reload", stdin=PUSHED.encode())
    try:
        yield pager
    finally:
        lab.run(f"systemctl stop t-called; rm {PUSHED_FILE}; systemctl daemon-reload", check=False)
        lab.run("systemctl reset-failed t-called", check=False)


def test_the_agents_own_alert_is_there_long_before_that_of_the_rules(hurried: Pager) -> None:
    lab = hurried.lab
    known = 'bulkhead_container_oom_kills_total{container="t-called"}'
    lab.run("systemctl start --no-block t-called")
    # A scrape before it is killed, so that the kill is a rise.
    lab.wait(lambda: bool(ask(lab, known)[0]), "scrape of it", timeout_seconds=START_SECONDS)
    for way in WAYS:
        hurried.wait_told("BulkheadOomKill", "t-called", "firing", way=way)
    line = lab.ssh("journalctl -k -q -o short-unix -g 'oom-kill:.*tcalled' | tail -1", timeout_seconds=120)
    killed_at = float(line.split()[0])
    heard = {way: hurried.told(way, "BulkheadOomKill", "t-called") for way in WAYS}
    by_agent, by_rules, by_both = (heard[way][0][0] - killed_at for way in (AGENT, RULES, BOTH))
    print(
        f"kill to webhook: {by_agent:.2f} s by the agent, {by_rules:.2f} s by scrape and rule,"
        f" {by_rules / by_agent:.0f} times as long; {by_both:.2f} s where both tell"
    )
    assert by_agent < by_rules
    assert by_both < by_rules
    labels = [each["labels"] for told in heard.values() for _, each in told]
    assert all(each == labels[0] for each in labels), labels


# missing1 is the lab's container whose unit fails at every start.
def test_a_failed_unit_and_its_end_reach_the_pager(pager: Pager) -> None:
    told = pager.wait_told("BulkheadUnitFailed", "missing1", "firing")
    assert told["labels"]["severity"] == "critical"
    assert "missing1" in told["annotations"]["summary"]
    assert told["annotations"]["runbook_url"].endswith("/alerts/runbooks/BulkheadUnitFailed.md")
    assert (ALERTS / "runbooks/BulkheadUnitFailed.md").is_file()

    pager.lab.run("systemctl reset-failed missing1")
    try:
        pager.wait_told("BulkheadUnitFailed", "missing1", "resolved")
    finally:
        pager.lab.run("systemctl start missing1", check=False, timeout_seconds=300)


# The rules look back 10 minutes: what else there is to see is seen meanwhile.
def test_the_end_of_each_trouble_reaches_the_pager(pager: Pager) -> None:
    for trouble in TROUBLES:
        for way in trouble.ways:
            pager.wait_told(trouble.alert, trouble.container, "resolved", way=way, timeout_seconds=END_SECONDS)


def test_whichever_way_it_came_each_trouble_paged_once_and_was_over_once(pager: Pager) -> None:
    for trouble in TROUBLES:
        for way in trouble.ways:
            told = [each["status"] for _, each in pager.told(way, trouble.alert, trouble.container)]
            assert [status for status, _ in itertools.groupby(told)] == ["firing", "resolved"], (way, trouble, told)


def test_a_dead_agent_and_its_return_reach_the_pager(pager: Pager) -> None:
    told = pager.wait_told("BulkheadAgentDown", "", "firing")
    assert told["labels"]["severity"] == "critical"
    assert told["labels"]["instance"] == DEAD
    assert told["annotations"]["runbook_url"].endswith("/alerts/runbooks/BulkheadAgentDown.md")
    pager.lab.run(f"systemd-run --quiet --unit={DEAD_UNIT} /usr/bin/bulkhead serve --example --listen {DEAD}")
    pager.wait_told("BulkheadAgentDown", "", "resolved")


# The last: of all that was told. Alertmanager tells a group anew when something in it changes, or after hours; the
# watchdog alone every few minutes.
def test_nothing_is_told_twice(pager: Pager) -> None:
    last: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for entry in pager.notifications():
        group = entry["path"], entry["body"]["groupKey"]
        told = {(each["fingerprint"], each["status"]) for each in entry["body"]["alerts"]}
        if entry["body"]["commonLabels"].get("alertname") == "BulkheadWatchdog":
            continue
        assert told != last.get(group), entry["body"]
        last[group] = told
    assert last
