"""The shipped rules, samples and dashboards in a real Prometheus and Alertmanager that watch the lab's host.

Shipped files are used as they are, but for what a test cannot wait for or the emulation cannot do:
- alertmanager.yml: group_wait and group_interval are seconds instead of up to 5 minutes;
- prometheus.yml: a scrape every 30 s that may take as long, instead of 15 s and 10 s: the emulated guest can take
  longer than that for a page. Rules are evaluated every 15 s, as shipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.boards import QUERIES
from tests.dashboards.maybe_empty import IN_THE_LAB
from tests.lab.agent import REPOSITORY, curl, parse, wait_until_ready
from tests.lab.containers import LIMIT_BYTES
from tests.lab.machine import Machine

ALERTS = REPOSITORY / "alerts"
HERE = "/var/tmp/lab-pager"
NOTIFICATIONS = f"{HERE}/notifications.jsonl"
PROMETHEUS = "http://127.0.0.1:9090"
UNITS = {
    "lab-receiver": f"/usr/bin/python3 {HERE}/receiver.py 9095 {NOTIFICATIONS}",
    "lab-alertmanager": f"/usr/bin/prometheus-alertmanager --config.file={HERE}/alertmanager.yml"
    f" --storage.path={HERE}/alertmanager --web.listen-address=127.0.0.1:9093 --cluster.listen-address=",
    "lab-prometheus": f"/usr/bin/prometheus --config.file={HERE}/prometheus.yml"
    f" --storage.tsdb.path={HERE}/prometheus --web.listen-address=127.0.0.1:9090",
}
READY = ("http://127.0.0.1:9095/", "http://127.0.0.1:9093/-/ready", f"{PROMETHEUS}/-/ready")

# An agent that is not there until somebody starts it, so that the other one can be watched meanwhile.
DEAD, DEAD_UNIT = "localhost:9947", "lab-dead-agent"
SCRAPE_SECONDS = 30
START_SECONDS = 180
TELL_SECONDS = 600
# The rules look back 10 minutes, and are not shortened; then a scrape, an evaluation and a group in a slow guest.
END_SECONDS = 1200

QUERIES_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Pager:
    """A Prometheus and what it tells, in the guest."""

    lab: Machine
    since_seconds: float
    """The guest's clock when Prometheus had the agent's page for the first time."""

    def notifications(self) -> list[dict[str, Any]]:
        """Everything that the pager heard, in order."""
        return [json.loads(line) for line in self.lab.ssh(f"cat {NOTIFICATIONS}").splitlines()]

    def wait_told(
        self, alert: str, container: str, status: str, timeout_seconds: float = TELL_SECONDS
    ) -> dict[str, Any]:
        """What the pager heard last of this alert of this container ("" of none), once it has that status."""
        heard: dict[str, Any] = {}

        def told() -> bool:
            for entry in self.notifications():
                for each in entry["body"]["alerts"]:
                    labels = each["labels"]
                    if (labels["alertname"], labels.get("container", "")) == (alert, container):
                        heard.update(each)
            return heard.get("status") == status

        self.lab.wait(told, f"{status} {alert} of {container}", timeout_seconds=timeout_seconds, pause_seconds=5)
        return heard


def ask(lab: Machine, *queries: str, since_seconds: float | None = None) -> list[Any]:
    """What Prometheus answers to each query, now or since then; an AssertionError if it refuses one."""
    requests = []
    for query in queries:
        data = [f"query={query}"]
        if since_seconds is not None:
            data += [f"start={since_seconds}", f"end={guest_seconds(lab)}", "step=15"]
        options = [f"data-urlencode = {json.dumps(each)}" for each in data]
        endpoint = "query" if since_seconds is None else "query_range"
        requests.append("\n".join([f"url = {PROMETHEUS}/api/v1/{endpoint}", *options, 'write-out = "\\n"']))
    said = lab.ssh("curl -s -m 60 -K -", stdin="\nnext\n".join(requests).encode(), timeout_seconds=300)
    answers = [json.loads(line) for line in said.splitlines()]
    assert len(answers) == len(queries)
    for query, answer in zip(queries, answers, strict=True):
        assert answer["status"] == "success", f"{query}: {answer}"
    return [answer["data"]["result"] for answer in answers]


def guest_seconds(lab: Machine) -> float:
    return float(lab.ssh("date +%s.%N"))


def substituted(text: str, pattern: str, replacement: str) -> bytes:
    """The sample with every line of the pattern replaced; there is at least one."""
    changed, count = re.subn(pattern, replacement, text)
    assert count
    return changed.encode()


def with_dead_agent() -> str:
    """The sample with one more host, whose agent does not answer from the beginning."""
    sample = (ALERTS / "prometheus.yml").read_text()
    return substituted(sample, r"localhost:9946", f"localhost:9946, {DEAD}").decode()


def stop_pager(lab: Machine) -> None:
    units = " ".join((*UNITS, DEAD_UNIT))
    lab.run(f"systemctl stop {units}; systemctl reset-failed {units}", check=False, timeout_seconds=300)
    lab.run(f"rm -rf {HERE}")


@pytest.fixture(scope="module")
def pager(agent: Machine) -> Iterator[Pager]:
    lab = agent
    stop_pager(lab)
    try:
        yield started(lab)
    finally:
        stop_pager(lab)


def started(lab: Machine) -> Pager:
    """Receiver, Alertmanager and Prometheus, which has the agent's page."""
    sample = (ALERTS / "alertmanager.yml").read_text()
    quick = substituted(sample, r"(group_wait|group_interval): \w+", r"\1: 5s")
    patient = substituted(
        with_dead_agent(),
        r"( +)scrape_interval: \w+",
        rf"\1scrape_interval: {SCRAPE_SECONDS}s\n\1scrape_timeout: {SCRAPE_SECONDS}s",
    )
    lab.run(f"mkdir -p {HERE} && touch {NOTIFICATIONS}")
    lab.push(Path(__file__).parent / "pager", HERE)
    lab.push(ALERTS / "rules", f"{HERE}/rules")
    lab.push(ALERTS / "bulkhead.tmpl", f"{HERE}/bulkhead.tmpl")
    lab.run(f"cat >{HERE}/alertmanager.yml", stdin=quick)
    lab.run(f"cat >{HERE}/prometheus.yml", stdin=patient)
    for unit, command in UNITS.items():
        lab.run(f"systemd-run --quiet --unit={unit} {command}")
    for url in READY:
        lab.wait(lambda url=url: curl(lab, url) is not None, f"answer of {url}", timeout_seconds=START_SECONDS)  # type: ignore[misc]
    up = 'up{job="bulkhead"} == 1'
    lab.wait(lambda: bool(ask(lab, up)[0]), "scrape of the agent", timeout_seconds=START_SECONDS, pause_seconds=5)
    since_seconds = guest_seconds(lab)
    # A rate needs two pages, an increase of what changes now and then one more.
    several = 'count_over_time(up{job="bulkhead"}[10m]) >= 3'
    lab.wait(lambda: bool(ask(lab, several)[0]), "third scrape", timeout_seconds=START_SECONDS, pause_seconds=5)
    return Pager(lab, since_seconds)


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


def test_every_query_of_every_dashboard_answers(pager: Pager) -> None:
    empty = []
    for few in (QUERIES[at : at + QUERIES_AT_ONCE] for at in range(0, len(QUERIES), QUERIES_AT_ONCE)):
        asked = [query.chosen() for query in few]
        answers = ask(pager.lab, *asked, since_seconds=pager.since_seconds)
        empty += [query for query, answer in zip(few, answers, strict=True) if not answer]
    unexplained = [query for query in empty if not any(asked in query.expr for asked in IN_THE_LAB)]
    assert all(any(asked in query.expr for query in QUERIES) for asked in IN_THE_LAB)
    assert not unexplained, "\n".join(f"{query.name}: {query.expr}" for query in unexplained)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is done to a container, the alert that follows, and how it is undone."""

    alert: str
    container: str
    do: str
    undo: str


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
            told = pager.wait_told(trouble.alert, trouble.container, "firing")
            assert told["labels"]["severity"] in {"warning", "critical"}
            assert trouble.container in told["annotations"]["summary"]
            assert told["annotations"]["runbook_url"].endswith(f"/alerts/runbooks/{trouble.alert}.md")
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
OWN_ALERTMANAGER = (
    f"/usr/bin/prometheus-alertmanager --config.file={HERE}/own.yml --storage.path={HERE}/own"
    " --web.listen-address=127.0.0.1:9094 --cluster.listen-address="
)
OWN_CONFIG = """\

[[alertmanagers]]
url = "http://127.0.0.1:9094"
[alerts]
instance = "localhost:9946"
"""


@pytest.fixture
def pushing(pager: Pager) -> Iterator[Pager]:
    """The agent tells an Alertmanager of its own, and no group waits; rules go the way they went before."""
    lab = pager.lab
    sample = (ALERTS / "alertmanager.yml").read_text()
    at_once = substituted(sample, r"group_wait: \w+", "group_wait: 0s").decode()
    # The trouble of another container may have made the group before.
    at_once = substituted(at_once, r"group_interval: \w+", "group_interval: 1s").decode()
    lab.run(f"cat >{HERE}/own.yml", stdin=substituted(at_once, r"localhost:9095/\w+", "localhost:9095/own"))
    lab.run(f"systemd-run --quiet --unit=lab-alertmanager-own {OWN_ALERTMANAGER}")
    lab.run(f"cat >{HERE}/alertmanager.yml", stdin=at_once.encode())
    lab.run(f"cat >{HERE}/prometheus.yml", stdin=with_dead_agent().encode())
    lab.run("systemctl kill -s HUP lab-prometheus lab-alertmanager")
    lab.run(f"cat >{PUSHED_FILE}", stdin=PUSHED.encode())
    lab.run("cp /etc/bulkhead/config.toml /var/tmp/lab-config.toml")
    lab.run("cat >>/etc/bulkhead/config.toml && systemctl daemon-reload", stdin=OWN_CONFIG.encode())
    lab.run("systemctl restart bulkhead", timeout_seconds=300)
    try:
        wait_until_ready(lab)
        yield pager
    finally:
        lab.run("cp /var/tmp/lab-config.toml /etc/bulkhead/config.toml")
        lab.run(f"systemctl stop lab-alertmanager-own t-called; rm {PUSHED_FILE}; systemctl daemon-reload", check=False)
        lab.run("systemctl reset-failed t-called; systemctl restart bulkhead", check=False, timeout_seconds=300)
        wait_until_ready(lab)


def test_the_agents_own_alert_is_there_long_before_that_of_the_rules(pushing: Pager) -> None:
    lab = pushing.lab
    known = 'bulkhead_container_oom_kills_total{container="t-called"}'
    lab.run("systemctl start --no-block t-called")
    # A scrape before it is killed, so that the kill is a rise.
    lab.wait(lambda: bool(ask(lab, known)[0]), "scrape of it", timeout_seconds=START_SECONDS)
    pushing.wait_told("BulkheadOomKill", "t-called", "firing")
    line = lab.ssh("journalctl -k -q -o short-unix -g 'oom-kill:.*tcalled' | tail -1", timeout_seconds=120)
    killed_at = float(line.split()[0])

    def is_of_it(alert: dict[str, Any]) -> bool:
        labels = alert["labels"]
        return (labels["alertname"], labels.get("container")) == ("BulkheadOomKill", "t-called")

    def told_at(own: bool) -> float | None:  # noqa: FBT001 - one of two ways
        for entry in pushing.notifications():
            if any(is_of_it(each) for each in entry["body"]["alerts"]) and (entry["path"] == "/own") == own:
                return float(entry["at"])
        return None

    lab.wait(lambda: told_at(own=True) is not None and told_at(own=False) is not None, "both", timeout_seconds=300)
    own, rules = ((told_at(own=way) or 0.0) - killed_at for way in (True, False))
    print(
        f"kill to webhook: {own:.2f} s by the agent, {rules:.2f} s by scrape and rule, {rules / own:.0f} times as long"
    )
    assert own < rules
    labels = [each["labels"] for entry in pushing.notifications() for each in entry["body"]["alerts"] if is_of_it(each)]
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
        pager.wait_told(trouble.alert, trouble.container, "resolved", timeout_seconds=END_SECONDS)


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
