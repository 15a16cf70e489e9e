"""What a reload applies to an agent that runs, what it leaves as it was, and what it logs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.app.alerts import outbox_of
from exporter.app.example import build_example_agent
from exporter.app.reload import Reload, Standards
from exporter.app.web import Web, web_settings
from exporter.config import Alertmanager, Config, ConfigError, Problem
from exporter.config import Web as WebTable
from exporter.http import Gate
from exporter.report.findings import Verdict
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver
from tests.notify.totals import NOW, restarted

AT_START = Config(alertmanagers=(Alertmanager("http://127.0.0.1:9093"),))
SECOND_US = 1_000_000
WAIVER = Waiver("*", "seccomp_filtered", "the trial of a reload")


def test_thresholds_and_waivers_hold_from_the_next_report_on() -> None:
    standards = Standards(AT_START)
    agent = build_example_agent(AT_START, standards)
    changed = replace(AT_START, thresholds=Thresholds(memory_warning_ratio=0.5), waivers=(WAIVER,))
    before = agent.report()
    Reload(AT_START, lambda: changed, (standards,))()
    after = agent.report()
    found = [
        (
            dict(report.thresholds)["memory_warning_ratio"],
            any(one.outcome.verdict is Verdict.WAIVED for each in report.containers for one in each.findings),
        )
        for report in (before, after)
    ]
    assert found == [(Thresholds().memory_warning_ratio, False), (0.5, True)]


def test_the_agents_own_alerts_go_by_the_thresholds_of_the_reload(tmp_path: Path) -> None:
    standards = Standards(AT_START)
    outbox = outbox_of(replace(AT_START, state_dir=tmp_path), standards)
    strict = replace(AT_START, thresholds=Thresholds(restart_loop_restarts=1))
    Reload(AT_START, lambda: strict, (standards,))()
    counted = (restarted("web", now_us=SECOND_US), restarted("web", SECOND_US, now_us=2 * SECOND_US))
    seen = [outbox.see_totals(each, NOW) for each in counted]
    outbox.close()
    assert seen == [False, True]


def test_a_web_configuration_with_a_mistake_changes_no_threshold_either(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "web.yml"
    path.write_text("")
    config = Config(web=WebTable(config_file=path))
    standards = Standards(config)
    web = Web(config, Gate(web_settings(config)), ())
    path.write_text("tls_server_confg: {}\n")
    Reload(config, lambda: replace(config, thresholds=Thresholds(memory_warning_ratio=0.5)), (web, standards))()
    assert standards.thresholds() == Thresholds()
    assert caplog.messages == ["the configuration is not applied"]


def test_what_cannot_be_read_changes_nothing_and_every_problem_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Config:
        raise ConfigError((Problem("config.toml", 1, "a"), Problem("config.toml", 2, "b")))

    Reload(AT_START, broken, (Standards(AT_START),))()
    assert [record.__dict__["reason"] for record in caplog.records] == ["config.toml:1: a", "config.toml:2: b"]


def test_settings_that_need_a_restart_are_named_and_no_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bulkhead")
    changed = replace(
        AT_START,
        listen=(":1",),
        web=WebTable(hosts=("a",)),
        thresholds=Thresholds(memory_warning_ratio=0.5),
        waivers=(WAIVER,),
    )
    Reload(AT_START, lambda: changed, (Standards(AT_START),))()
    assert caplog.messages == ["configuration applied", "changed settings that need a restart"]
    assert caplog.records[1].__dict__["keys"] == "listen, web.hosts"
