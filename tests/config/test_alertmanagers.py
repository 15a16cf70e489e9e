from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import (
    Alertmanager,
    Alerts,
)
from tests.config.loaded import config_of, problems_of


@pytest.mark.parametrize(
    "text", ['alertmanagers = [{ url = "http://localhost:9093" }]', '[[alertmanagers]]\nurl = "http://localhost:9093/"']
)
def test_one_line_switches_alerts_on_and_a_table_does_too(tmp_path: Path, text: str) -> None:
    config = config_of(tmp_path, f"{text}\n[alerts]\n")
    assert config.alertmanagers == (Alertmanager("http://localhost:9093"),)
    assert config.alerts == Alerts()


def test_everything_about_alertmanagers_can_be_set(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        """
        [alerts]
        instance = "host1:9946"
        job = "walls"
        external_labels = { site = "east", bulkhead_runbooks = "https://runbooks.example" }
        resend_seconds = 30
        [[alertmanagers]]
        url = "https://[::1]:9093/prefix"
        ca_file = "/ca"
        cert_file = "/cert"
        key_file = "/key"
        username = "agent"
        password_file = "/password"
        timeout_seconds = 2.5
        [[alertmanagers]]
        url = "https://two"
        insecure_skip_verify = true
        bearer_token_file = "/token"
        """,
    )
    assert config.alerts == Alerts(
        "host1:9946", "walls", (("bulkhead_runbooks", "https://runbooks.example"), ("site", "east")), 30
    )
    assert config.alertmanagers == (
        Alertmanager(
            "https://[::1]:9093/prefix",
            ca_file=Path("/ca"),
            cert_file=Path("/cert"),
            key_file=Path("/key"),
            username="agent",
            password_file=Path("/password"),
            timeout_seconds=2.5,
        ),
        Alertmanager("https://two", insecure_skip_verify=True, bearer_token_file=Path("/token")),
    )


_URL = 'url = "https://one"'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "alertmanagers: an Alertmanager needs a url"),
        ('url = "one:9093"', 2, 'alertmanagers.url: found "one:9093"; allowed: http://HOST:PORT or'),
        ('url = "http://one:99999"', 2, "allowed: http://HOST:PORT or"),
        (_URL + '\npasword_file = "/p"', 3, "unknown key alertmanagers.pasword_file: did you mean password_file?"),
        (_URL + '\npassword_file = "/p"', 3, "alertmanagers.password_file: needs username as well"),
        (_URL + '\nusername = "a"', 3, "alertmanagers.username: needs password_file as well"),
        (_URL + '\nusername = "a:b"\npassword_file = "/p"', 3, "without a colon"),
        (_URL + '\nkey_file = "/k"', 3, "alertmanagers.key_file: needs cert_file as well"),
        (_URL + '\nca_file = "ca.pem"', 3, "allowed: an absolute path"),
        (_URL + "\ntimeout_seconds = 0", 3, "allowed: a number of seconds from 0.1 to 60"),
        (_URL + "\ninsecure_skip_verify = 1", 3, "allowed: true or false"),
        (_URL + '\ninsecure_skip_verify = true\nca_file = "/ca"', 3, "makes ca_file useless"),
        (_URL + '\nusername="a"\npassword_file="/p"\nbearer_token_file="/t"', 5, "choose between it and password_file"),
        ('url = "http://one"\nca_file = "/ca"', 3, "alertmanagers.ca_file: is of https:// alone"),
        (_URL + "\n[[alertmanagers]]\n" + 'url = "https://one/"', 4, 'alertmanagers.url: "https://one" is there twice'),
    ],
)
def test_what_is_wrong_with_an_alertmanager_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    ((told_line, told),) = problems_of(tmp_path, f"[[alertmanagers]]\n{text}\n")
    assert (told_line, words in told) == (line, True), told


def test_a_password_in_an_address_is_told_and_not_shown(tmp_path: Path) -> None:
    ((line, told),) = problems_of(tmp_path, '[[alertmanagers]]\nurl = "http://me:secret@one"\n')
    assert line == 2
    assert "password_file" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('external_labels = { "a-b" = "c" }', 'alerts.external_labels: found "a-b" as a name; allowed: label names'),
        ('external_labels = { container = "c" }', 'found "container" as a name'),
        ("external_labels = { a = 1 }", "found 1 as a"),
        ('external_labels = "a"', 'found "a"; allowed: label names'),
        ('job = ""', "alerts.job: found"),
        ("instance = 1", "alerts.instance: found 1"),
        ("resend_seconds = 0", "allowed: a number of seconds from 1 to 3600"),
    ],
)
def test_what_is_wrong_with_the_labels_of_alerts_is_told(tmp_path: Path, text: str, words: str) -> None:
    ((line, told),) = problems_of(tmp_path, f"[alerts]\n{text}\n")
    assert (line, words in told) == (2, True), told


def test_alertmanagers_are_tables(tmp_path: Path) -> None:
    ((line, told),) = problems_of(tmp_path, 'alertmanagers = ["http://localhost:9093"]')
    assert (line, told) == (1, "alertmanagers: found an array of 1; allowed: tables, each [[alertmanagers]]")


@pytest.mark.parametrize(
    ("url", "is_in_clear"),
    [
        ("http://alertmanager.example:9093", True),
        ("http://localhost.example", True),
        ("http://127.0.0.1.example/a", True),
        ("http://[2001:db8::1]:9093", True),
        ("https://alertmanager.example", False),
        ("http://localhost:9093", False),
        ("http://127.0.0.1", False),
        ("http://[::1]/prefix", False),
    ],
)
def test_a_secret_without_tls_is_known_unless_it_stays_on_this_host(url: str, is_in_clear: bool) -> None:  # noqa: FBT001 - a table
    assert Alertmanager(url, bearer_token_file=Path("/token")).sends_secret_in_clear is is_in_clear
    assert Alertmanager(url, username="a", password_file=Path("/password")).sends_secret_in_clear is is_in_clear
    assert not Alertmanager(url).sends_secret_in_clear
