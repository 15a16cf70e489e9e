"""A real Prometheus and Alertmanagers with the shipped rules and samples in the guest, and the pager they tell.

Shipped files are used as they are, but for what a test cannot wait for or the emulation cannot do:
- alertmanager.yml: group_wait and group_interval are seconds instead of up to 5 minutes;
- prometheus.yml: a scrape and an evaluation every 5 s, instead of 15 s; in software emulation, which can take longer
  than that for a page, a scrape every 30 s.

There are three Alertmanagers: one as everybody has it, told by Prometheus and by the agent itself, and one for each of
the two alone, so that neither can hide that the other says nothing, or something else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.agent import REPOSITORY, config, curl, restart_agent
from tests.lab.machine import Machine

ALERTS = REPOSITORY / "alerts"
HERE = "/var/tmp/lab-pager"
NOTIFICATIONS = f"{HERE}/notifications.jsonl"
PROMETHEUS = "http://127.0.0.1:9090"
# The Alertmanagers, by who tells them: way -> port. What they tell comes to the receiver under /WAY/.
BOTH, AGENT, RULES = "both", "agent", "rules"
WAYS = {BOTH: 9093, AGENT: 9094, RULES: 9096}
UNITS = {
    "lab-receiver": f"/usr/bin/python3 {HERE}/receiver.py 9095 {NOTIFICATIONS}",
    **{
        f"lab-alertmanager-{way}": f"/usr/bin/prometheus-alertmanager --config.file={HERE}/{way}.yml"
        f" --storage.path={HERE}/{way} --web.listen-address=127.0.0.1:{port} --cluster.listen-address="
        for way, port in WAYS.items()
    },
    "lab-prometheus": f"/usr/bin/prometheus --config.file={HERE}/prometheus.yml"
    f" --storage.tsdb.path={HERE}/prometheus --web.listen-address=127.0.0.1:9090",
}
READY = (
    "http://127.0.0.1:9095/",
    *(f"http://127.0.0.1:{port}/-/ready" for port in WAYS.values()),
    f"{PROMETHEUS}/-/ready",
)
AGENT_TELLS = f"""\

[[alertmanagers]]
url = "http://127.0.0.1:{WAYS[BOTH]}"
[[alertmanagers]]
url = "http://127.0.0.1:{WAYS[AGENT]}"
[alerts]
instance = "localhost:9946"
"""

# An agent that is not there until somebody starts it, so that the other one can be watched meanwhile.
DEAD, DEAD_UNIT = "localhost:9947", "lab-dead-agent"
SCRAPE_SECONDS = 5  # of an engine at the machine's own speed
START_SECONDS = 180
TELL_SECONDS = 600
# The rules look back 10 minutes, and are not shortened; then a scrape, an evaluation and a group in a slow guest.
END_SECONDS = 1200


@dataclass(frozen=True, slots=True)
class Pager:
    """A Prometheus and what it tells, in the guest."""

    lab: Machine
    since_seconds: float
    """The guest's clock when Prometheus had the agent's page for the first time."""

    def notifications(self) -> list[dict[str, Any]]:
        """Everything that the pager heard, in order."""
        return [json.loads(line) for line in self.lab.ssh(f"cat {NOTIFICATIONS}").splitlines()]

    def told(self, way: str, alert: str, container: str) -> list[tuple[float, dict[str, Any]]]:
        """When and what the pager heard this way of this alert of this container ("" of none), in order."""
        return [
            (float(entry["at"]), each)
            for entry in self.notifications()
            if entry["path"].startswith(f"/{way}/")
            for each in entry["body"]["alerts"]
            if (each["labels"]["alertname"], each["labels"].get("container", "")) == (alert, container)
        ]

    def wait_told(
        self, alert: str, container: str, status: str, *, way: str = BOTH, timeout_seconds: float = TELL_SECONDS
    ) -> dict[str, Any]:
        """What the pager heard last of it, once it has that status."""
        last: list[tuple[float, dict[str, Any]]] = []

        def has_status() -> bool:
            last[:] = self.told(way, alert, container)[-1:]
            return bool(last) and last[0][1]["status"] == status

        what = f"{status} {alert} of {container} ({way})"
        self.lab.wait(has_status, what, timeout_seconds=timeout_seconds, pause_seconds=1)
        return last[0][1]


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


def prometheus_config() -> str:
    """The sample with one more host, whose agent does not answer from the beginning, and one more Alertmanager."""
    sample = (ALERTS / "prometheus.yml").read_text()
    with_dead_agent = substituted(sample, r"localhost:9946", f"localhost:9946, {DEAD}").decode()
    return substituted(with_dead_agent, r"localhost:9093", f"localhost:9093, localhost:{WAYS[RULES]}").decode()


def configure_alertmanagers(lab: Machine, *, group_wait: str, group_interval: str) -> None:
    """Write the sample for each way; waiting for groups as long as that."""
    sample = (ALERTS / "alertmanager.yml").read_text()
    quick = substituted(sample, r"group_wait: \w+", f"group_wait: {group_wait}").decode()
    quick = substituted(quick, r"group_interval: \w+", f"group_interval: {group_interval}").decode()
    for way in WAYS:
        lab.run(f"cat >{HERE}/{way}.yml", stdin=substituted(quick, r"(localhost:9095)/", rf"\1/{way}/"))


def stop_pager(lab: Machine) -> None:
    units = " ".join((*UNITS, DEAD_UNIT))
    lab.run(f"systemctl stop {units}; systemctl reset-failed {units}", check=False, timeout_seconds=300)
    lab.run(f"rm -rf {HERE}")


def have_the_agent_tell(lab: Machine) -> None:
    configure_agent(lab, config(lab) + AGENT_TELLS)


def have_the_agent_be_silent(lab: Machine) -> None:
    configure_agent(lab, config(lab))


def configure_agent(lab: Machine, text: str) -> None:
    """Have the agent run with that configuration, ready."""
    lab.run("cat >/etc/bulkhead/config.toml", stdin=text.encode())
    restart_agent(lab)


def quick(lab: Machine, text: str) -> str:
    """The configuration of Prometheus with scrapes and evaluations as often as this guest bears."""
    seconds = SCRAPE_SECONDS * lab.engine.slowness
    scrapes = rf"\1scrape_interval: {seconds}s\n\1scrape_timeout: {seconds}s"
    text = substituted(text, r"( +)scrape_interval: \w+", scrapes).decode()
    return substituted(text, r"evaluation_interval: \w+", f"evaluation_interval: {min(15, seconds)}s").decode()


def started(lab: Machine, prometheus: str) -> Pager:
    """Receiver, Alertmanagers and a Prometheus of that configuration, which has the agent's page."""
    lab.run(f"mkdir -p {HERE} && touch {NOTIFICATIONS}")
    lab.push(Path(__file__).parent / "pager", HERE)
    lab.push(ALERTS / "rules", f"{HERE}/rules")
    lab.push(ALERTS / "bulkhead.tmpl", f"{HERE}/bulkhead.tmpl")
    configure_alertmanagers(lab, group_wait="5s", group_interval="5s")
    lab.run(f"cat >{HERE}/prometheus.yml", stdin=prometheus.encode())
    start_units(lab)
    since_seconds = guest_seconds(lab)
    # A rate needs two pages, an increase of what changes now and then one more.
    several = 'count_over_time(up{job="bulkhead"}[10m]) >= 3'
    lab.wait(lambda: bool(ask(lab, several)[0]), "third scrape", timeout_seconds=START_SECONDS, pause_seconds=1)
    return Pager(lab, since_seconds)


def start_units(lab: Machine) -> None:
    """Start what has its configuration, and wait until Prometheus scrapes the agent."""
    for unit, command in UNITS.items():
        lab.run(f"systemd-run --quiet --unit={unit} {command}")
    for url in READY:
        lab.wait(lambda url=url: curl(lab, url) is not None, f"answer of {url}", timeout_seconds=START_SECONDS)  # type: ignore[misc]
    up = 'up{job="bulkhead"} == 1'
    lab.wait(lambda: bool(ask(lab, up)[0]), "scrape of the agent", timeout_seconds=START_SECONDS, pause_seconds=1)
