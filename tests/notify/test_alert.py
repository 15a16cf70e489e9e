"""Our alerts are those that the shipped rules make: promtool evaluates the rules and compares every label and word."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.notify import alert
from exporter.notify.alert import Alert, Origin

RULES = Path(__file__).parents[2] / "alerts" / "rules"
EXTERNAL = {"bulkhead_runbooks": "https://runbooks.example", "site": "east"}
ORIGIN = Origin("host1", "bulkhead", tuple(EXTERNAL.items()))
TARGET = 'instance="host1", job="bulkhead"'
WEB = f'{TARGET}, container="web"'
THRESHOLD = {"series": f'bulkhead_threshold{{{TARGET}, name="restart_loop_restarts"}}', "values": "3x60"}
CHECK = 'check="seccomp_filtered"'

CASES: dict[str, tuple[Alert, list[dict[str, str]]]] = {
    "oom kill": (
        alert.oom_kill(ORIGIN, "web", 2, 0.0),
        [
            {"series": f'bulkhead_build_info{{{TARGET}, version="1"}}', "values": "1x60"},
            {"series": f"bulkhead_container_oom_kills_total{{{WEB}}}", "values": "_x30 2x30"},
        ],
    ),
    "looping": (
        alert.looping(ORIGIN, "web", 10, 0.0),
        [THRESHOLD, {"series": f"bulkhead_container_restarts_total{{{WEB}}}", "values": "0+1x60"}],
    ),
    "gave up": (
        alert.gave_up(ORIGIN, "web", 0.0),
        [
            {"series": f"bulkhead_container_restarts_total{{{WEB}}}", "values": "4x60"},
            {"series": f'bulkhead_container_unit_state{{{WEB}, state="failed"}}', "values": "1x60"},
        ],
    ),
    "gave up without a restart": (
        alert.gave_up(ORIGIN, "web", 0.0),
        [
            {"series": f"bulkhead_container_restart_loop{{{WEB}}}", "values": "1x60"},
            {"series": f'bulkhead_container_unit_state{{{WEB}, state="failed"}}', "values": "1x60"},
        ],
    ),
    "limit not applied": (
        alert.limit_not_applied(ORIGIN, "web", "memory", 0.0),
        [
            {
                "series": f'bulkhead_container_limit_drift{{{WEB}, resource="memory", kind="not_applied"}}',
                "values": "0x5 1x55",
            }
        ],
    ),
    "wall lost": (
        alert.wall_lost(ORIGIN, "web", "seccomp_filtered", "System calls are filtered", 0.0),
        [
            {"series": f"bulkhead_container_hardening_check{{{WEB}, {CHECK}}}", "values": "1x5 0x55"},
            {
                "series": f"bulkhead_hardening_check_info{{{TARGET}, {CHECK}, "
                'severity="critical", title="System calls are filtered"}',
                "values": "1x60",
            },
        ],
    ),
}


def promtool_says(directory: Path, ours: Alert, series: list[dict[str, str]], external: dict[str, str]) -> str:
    """What promtool says if these series make anything but this alert; "" if they make exactly it."""
    labels = {name: text for name, text in ours.labels.items() if name not in external and name != "alertname"}
    expected: list[dict[str, Any]] = [{"exp_labels": labels, "exp_annotations": dict(ours.annotations)}]
    case = {"eval_time": "35m", "alertname": ours.labels["alertname"], "exp_alerts": expected}
    test = {"interval": "1m", "external_labels": external, "input_series": series, "alert_rule_test": [case]}
    path = directory / "test.yml"
    path.write_text(json.dumps({"rule_files": [f"{RULES}/*.yml"], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: make lint")


@needs_promtool
@pytest.mark.parametrize("case", CASES)
def test_an_alert_is_the_one_that_the_rule_makes(case: str, tmp_path: Path) -> None:
    ours, series = CASES[case]
    assert promtool_says(tmp_path, ours, series, EXTERNAL) == ""


@needs_promtool
def test_promtool_does_tell_a_difference(tmp_path: Path) -> None:
    ours, series = CASES["gave up"]
    other = alert.gave_up(Origin("host2", "bulkhead"), "web", 0.0)
    assert "FAILED" in promtool_says(tmp_path, other, series, {})
    assert ours.key != other.key


def test_external_labels_are_on_each_alert_and_replace_none_of_its_own() -> None:
    origin = Origin("host1", "bulkhead", (("container", "elsewhere"), ("site", "east")))
    assert dict(alert.oom_kill(origin, "web", 1, 0.0).labels) == {
        "alertname": "BulkheadOomKill",
        "severity": "critical",
        "container": "web",
        "site": "east",
        "instance": "host1",
        "job": "bulkhead",
    }


def test_without_a_copy_of_ones_own_the_runbooks_are_the_projects() -> None:
    url = alert.oom_kill(Origin("host1"), "web", 1, 0.0).annotations["runbook_url"]
    rules = (RULES / "bulkhead-containers.yml").read_text()
    assert url in rules.replace('{{ or $externalLabels.bulkhead_runbooks "', "").replace('" }}', "")
