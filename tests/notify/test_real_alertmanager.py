"""The real Prometheus and Alertmanager: the rule's alert and ours are one there, and a test alert comes through."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from exporter.config import Alertmanager
from exporter.notify import alert
from exporter.notify.alert import Origin
from exporter.notify.post import Result, post
from exporter.notify.posting import Posting
from tests.real_programs import alertmanager, asked, eventually, free_port, program

ALERTMANAGER, PROMETHEUS = "prometheus-alertmanager", "prometheus"
RULES = Path(__file__).parents[2] / "alerts" / "rules" / "bulkhead-containers.yml"
MISSING = [program for program in (ALERTMANAGER, PROMETHEUS) if shutil.which(program) is None]
if MISSING:
    warnings.warn(f"{', '.join(MISSING)} not installed: nothing is shown of the real ones", stacklevel=1)
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"NOT SHOWN: {', '.join(MISSING)} not installed")

ORIGIN = Origin("host1", "bulkhead", (("site", "east"),))


@contextmanager
def real_alertmanager(directory: Path) -> Iterator[str]:
    config = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    (directory / "alertmanager.json").write_text(json.dumps(config))
    with alertmanager(directory, "alertmanager.json") as url:
        yield url


@contextmanager
def real_prometheus(directory: Path, alertmanager: str) -> Iterator[str]:
    """One that scrapes itself as host1, and takes what it needs for the rule from rules that make the series."""
    series = {
        "interval": "1s",
        "name": "made",
        "rules": [
            {
                "record": "bulkhead_container_unit_state",
                "expr": "vector(1)",
                "labels": {"instance": "host1", "job": "bulkhead", "container": "web", "state": "failed"},
            },
            {
                "record": "bulkhead_container_restarts_total",
                "expr": "vector(5)",
                "labels": {"instance": "host1", "job": "bulkhead", "container": "web"},
            },
        ],
    }
    (directory / "series.json").write_text(json.dumps({"groups": [series]}))
    # As shipped, but for the minute that the rule waits.
    (directory / "rules.yml").write_text(RULES.read_text().replace("for: 1m", "for: 0s"))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": {"site": "east"}},
        "rule_files": ["series.json", "rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
    }
    (directory / "prometheus.json").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    with program(
        directory,
        PROMETHEUS,
        "--config.file=prometheus.json",
        "--storage.tsdb.path=prometheus-data",
        "--rules.alert.resend-delay=1s",  # it knows of no Alertmanager when it sends first
        f"--web.listen-address={address}",
    ):
        yield f"http://{address}"


def test_an_alert_of_the_rule_and_the_agents_own_are_one(tmp_path: Path) -> None:
    now = time.time()
    ours = alert.gave_up(ORIGIN, "web", now)
    with real_alertmanager(tmp_path) as url:
        sent = Posting(ours.key, ours.labels, ours.annotations, now - 5, now + 240, fires=True)
        assert post(Alertmanager(url), (sent,)).result is Result.ACCEPTED
        (before,) = asked(f"{url}/api/v2/alerts")
        assert before["labels"] == dict(ours.labels)
        with real_prometheus(tmp_path, url):
            # Prometheus' alerts say where they were made; ours do not: the merged one has been heard of from both.
            assert eventually(
                lambda: any(
                    "/graph?" in one.get("generatorURL", "") for one in asked(f"{url}/api/v2/alerts") if is_ours(one)
                )
            )
            mine = [one for one in asked(f"{url}/api/v2/alerts") if is_ours(one)]
        (merged,) = mine
        assert merged["fingerprint"] == before["fingerprint"]
        assert merged["labels"] == before["labels"]
        assert merged["annotations"] == before["annotations"]
        assert merged["startsAt"] == before["startsAt"]


def is_ours(one: dict[str, Any]) -> bool:
    return bool(one["labels"]["alertname"] == "BulkheadRestartLoop")


def test_a_label_that_alertmanager_does_not_take_is_rejected_and_the_rest_is_taken(tmp_path: Path) -> None:
    now = time.time()
    good = Posting("", {"alertname": "Good"}, {}, now, now + 60, fires=True)
    bad = Posting("", {"alertname": "Bad", "not-a-name": "x"}, {}, now, now + 60, fires=True)
    with real_alertmanager(tmp_path) as url:
        answer = post(Alertmanager(url), (good, bad))
        assert answer.result is Result.REJECTED
        assert "not-a-name" in answer.reason
        assert [one["labels"]["alertname"] for one in asked(f"{url}/api/v2/alerts")] == ["Good"]


def test_a_test_alert_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with real_alertmanager(tmp_path) as url:
        assert main(["alert-test", "--alertmanager", url]) == 0
    assert "accepted within" in capsys.readouterr().out
