"""The web side while the agent runs: what a reload applies, and when the pages are open to everybody."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from exporter.app.example import build_example_agent
from exporter.app.web import Web, web_settings
from exporter.config import Config, ConfigError, Problem
from exporter.config import Web as WebTable
from exporter.config.web_settings import WebSettings
from exporter.http import Gate, opened
from tests.http.certificates import Authority
from tests.http.serving import running

USER = f"basic_auth_users:\n  somebody: $2b$04${'.' * 53}\n"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "web.yml"
    path.write_text("")
    return Config(web=WebTable(config_file=path))


@contextmanager
def web(config: Config, listen: str = "127.0.0.1:0", load: Callable[[], Config] | None = None) -> Iterator[Web]:
    listeners = opened([listen])
    try:
        yield Web(config, load or (lambda: config), Gate(web_settings(config)), listeners)
    finally:
        for listener in listeners:
            listener.close()


def test_without_a_file_everybody_is_let_in() -> None:
    assert web_settings(Config()) == WebSettings()


def test_pages_are_exposed_when_others_reach_them_without_both_tls_and_a_password(
    tmp_path: Path, config: Config
) -> None:
    assert config.web.config_file is not None
    Authority(tmp_path).issue("server")
    tls = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
    verified = tls.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}")
    for text, is_exposed in (("", True), (USER, True), (tls, True), (tls + USER, False), (verified, False)):
        config.web.config_file.write_text(text)
        with web(config, ":0") as everywhere, web(config, "127.0.0.1:0") as here:
            assert (everywhere.is_exposed(), here.is_exposed()) == (is_exposed, False), text


def test_pages_that_are_exposed_are_warned_of(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    with web(config) as here:
        here.log_exposure()
    assert caplog.messages == []
    with web(config, ":0") as everywhere:
        everywhere.log_exposure()
    assert caplog.messages[0].startswith("the pages are open to every host that reaches the port: set TLS and users")


def test_the_report_has_whether_they_are_exposed_as_it_is_then(config: Config) -> None:
    said = iter([True, False])
    agent = build_example_agent(config, lambda: next(said))
    assert [agent.report().is_web_exposed for _ in range(2)] == [True, False]
    assert build_example_agent(config).report().is_web_exposed is None


def test_a_reload_holds_for_the_next_request_and_closes_nothing(config: Config) -> None:
    assert config.web.config_file is not None
    gate = Gate(web_settings(config))
    here = Web(config, lambda: config, gate, ())
    with running(gate=gate) as server, contextlib.closing(HTTPConnection(*server.addresses[0], timeout=10)) as client:
        found = []
        for text, reload in (("", False), (USER, False), (USER, True), ("", True)):
            config.web.config_file.write_text(text)
            if reload:
                here.reload()
            client.request("GET", "/metrics")
            first = client.sock
            answer = client.getresponse()
            answer.read()
            found.append(answer.status)
            assert client.sock is first
    assert found == [200, 200, 401, 200]


def test_what_cannot_be_read_changes_nothing_and_every_problem_is_logged(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Config:
        raise ConfigError((Problem("config.toml", 1, "a"), Problem("config.toml", 2, "b")))

    with web(config, load=broken) as here:
        here.reload()
    assert [record.__dict__["reason"] for record in caplog.records] == ["config.toml:1: a", "config.toml:2: b"]


def test_settings_that_need_a_restart_are_named(config: Config, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bulkhead")
    with web(config, load=lambda: replace(config, listen=(":1",), web=WebTable(hosts=("a",)))) as here:
        here.reload()
    assert caplog.messages == ["web configuration applied", "changed settings that need a restart"]
    assert caplog.records[1].__dict__["keys"] == "listen, web.hosts"
