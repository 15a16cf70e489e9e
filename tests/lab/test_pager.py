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
from tests.lab.agent import REPOSITORY, curl, parse
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

    def wait_told(
        self, alert: str, container: str, status: str, timeout_seconds: float = TELL_SECONDS
    ) -> dict[str, Any]:
        """What the pager heard last of this alert of this container, once it has that status."""
        heard: dict[str, Any] = {}

        def told() -> bool:
            for line in self.lab.ssh(f"cat {NOTIFICATIONS}").splitlines():
                for each in json.loads(line)["body"]["alerts"]:
                    labels = each["labels"]
                    if (labels["alertname"], labels.get("container")) == (alert, container):
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


def stop_pager(lab: Machine) -> None:
    units = " ".join(UNITS)
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
        (ALERTS / "prometheus.yml").read_text(),
        r"( +)scrape_interval: \w+",
        rf"\1scrape_interval: {SCRAPE_SECONDS}s\n\1scrape_timeout: {SCRAPE_SECONDS}s",
    )
    lab.run(f"mkdir -p {HERE} && touch {NOTIFICATIONS}")
    lab.push(Path(__file__).parent / "pager", HERE)
    lab.push(ALERTS / "bulkhead.rules.yml", f"{HERE}/bulkhead.rules.yml")
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
    up, samples = ask(
        pager.lab, f'min_over_time(up{{job="bulkhead"}}[{minutes}m])', 'scrape_samples_scraped{job="bulkhead"}'
    )
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


LOOPS = {"oomloop": "BulkheadOomKill", "exitloop": "BulkheadRestartLoop"}


@pytest.fixture
def loops(pager: Pager) -> Iterator[Pager]:
    stop = f"systemctl stop {' '.join(LOOPS)}; systemctl reset-failed {' '.join(LOOPS)}"
    pager.lab.run(f"systemctl start --no-block {' '.join(LOOPS)}")
    try:
        for container, alert in LOOPS.items():
            pager.wait_told(alert, container, "firing")
        pager.lab.run(stop, check=False, timeout_seconds=300)
        yield pager
    finally:
        pager.lab.run(stop, check=False, timeout_seconds=300)


def test_a_kill_and_a_restart_loop_reach_the_pager_and_so_does_their_end(loops: Pager) -> None:
    for container, alert in LOOPS.items():
        told = loops.wait_told(alert, container, "resolved", timeout_seconds=END_SECONDS)
        assert told["labels"]["severity"] in {"warning", "critical"}
        assert container in told["annotations"]["summary"]
        assert told["annotations"]["runbook_url"].endswith(f"/alerts/runbooks/{alert}.md")
        assert (ALERTS / f"runbooks/{alert}.md").is_file()


# Last, since it changes what the others see. missing1 is the lab's container whose unit fails at every start.
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
