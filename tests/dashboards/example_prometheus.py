"""A real Prometheus that has scraped the example host, on two hosts, for ten minutes: without waiting for them.

The pages of ten minutes are made at once, their samples get the time and the target's labels that a scrape would give
them, and promtool makes the blocks of a database of them.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.assess.assessment import Build, assess
from exporter.present.metrics.exposition import render
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver
from exporter.sources.example import ExampleHost, load_recording

ROOT = Path(__file__).parents[2]
HOSTS = ("one:9946", "two:9946")
BEGAN = 1_700_000_000.0
# By then a dataset is nearly full, and the containers that die again and again are alive; one scrape comes just
# before the end of one of them, when its memory is.
FIRST, LAST, STEP = 573, 1173, 30
NOW = BEGAN + LAST
PATIENCE_SECONDS = 60
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
WAIVERS = (
    Waiver("bad-writable-rootfs", "read_only_rootfs", "its cache", NOW + 86_400),
    Waiver("", "kptr_restricted", "a profiler", NOW + 86_400),
)
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The one that runs, asked at the last of the ten minutes."""

    url: str

    def at_the_end(self, expr: str) -> list[dict[str, Any]]:
        """The series that an instant query returns."""
        return self._found("query", {"query": expr, "time": NOW})

    def over_time(self, expr: str) -> list[dict[str, Any]]:
        """The series that a graph of the ten minutes returns."""
        return self._found("query_range", {"query": expr, "start": BEGAN + FIRST, "end": NOW, "step": STEP})

    def samples_read(self, expr: str) -> int:
        """How many samples the query reads at a single moment."""
        asked = self._asked("query", {"query": expr, "time": NOW, "stats": "all"})
        return int(asked["data"]["stats"]["samples"]["totalQueryableSamples"])

    def rules(self) -> list[dict[str, Any]]:
        """The rules that it has loaded."""
        return [rule for group in self._asked("rules", {})["data"]["groups"] for rule in group["rules"]]

    def _found(self, what: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._asked(what, parameters)["data"]["result"]
        return found

    def _asked(self, what: str, parameters: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        assert answer["status"] == "success", answer
        return answer


@contextmanager
def prometheus_of_the_example(directory: Path) -> Iterator[Prometheus]:
    """Runs it until the block ends."""
    samples = directory / "samples.txt"
    samples.write_text("".join(_scrapes()) + "# EOF\n")
    database = directory / "data"
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(database)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = {"global": {"evaluation_interval": "1h"}, "rule_files": [str(path) for path in rule_files()]}
    (directory / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    arguments = [
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={database}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
        try:
            _wait_until_ready(f"http://{address}", directory / "log")
            yield Prometheus(f"http://{address}")
        finally:
            process.kill()
            process.wait()


def rule_files() -> list[Path]:
    """The shipped rules, wherever below alerts/ they are."""
    files = (path for path in (ROOT / "alerts").rglob("*.yml") if "tests" not in path.parts)
    return sorted(path for path in files if re.search(r"^groups:", path.read_text(), re.MULTILINE))


def _scrapes() -> Iterator[str]:
    host = ExampleHost(load_recording(), BEGAN)
    for elapsed in range(FIRST, LAST + 1, STEP):
        now = BEGAN + elapsed
        build = Build(product_version="0", is_example=True)
        page = render(assess(host.snapshot(now), Thresholds(), build, WAIVERS), OPENMETRICS)[0].decode()
        # What Prometheus says of each target itself.
        samples = f"{page}\nup 1\nscrape_duration_seconds 0.1"
        for instance in HOSTS:
            yield "".join(_scraped(line, instance, now) for line in samples.splitlines())


def _scraped(line: str, instance: str, now: float) -> str:
    found = _SAMPLE.match(line)
    if found is None:
        return ""  # a comment
    labels = f"{found[2]}," if found[2] else ""
    return f'{found[1]}{{{labels}job="bulkhead",instance="{instance}"}} {found[3]} {now}\n'


def _wait_until_ready(url: str, log: Path) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        try:
            with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"Prometheus does not answer:\n{log.read_text()}")
