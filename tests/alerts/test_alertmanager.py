"""The sample configuration of Alertmanager as shipped, judged by Alertmanager's own tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.promql import RULE_FILES

ALERTS = Path(__file__).parents[2] / "alerts"
CONFIG = (ALERTS / "alertmanager.yml").read_text()
TEMPLATES = (ALERTS / "bulkhead.tmpl").read_text()
RULES = "\n".join(path.read_text() for path in RULE_FILES)
ALERT_NAMES = set(re.findall(r"- alert: (\w+)", RULES))
# A commented receiver, from its name to the last commented line below it.
COMMENTED = re.findall(r"^    # (\w+_configs):\n((?:    #   .+\n)+)", CONFIG, re.MULTILINE)

needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed: make lint")


def amtool(*arguments: str) -> str:
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def receiver_of(**labels: str) -> str:
    matched = (f"{name}={value}" for name, value in labels.items())
    return amtool("config", "routes", "test", f"--config.file={ALERTS / 'alertmanager.yml'}", *matched)


def severities_of(alert: str) -> set[str]:
    rules = [text for text in RULES.split("\n      - alert: ") if text.startswith(f"{alert}\n")]
    return {severity for text in rules for severity in re.findall(r"^ {10}severity: (\w+)$", text, re.MULTILINE)}


RECEIVERS = {"critical": "wake", "warning": "tell", "info": "advise", "none": "watchdog"}


@needs_amtool
@pytest.mark.parametrize("alert", sorted(ALERT_NAMES))
def test_each_alert_goes_where_its_severity_says(alert: str) -> None:
    severities = severities_of(alert)
    assert severities
    for severity in severities:
        assert receiver_of(alertname=alert, severity=severity, instance="host1") == RECEIVERS[severity]


@needs_amtool
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "BulkheadTest", "severity": "none"}, "tell"),
        ({"alertname": "NodeDiskFull", "severity": "critical"}, "wake"),
        ({"alertname": "SomethingElse"}, "tell"),
        ({"alertname": "BulkheadWatchdog", "severity": "none", "site": "east"}, "watchdog"),
    ],
)
def test_what_is_no_rules_alert_reaches_somebody_too(labels: dict[str, str], receiver: str) -> None:
    assert receiver_of(**labels) == receiver


def test_the_configuration_names_alerts_checks_and_templates_that_exist() -> None:
    assert set(re.findall(r"Bulkhead[A-Z]\w+", CONFIG)) <= ALERT_NAMES
    checks = Path(__file__).parents[2] / "exporter" / "assess" / "checks"
    for check in re.findall(r"check = (\w+)", CONFIG):
        assert list(checks.glob(f"*/{check}.py"))
    defined = set(re.findall(r'define "([\w.]+)"', TEMPLATES))
    assert set(re.findall(r'template "([\w.]+)"', CONFIG + TEMPLATES)) <= defined
    receivers = set(re.findall(r"^ +receiver: (\w+)", CONFIG, re.MULTILINE))
    assert receivers == set(re.findall(r"^  - name: (\w+)", CONFIG, re.MULTILINE)) == set(RECEIVERS.values())


def uncommented(kind: str) -> str:
    """The configuration with every commented receiver of this kind in it."""
    (block,) = (lines for name, lines in COMMENTED if name == kind)
    taken_in = re.sub(r"^    # ", "    ", f"    # {kind}:\n{block}", flags=re.MULTILINE)
    if kind == "webhook_configs":  # there is one already: it is a further item
        return CONFIG.replace(f"    # {kind}:\n{block}", "").replace(
            "  - name: wake\n    webhook_configs:\n", f"  - name: wake\n{taken_in}"
        )
    return CONFIG.replace(f"    # {kind}:\n{block}", taken_in)


@needs_amtool
@pytest.mark.parametrize("kind", sorted({kind for kind, _ in COMMENTED}))
def test_each_commented_receiver_is_one_that_alertmanager_takes(kind: str, tmp_path: Path) -> None:
    shutil.copy(ALERTS / "bulkhead.tmpl", tmp_path)
    (tmp_path / "alertmanager.yml").write_text(uncommented(kind))
    assert "SUCCESS" in amtool("check-config", str(tmp_path / "alertmanager.yml"))


def test_the_usual_pagers_are_there() -> None:
    kinds = {kind.removesuffix("_configs") for kind, _ in COMMENTED}
    assert kinds == {"email", "slack", "pagerduty", "opsgenie", "pushover", "telegram", "webhook"}


def one(name: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "BulkheadOomKill", "severity": "critical", "instance": "host1", **labels},
        "annotations": {
            "summary": f"Container {name} on host1: killed",
            "description": f"Processes of container {name} were killed.",
            "runbook_url": "https://runbooks.example/BulkheadOomKill.md",
        },
        "startsAt": "2027-01-15T08:00:00Z",
        "endsAt": "2027-01-15T08:10:00Z",
        "generatorURL": "http://prometheus.example/graph?x",
        "fingerprint": name,
    }


def rendered(directory: Path, template: str, *alerts: dict[str, Any], kind: str = "text") -> str:
    fires = any(alert["status"] == "firing" for alert in alerts)
    data = {
        "receiver": "tell",
        "status": "firing" if fires else "resolved",
        "alerts": alerts,
        "groupLabels": {"alertname": "BulkheadOomKill", "instance": "host1"},
        "commonLabels": {name: alerts[0]["labels"][name] for name in ("alertname", "instance", "severity")},
        "commonAnnotations": {"runbook_url": "https://runbooks.example/BulkheadOomKill.md"},
        "externalURL": "http://alertmanager.example",
    }
    path = directory / "data.json"
    path.write_text(json.dumps(data))
    return amtool(
        "template",
        "render",
        f"--template.glob={ALERTS / 'bulkhead.tmpl'}",
        f'--template.text={{{{ template "bulkhead.{template}" . }}}}',
        f"--template.type={kind}",
        f"--template.data={path}",
    )


@needs_amtool
def test_a_title_is_the_alerts_own_words_and_counts_where_there_are_several(tmp_path: Path) -> None:
    assert rendered(tmp_path, "title", one("web")) == "Container web on host1: killed"
    assert rendered(tmp_path, "title", one("web", "resolved")) == "Over: Container web on host1: killed"
    several = (one("web"), one("db"), one("blog", "resolved"))
    assert rendered(tmp_path, "title", *several) == "BulkheadOomKill on host1: 2 alerts"
    over = (one("web", "resolved"), one("db", "resolved"))
    assert rendered(tmp_path, "title", *over) == "Over: BulkheadOomKill on host1: 2 alerts"


@needs_amtool
def test_a_text_tells_what_fires_in_full_and_what_is_over_in_a_line(tmp_path: Path) -> None:
    assert rendered(tmp_path, "text", one("web"), one("db", "resolved")).splitlines() == [
        "Container web on host1: killed (critical)",
        "Processes of container web were killed.",
        "https://runbooks.example/BulkheadOomKill.md",
        "",
        "Over: Container db on host1: killed",
    ]


@needs_amtool
def test_a_mail_has_links_and_escapes_what_a_container_calls_itself(tmp_path: Path) -> None:
    mail = rendered(tmp_path, "html", one("<script>x</script>"), one("db", "resolved"), kind="html")
    assert "<script" not in mail
    assert "Container &lt;script&gt;x&lt;/script&gt; on host1: killed" in mail
    assert '<a href="https://runbooks.example/BulkheadOomKill.md">runbook</a>' in mail
    assert "critical since 2027-01-15 08:00:00 UTC" in mail
    assert "<li>Container db on host1: killed, 2027-01-15 08:10:00 UTC</li>" in mail


@needs_amtool
def test_small_templates_say_where_to_read_on_and_how_bad_it_is(tmp_path: Path) -> None:
    assert rendered(tmp_path, "runbook", one("web")) == "https://runbooks.example/BulkheadOomKill.md"
    assert rendered(tmp_path, "colour", one("web")) == "danger"
    assert rendered(tmp_path, "colour", one("web", severity="warning")) == "warning"
    assert rendered(tmp_path, "colour", one("web", "resolved")) == "good"
