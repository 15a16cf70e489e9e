"""A real Alertmanager with the sample configuration: who is told of what, and what is muted by what.

As shipped, but for the times (seconds instead of minutes) and the addresses of the receivers, which are of this test.
"""

from __future__ import annotations

import email
import email.policy
import inspect
import json
import re
import shutil
import socketserver
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from exporter.notify import alert
from exporter.notify.alert import Origin
from tests.alerts.test_alertmanager import ALERTS, CONFIG, uncommented
from tests.real_programs import alertmanager, asked, eventually

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None, reason="NOT SHOWN: prometheus-alertmanager not installed"
)

HOST = {"instance": "host1", "job": "bulkhead"}
WEB = HOST | {"container": "web"}
# Each mutes the one after it.
MUTES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "critical its warning": (
        {"alertname": "BulkheadMemoryNearLimit", "severity": "critical", **WEB},
        {"alertname": "BulkheadMemoryNearLimit", "severity": "warning", **WEB},
    ),
    "ids that are gone that they go": (
        {"alertname": "BulkheadIdsRunningOut", "severity": "critical", "condition": "exhausted", "kind": "uid", **HOST},
        {"alertname": "BulkheadIdsRunningOut", "severity": "warning", "condition": "filling", "kind": "uid", **HOST},
    ),
    "a dead agent the rest of its host": (
        {"alertname": "BulkheadAgentDown", "severity": "critical", "condition": "unreachable", **HOST},
        {"alertname": "BulkheadOomKillUnattributed", "severity": "critical", **HOST},
    ),
    "a loop that the container is missing": (
        {"alertname": "BulkheadRestartLoop", "severity": "critical", "condition": "looping", **WEB},
        {"alertname": "BulkheadContainerMissing", "severity": "warning", "state": "missing", **WEB},
    ),
    "a full quota that it fills": (
        {"alertname": "BulkheadQuotaNearlyFull", "severity": "critical", "dataset": "tank/web", **WEB},
        {"alertname": "BulkheadQuotaFilling", "severity": "critical", "dataset": "tank/web", **WEB},
    ),
    "a limit not in force that it disagrees": (
        {"alertname": "BulkheadLimitNotApplied", "severity": "critical", "resource": "pids", **WEB},
        {"alertname": "BulkheadLimitMismatch", "severity": "warning", "resource": "pids", **WEB},
    ),
    "a failing check its drift": (
        {"alertname": "BulkheadCheckFailing", "severity": "warning", "check": "own_slice", **WEB},
        {"alertname": "BulkheadHardeningDrift", "severity": "warning", "check": "own_slice", **WEB},
    ),
    "a label its check": (
        {"alertname": "BulkheadVolumeMislabelled", "severity": "warning", "kind": "foreign", **WEB},
        {"alertname": "BulkheadCheckFailing", "severity": "warning", "check": "volumes_labelled_private", **WEB},
    ),
    "a pool its check": (
        {"alertname": "BulkheadPoolUnhealthy", "severity": "critical", "pool": "tank", **HOST},
        {"alertname": "BulkheadHostCheckFailing", "severity": "critical", "check": "zfs_pool_healthy", **HOST},
    ),
    "a check of ids their overlap": (
        {
            "alertname": "BulkheadCriticalCheckFailing",
            "severity": "critical",
            "check": "user_namespace_disjoint",
            **WEB,
        },
        {"alertname": "BulkheadIdsOverlap", "severity": "critical", "kind": "uid", **HOST},
    ),
    "a ticket on ids the one on their overlap": (
        {"alertname": "BulkheadCheckFailing", "severity": "warning", "check": "user_namespace_disjoint", **WEB},
        {"alertname": "BulkheadIdsOverlap", "severity": "warning", "kind": "uid", **HOST},
    ),
    "a quick loop the slow one": (
        {"alertname": "BulkheadRestartLoop", "severity": "critical", "condition": "looping", **WEB},
        {"alertname": "BulkheadRestartLoop", "severity": "warning", "condition": "slow", **WEB},
    ),
}
# What the agent sends itself, of this very host: a dead agent sends nothing, so these are news whatever scrapes say.
OWN = HOST | {"container": "own"}
SENT_BY_THE_AGENT = [
    {"alertname": "BulkheadOomKill", "severity": "critical", **OWN},
    {"alertname": "BulkheadRestartLoop", "severity": "critical", "condition": "looping", **OWN},
    {"alertname": "BulkheadRestartLoop", "severity": "critical", "condition": "gave_up", "state": "failed", **OWN},
    {"alertname": "BulkheadCriticalCheckFailing", "severity": "critical", "check": "not_privileged", **OWN},
    {"alertname": "BulkheadLimitNotApplied", "severity": "critical", "resource": "pids", **OWN},
]
# What nobody may mute: the same trouble elsewhere, what the agent sends itself, and the watchdog.
WATCHDOG = {"alertname": "BulkheadWatchdog", "severity": "none"}
LOUD = [
    WATCHDOG,
    {"alertname": "BulkheadWatchdog", "severity": "none", **HOST},
    {"alertname": "BulkheadOomKill", "severity": "critical", **WEB, "instance": "host2"},
    {"alertname": "BulkheadMemoryNearLimit", "severity": "warning", **HOST, "instance": "host3", "container": "db"},
    *SENT_BY_THE_AGENT,
]


@dataclass
class Heard:
    """What the receivers were told."""

    notifications: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    def alerts(self, path: str) -> list[dict[str, str]]:
        return [one["labels"] for to, body in self.notifications if to == path for one in body["alerts"]]


@contextmanager
def pager(heard: Heard) -> Iterator[int]:
    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.notifications.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Webhook)) as port:
        yield port


@contextmanager
def post_office(heard: Heard) -> Iterator[int]:
    class Smtp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                match line[:4].upper():
                    case b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        letter = iter(self.rfile.readline, b".\r\n")
                        heard.mails.append(b"".join(letter).decode())
                        self.wfile.write(b"250 taken\r\n")
                    case b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    case _:
                        self.wfile.write(b"250 fine\r\n")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)) as port:
        yield port


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def adapted(config: str, webhook_port: int) -> str:
    quick = re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", config)
    return quick.replace("http://localhost:9095", f"http://127.0.0.1:{webhook_port}")


def tell(url: str, *alerts: dict[str, str], over: bool = False) -> None:
    now = time.time()
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    body = [
        {
            "labels": labels,
            "annotations": {"summary": f"summary of {labels['alertname']}", "runbook_url": "https://runbooks.example"},
            "startsAt": time.strftime(stamp, time.gmtime(now - 60)),
            "endsAt": time.strftime(stamp, time.gmtime(now - 1 if over else now + 300)),
        }
        for labels in alerts
    ]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v2/alerts", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200


def muted(url: str) -> list[str]:
    return [one["labels"]["alertname"] for one in asked(f"{url}/api/v2/alerts?active=false&inhibited=true")]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Heard]]:
    directory = tmp_path_factory.mktemp("alertmanager")
    heard = Heard()
    shutil.copy(ALERTS / "bulkhead.tmpl", directory)
    with pager(heard) as port:
        (directory / "alertmanager.yml").write_text(adapted(CONFIG, port))
        with alertmanager(directory, "alertmanager.yml") as url:
            yield url, heard


@pytest.mark.parametrize("case", MUTES)
def test_an_alert_that_says_more_mutes_the_other_while_it_fires(shipped: tuple[str, Heard], case: str) -> None:
    url, _ = shipped
    source, target = MUTES[case]
    try:
        tell(url, source, target, *LOUD)
        assert eventually(lambda: muted(url) == [target["alertname"]])
    finally:
        tell(url, source, over=True)
    assert eventually(lambda: muted(url) == [])
    tell(url, target, over=True)


def test_what_the_agent_sends_itself_is_known_in_full() -> None:
    origin = Origin("host1", "bulkhead")
    sent = (
        alert.oom_kill(origin, "own", 1, 0.0),
        alert.looping(origin, "own", 5, 0.0),
        alert.gave_up(origin, "own", 0.0),
        alert.wall_lost(origin, "own", "not_privileged", "", 0.0),
        alert.limit_not_applied(origin, "own", "pids", 0.0),
    )
    names = {one.labels["alertname"] for one in sent}
    assert names == {labels["alertname"] for labels in SENT_BY_THE_AGENT}
    assert len(sent) == len([name for name, _ in inspect.getmembers(alert, inspect.isfunction) if _makes_alerts(name)])


def _makes_alerts(name: str) -> bool:
    return get_type_hints(getattr(alert, name)).get("return") is alert.Alert and not name.startswith("_")


def test_each_severity_reaches_its_receiver_and_a_muted_alert_none(shipped: tuple[str, Heard]) -> None:
    url, heard = shipped
    host = {"instance": "host9", "job": "bulkhead"}
    loop = {"alertname": "BulkheadRestartLoop", "severity": "critical", "container": "web", **host}
    missing = {"alertname": "BulkheadContainerMissing", "severity": "warning", "container": "web", **host}
    kill = {"alertname": "BulkheadOomKill", "severity": "critical", "container": "web", **host}
    also = {"alertname": "BulkheadOomKill", "severity": "critical", "container": "db", **host}
    near = {"alertname": "BulkheadMemoryNearLimit", "severity": "warning", "container": "db", **host}
    large = {"alertname": "BulkheadMemoryLimitTooLarge", "severity": "info", "container": "web", **host}
    tell(url, loop)
    assert eventually(lambda: loop in heard.alerts("/wake"))
    # Only now: an alert that is old is told at once, maybe before Alertmanager has seen what mutes it.
    tell(url, missing, near, kill, also, large, WATCHDOG)
    assert eventually(lambda: near in heard.alerts("/tell"))
    assert eventually(lambda: kill in heard.alerts("/wake") and also in heard.alerts("/wake"))
    assert eventually(lambda: large in heard.alerts("/advise"))
    assert eventually(lambda: WATCHDOG in heard.alerts("/watchdog"))
    assert missing not in heard.alerts("/tell")
    # Kills are told each by itself, so that none waits for the group of another one.
    told = [[one["labels"] for one in body["alerts"]] for path, body in heard.notifications if path == "/wake"]
    assert not any(kill in labels and also in labels for labels in told)
    tell(url, loop, over=True)
    assert eventually(
        lambda: any(
            one["labels"] == loop and one["status"] == "resolved"
            for path, body in heard.notifications
            if path == "/wake"
            for one in body["alerts"]
        )
    )


def test_a_mail_has_the_templates_subject_and_both_bodies(tmp_path: Path) -> None:
    heard = Heard()
    shutil.copy(ALERTS / "bulkhead.tmpl", tmp_path)
    with pager(heard) as webhook_port, post_office(heard) as smtp_port:
        config = re.sub(r" +auth_\w+: .+\n", "", adapted(uncommented("email_configs"), webhook_port))
        config = config.replace("mail.example.org:587", f"127.0.0.1:{smtp_port}\n        require_tls: false")
        (tmp_path / "alertmanager.yml").write_text(config)
        with alertmanager(tmp_path, "alertmanager.yml") as url:
            tell(url, {"alertname": "BulkheadMemoryNearLimit", "severity": "warning", **WEB, "container": "<b>"})
            assert eventually(lambda: bool(heard.mails))
    mail = email.message_from_string(heard.mails[0], policy=email.policy.default)
    assert mail["Subject"] == "summary of BulkheadMemoryNearLimit"
    assert mail["To"] == "operations@example.org"
    bodies = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    assert "summary of BulkheadMemoryNearLimit (warning)" in bodies["text/plain"]
    assert '<a href="https://runbooks.example">runbook</a>' in bodies["text/html"]
