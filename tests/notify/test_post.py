from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from exporter.config import Alertmanager
from exporter.notify.delivery import trial
from exporter.notify.post import Answer, Result, post
from tests.notify.alertmanager import Behaviour, accepts, alertmanager, answers, closes, wedged
from tests.notify.totals import NOW, ORIGIN

FIRING, ENDED = trial(ORIGIN, NOW)
QUICKLY_SECONDS = 0.3
PATIENCE_SECONDS = 30


def sent_to(behaviour: Behaviour) -> Answer:
    with alertmanager(behaviour) as fake:
        # Whoever answers has all the time that a busy machine needs: only one of them is to be late.
        timeout_seconds = QUICKLY_SECONDS if behaviour is wedged else PATIENCE_SECONDS
        return post(Alertmanager(fake.url, timeout_seconds=timeout_seconds), (FIRING,))


def test_an_alert_is_posted_as_the_second_version_of_the_api_wants_it() -> None:
    with alertmanager() as fake:
        assert post(Alertmanager(f"{fake.url}/prefix"), (FIRING, ENDED)).result is Result.ACCEPTED
        (request,) = fake.requests
        assert request[0] == "/prefix/api/v2/alerts"
        assert request[1]["Content-Type"] == "application/json"
        assert "Authorization" not in request[1]
    firing, ended = fake.taken
    assert firing == {
        "labels": {"alertname": "BulkheadTest", "severity": "none", "instance": "host1", "job": "bulkhead"},
        "annotations": dict(FIRING.annotations),
        "startsAt": "2027-01-15T08:00:00.000Z",
        "endsAt": "2027-01-15T08:01:00.000Z",
    }
    assert ended["endsAt"] == "2027-01-15T08:00:00.001Z"


PLAIN = "HTTP 400 Bad Request: Client sent an HTTP request to an HTTPS server."


@pytest.mark.parametrize(
    ("behaviour", "result", "reason"),
    [
        (accepts, Result.ACCEPTED, "accepted"),
        (answers(400, '"invalid\x1b[31m label"'), Result.REJECTED, 'HTTP 400 Bad Request: "invalid?[31m label"'),
        (
            answers(400, '{"code":601,"message":"x"}'),
            Result.REJECTED,
            'HTTP 400 Bad Request: {"code":601,"message":"x"}',
        ),
        # As a server with TLS says to who asks without, and many a proxy about something that is not the alert.
        (answers(400, "Client sent an HTTP request to an HTTPS server.\n"), Result.FAILED, PLAIN),
        (answers(400), Result.FAILED, "HTTP 400 Bad Request"),
        (answers(500, "x" * 10_000), Result.FAILED, "HTTP 500 Internal Server Error: " + "x" * 300),
        (answers(302), Result.FAILED, "HTTP 302 Found"),
        (answers(401), Result.FAILED, "HTTP 401 Unauthorized"),
        (wedged, Result.FAILED, "no answer within 0.3 s"),
        (closes, Result.FAILED, "Remote end closed connection without response"),
    ],
    ids=["accepts", "400", "400 object", "400 plain", "400 empty", "500", "302", "401", "wedged", "closes"],
)
def test_what_comes_back_is_told(behaviour: Behaviour, result: Result, reason: str) -> None:
    answer = sent_to(behaviour)
    assert (answer.result, answer.reason) == (result, reason)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        answer = post(Alertmanager(f"http://127.0.0.1:{free.getsockname()[1]}"), (FIRING,))
    assert (answer.result, answer.reason) == (Result.FAILED, "Connection refused")


def test_secrets_are_read_for_each_request_and_told_to_nobody_else(tmp_path: Path) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    token.write_text("geheim\n")
    password.write_text("pässword\n")
    with alertmanager() as fake:
        assert post(Alertmanager(fake.url, bearer_token_file=token), (FIRING,)).result is Result.ACCEPTED
        basic = Alertmanager(fake.url, username="agent", password_file=password)
        assert post(basic, (FIRING,)).result is Result.ACCEPTED
        token.write_text("two\nlines")
        answer = post(Alertmanager(fake.url, bearer_token_file=token), (FIRING,))
        gone = post(Alertmanager(fake.url, bearer_token_file=tmp_path / "none"), (FIRING,))
    headers = [request[1]["Authorization"] for request in fake.requests]
    assert headers == ["Bearer geheim", "Basic YWdlbnQ6cMOkc3N3b3Jk"]
    assert (answer.result, answer.reason) == (Result.FAILED, f"{token} is empty, or more than one line")
    assert gone.reason == f"{tmp_path / 'none'} cannot be read: No such file or directory"


def test_what_the_environment_has_for_other_programs_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with alertmanager() as fake:
        assert post(Alertmanager(fake.url), (FIRING,)).result is Result.ACCEPTED
    assert "Authorization" not in fake.requests[0][1]


def test_an_authority_that_is_not_there_is_a_failure_that_names_it(tmp_path: Path) -> None:
    answer = post(Alertmanager("https://127.0.0.1:1", ca_file=tmp_path / "none.pem"), (FIRING,))
    assert answer.result is Result.FAILED
    assert "none.pem" in answer.reason


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: no certificate can be made")
def test_certificates_are_checked_both_ways_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    request += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *request], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with alertmanager(tls=context) as fake:
        known = Alertmanager(fake.url, ca_file=certificate, cert_file=certificate, key_file=key)
        trusting = Alertmanager(fake.url, insecure_skip_verify=True, cert_file=certificate, key_file=key)
        assert post(known, (FIRING,)).result is Result.ACCEPTED
        assert post(trusting, (FIRING,)).result is Result.ACCEPTED
        stranger = post(Alertmanager(fake.url, cert_file=certificate, key_file=key), (FIRING,))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as if it were one of the system's
        by_the_system = post(Alertmanager(fake.url, cert_file=certificate, key_file=key), (FIRING,))
        assert by_the_system.result is Result.ACCEPTED, by_the_system.reason
        nobody = post(Alertmanager(fake.url, ca_file=certificate), (FIRING,))
    assert (stranger.result, nobody.result) == (Result.FAILED, Result.FAILED)
    assert "certificate verify failed" in stranger.reason
    assert len(fake.taken) == 3
