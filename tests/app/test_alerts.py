from __future__ import annotations

import logging
import platform
import threading
from pathlib import Path

import pytest

from exporter.app import alerts as app_alerts
from exporter.app.alerts import HostAlerts, delivery_of, origin_of
from exporter.app.reload import Standards
from exporter.config import Alertmanager, Alerts, Config
from exporter.report.findings import Verdict
from exporter.report.host import Report
from exporter.runtime.agent import Agent
from exporter.runtime.poller import Clock, Poller
from tests.notify.alertmanager import alertmanager
from tests.notify.totals import NOW, judged, totals

PATIENCE_SECONDS = 20


def test_alerts_are_of_this_host_and_its_port_unless_the_settings_say_otherwise() -> None:
    assert origin_of(Config(listen=("127.0.0.1:1234",))).instance == f"{platform.node()}:1234"
    assert origin_of(Config(alerts=Alerts(instance="host1"))).instance == "host1"


def test_a_lost_wall_is_told_by_the_reports_that_follow_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_alerts, "_BURST_SECONDS", 0.0)
    looked = threading.Semaphore(0)
    story = [
        judged(NOW, web=Verdict.PASS),
        judged(NOW + 20, web=Verdict.FAIL),
        judged(NOW + 40, web=Verdict.FAIL),
    ]

    def make_report() -> Report:
        report = story.pop(0) if len(story) > 1 else story[0]
        looked.release()
        return report

    with alertmanager() as fake:
        config = Config(state_dir=tmp_path, alertmanagers=(Alertmanager(fake.url),))
        delivery = delivery_of(config, Standards(config))
        assert delivery is not None
        assert delivery.run is not None
        alerts = HostAlerts(config, delivery.notifier, make_report)
        reading: Poller[int] = Poller("process", lambda: 1, Clock(3600, 3600), on_answer=lambda _: alerts.poke())
        agent = Agent(
            (reading,), (delivery.run, lambda stop: alerts.follow(agent, stop)), make_report=alerts.make_report
        )
        alerts.notifier.see_totals(totals(web=0))
        agent.start()
        try:
            assert looked.acquire(timeout=PATIENCE_SECONDS)
            for _ in range(2):
                assert fake.taken == []
                alerts.poke()
                assert looked.acquire(timeout=PATIENCE_SECONDS)
            assert fake.came.acquire(timeout=PATIENCE_SECONDS)
            assert fake.taken[0]["labels"]["alertname"] == "BulkheadCriticalCheckFailing"
            notifications = agent.report().notifications
            assert [one.alertmanager for one in notifications.deliveries] == [fake.url] * 3
        finally:
            agent.stop()


def test_no_report_counts_before_every_source_has_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_alerts, "_BURST_SECONDS", 0.0)
    silent: Poller[int] = Poller("process", lambda: 1, Clock(3600, 3600))  # is never started
    asked: list[int] = []

    def make_report() -> Report:
        asked.append(1)
        return judged(NOW)

    config = Config(state_dir=tmp_path, alertmanagers=(Alertmanager("http://localhost:1"),))
    delivery = delivery_of(config, Standards(config))
    assert delivery is not None
    alerts = HostAlerts(config, delivery.notifier, make_report)
    agent = Agent((silent,), (), alerts.make_report)
    stop, polled = threading.Event(), threading.Event()

    def not_ready() -> bool:
        polled.set()
        return False

    monkeypatch.setattr(agent, "ready", not_ready)
    thread = threading.Thread(target=alerts.follow, args=(agent, stop), daemon=True)
    thread.start()
    alerts.poke()
    assert polled.wait(PATIENCE_SECONDS)
    stop.set()
    alerts.poke()
    thread.join(PATIENCE_SECONDS)
    assert asked == []


def test_a_secret_that_goes_without_tls_is_warned_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clear, safe = (
        Alertmanager(f"{scheme}://a.example", bearer_token_file=Path("/token")) for scheme in ("http", "https")
    )
    config = Config(state_dir=tmp_path, alertmanagers=(clear, safe))
    with caplog.at_level(logging.WARNING, "bulkhead"):
        delivery_of(config, Standards(config))
    (record,) = caplog.records
    assert "without TLS" in record.getMessage()
    assert vars(record)["alertmanager"] == "http://a.example"
