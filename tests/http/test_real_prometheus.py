"""A real Prometheus scrapes over TLS, with a password and with a client certificate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from exporter.config.web_settings import TlsSettings, WebSettings
from exporter.http import Gate
from tests.http.certificates import Authority
from tests.http.serving import running
from tests.http.test_users import USERS
from tests.real_programs import asked, eventually, free_port, program

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no prometheus here")


def targets(address: str) -> dict[str, str]:
    """The health of each job's target."""
    found = asked(f"http://{address}/api/v1/targets")["data"]["activeTargets"]
    return {target["labels"]["job"]: target["health"] for target in found}


def test_prometheus_scrapes_over_tls_with_a_password_and_a_certificate_and_not_without(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    client_certificate, client_key = authority.issue("prometheus", "DNS:prometheus.example")
    tls = TlsSettings(certificate, key, "RequireAndVerifyClientCert", authority.certificate, ("prometheus.example",))
    trust = {"ca_file": str(authority.certificate)}
    own = {"cert_file": str(client_certificate), "key_file": str(client_key)}
    with running(gate=Gate(WebSettings(tls, USERS))) as server:
        host, port = server.addresses[0]
        common = {
            "scheme": "https",
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [{"targets": [f"{host}:{port}"]}],
        }
        password = {"username": "prometheus", "password": "secret"}
        jobs = {
            "both": {"basic_auth": password, "tls_config": trust | own},
            "no-password": {"tls_config": trust | own},
            "wrong-password": {"basic_auth": password | {"password": "wrong"}, "tls_config": trust | own},
            "no-certificate": {"basic_auth": password, "tls_config": trust},
        }
        scrape_configs = [{"job_name": name} | common | settings for name, settings in jobs.items()]
        (tmp_path / "prometheus.json").write_text(json.dumps({"scrape_configs": scrape_configs}))
        address = f"127.0.0.1:{free_port()}"
        options = ("--config.file=prometheus.json", "--storage.tsdb.path=data", f"--web.listen-address={address}")
        expected = {name: "up" if name == "both" else "down" for name in jobs}
        with program(tmp_path, "prometheus", *options):
            assert eventually(lambda: targets(address) == expected), targets(address)
