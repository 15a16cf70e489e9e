"""The web side while the agent runs: what a reload applies, and when the pages are open to everybody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from exporter.app.example import build_example_agent
from exporter.app.reload import Reload, Standards
from exporter.app.web import Web, web_settings
from exporter.config import Config
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
def web(config: Config, listen: str = "127.0.0.1:0") -> Iterator[Web]:
    listeners = opened([listen])
    try:
        yield Web(config, Gate(web_settings(config)), listeners)
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
    agent = build_example_agent(config, Standards(config), lambda: next(said))
    assert [agent.report().is_web_exposed for _ in range(2)] == [True, False]
    assert build_example_agent(config, Standards(config)).report().is_web_exposed is None


def test_a_reload_holds_for_the_next_request_and_closes_nothing(config: Config) -> None:
    assert config.web.config_file is not None
    gate = Gate(web_settings(config))
    reload_web = Reload(config, lambda: config, (Web(config, gate, ()),))
    with running(gate=gate) as server, contextlib.closing(HTTPConnection(*server.addresses[0], timeout=10)) as client:
        found = []
        for text, reload in (("", False), (USER, False), (USER, True), ("", True)):
            config.web.config_file.write_text(text)
            if reload:
                reload_web()
            client.request("GET", "/metrics")
            first = client.sock
            answer = client.getresponse()
            answer.read()
            found.append(answer.status)
            assert client.sock is first
    assert found == [200, 200, 401, 200]
