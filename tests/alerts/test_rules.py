from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from exporter.report.thresholds import Thresholds
from tests.promql import RULE_FILES, unknown_names

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "alerts"
RULES = "\n".join(path.read_text() for path in RULE_FILES)
# One text for each rule: PyYAML is no dependency, and the file's own layout is plain.
_, *PARTS = re.split(r"\n {6}- (alert|record): ", RULES)
RULE_TEXTS = [text for kind, text in zip(PARTS[::2], PARTS[1::2], strict=True) if kind == "alert"]
RECORDINGS = [text for kind, text in zip(PARTS[::2], PARTS[1::2], strict=True) if kind == "record"]
RULE_IDS = [
    " ".join([text.split("\n", 1)[0], *re.findall(r"(?:severity|condition): (\w+)", text)]) for text in RULE_TEXTS
]
ALERT_NAMES = sorted({text.split("\n", 1)[0] for text in RULE_TEXTS})
WATCHDOG = "BulkheadWatchdog"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def expr_of(rule: str) -> str:
    found = re.search(r"^ +expr: (?:\|\n(?P<block>(?: {10}.*\n)+)|(?P<line>.+))", rule, re.MULTILINE)
    assert found is not None
    return found["block"] or found["line"]


def test_every_rule_is_found() -> None:
    assert len(RULE_TEXTS) == RULES.count("- alert: ") == len(set(RULE_IDS))
    assert len(RECORDINGS) == RULES.count("- record: ")


@pytest.mark.parametrize("rule", [*RULE_TEXTS, *RECORDINGS], ids=[*RULE_IDS, *(r.split()[0] for r in RECORDINGS)])
def test_a_rule_asks_for_what_is_served(rule: str) -> None:
    assert not list(unknown_names(expr_of(rule)))


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.stem)
def test_what_is_recorded_is_used_later_in_the_same_group(path: Path) -> None:
    # Groups are evaluated by themselves: what another one records is old, or not there yet.
    for group in re.split(r"\n  - name: ", path.read_text())[1:]:
        used = set(re.findall(r"\b\w+:bulkhead_\w+:\w+", group))
        for name in used:
            assert f"- record: {name}\n" in group
            assert group.index(f"- record: {name}\n") < group.rindex(name), name
        assert len(used) == group.count("- record: ")


@pytest.mark.parametrize("rule", RULE_TEXTS, ids=RULE_IDS)
def test_an_alert_says_what_is_told_to_whom_it_wakes(rule: str) -> None:
    assert re.search(r"\n {10}severity: (critical|warning|info|none)\n", rule)
    if "*" in rule.split("annotations:")[1][:3]:
        return  # the annotations of the other severity
    alert = rule.split("\n", 1)[0]
    for annotation in ("summary: ", "description: ", f"/{alert}.md'"):
        assert annotation in rule
    about = rule.split("summary: ")[1].split("runbook_url", maxsplit=1)[0]
    assert "$labels.instance" in about or "absent(" in rule or alert == WATCHDOG
    if "bulkhead_container_" in expr_of(rule):
        assert "$labels.container" in about


def test_rules_name_thresholds_that_exist_and_never_their_values() -> None:
    limits = dict(Thresholds().as_pairs())
    named = re.findall(r'bulkhead_threshold\{name="(\w+)"\}', RULES)
    assert named
    assert set(named) <= set(limits)
    for rule in [*RULE_TEXTS, *RECORDINGS]:
        # Beside thresholds only states are compared: 0, and 1.
        assert set(re.findall(r"[<>=]=? *([0-9.]+)", expr_of(rule))) <= {"0", "1"}


def test_thresholds_are_compared_on_their_own_host() -> None:
    for rule in [*RULE_TEXTS, *RECORDINGS]:
        expr = expr_of(rule)
        assert expr.count("bulkhead_threshold") == len(
            re.findall(r"on \(instance, job\) group_left \(\)\s+bulkhead_threshold", expr)
        )


def test_the_window_of_a_restart_loop_is_that_of_the_settings() -> None:
    assert Thresholds().restart_loop_window_seconds == 600
    assert "increase(bulkhead_container_restarts_total[10m])" in RULES


def test_the_job_is_that_of_the_sample_configuration() -> None:
    jobs = set(re.findall(r'up\{job="(\w+)"\}', RULES))
    assert jobs == set(re.findall(r"job_name: (\w+)", (ALERTS / "prometheus.yml").read_text()))


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_every_alert_is_seen_to_fire_and_to_stay_silent(alert: str) -> None:
    cases = (ALERTS / "tests" / f"{alert}.test.yml").read_text()
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", cases)
    assert re.search(rf"alertname: {alert}}}\n", cases) or alert == WATCHDOG


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert sorted(path.stem for path in (ALERTS / "runbooks").glob("*.md")) == ALERT_NAMES


@pytest.mark.parametrize("alert", ALERT_NAMES)
def test_a_runbook_tells_meaning_impact_diagnosis_and_mitigation_with_names_that_are_served(alert: str) -> None:
    page = (ALERTS / "runbooks" / f"{alert}.md").read_text()
    assert page.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    queries = [quoted for quoted in re.findall(r"`([^`\n]+)`", page) if quoted.startswith("bulkhead_")]
    assert not [unknown for query in queries for unknown in unknown_names(query)]


def test_every_threshold_is_compared_with_somewhere() -> None:
    # These are judged by the agent itself, which serves the verdict.
    of_the_agent = {"memory_target_ratio", "restart_loop_window_seconds"}
    assert set(re.findall(r'bulkhead_threshold\{name="(\w+)"\}', RULES)) | of_the_agent == set(
        dict(Thresholds().as_pairs())
    )


def test_lint_says_what_to_install_where_promtool_is_missing(tmp_path: Path) -> None:
    for tool in ("bash", "dirname"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = subprocess.run(
        [tmp_path / "bash", ROOT / "tests/lint-alerts.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "promtool is not installed" in done.stderr
    assert "apt-get install" in done.stderr
