"""TLS over real sockets, with certificates that openssl has made."""

from __future__ import annotations

import contextlib
import http.client
import logging
import shutil
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.web_settings import TlsSettings, WebSettings
from exporter.http import Gate, Patience, Server, TlsError
from exporter.report.host import Report
from tests.http.certificates import Authority, openssl, trusting
from tests.http.serving import running
from tests.present.reports import rich_report

Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    return authority.issue("server")


def gate(own: Pair, **settings: object) -> Gate:
    return Gate(WebSettings(TlsSettings(*own, **settings)))  # type: ignore[arg-type] # by name, as each test needs


def status(server: Server, context: ssl.SSLContext, path: str = "/metrics") -> int:
    client = http.client.HTTPSConnection(*server.addresses[0], timeout=10, context=context)
    with contextlib.closing(client):
        client.request("GET", path)
        answer = client.getresponse()
        assert len(answer.read()) == int(answer.headers["Content-Length"])
        return answer.status


def is_refused(server: Server, context: ssl.SSLContext) -> bool:
    """A refusal comes in the handshake, or in TLS 1.3 with the first answer."""
    try:
        status(server, context)
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return True
    return False


def shown_certificate(server: Server) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(server.addresses[0], timeout=10) as connection,
        context.wrap_socket(connection) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def test_a_page_comes_over_tls_1_2_at_least(authority: Authority, own: Pair) -> None:
    with running(gate=gate(own)) as server:
        assert server.scheme == "https"
        assert status(server, trusting(authority)) == 200
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(authority)
            context.minimum_version = context.maximum_version = version
            assert status(server, context) == 200


def test_the_bounds_on_versions_hold(authority: Authority, own: Pair) -> None:
    old, new = trusting(authority), trusting(authority)
    old.maximum_version, new.minimum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with running(gate=gate(own, min_version="TLS13")) as server:
        assert (is_refused(server, old), is_refused(server, new)) == (True, False)
    with running(gate=gate(own, max_version="TLS12")) as server:
        assert (is_refused(server, old), is_refused(server, new)) == (False, True)


def test_only_the_chosen_ciphers_and_curve_are_spoken(authority: Authority, own: Pair) -> None:
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    chosen = gate(own, cipher_suites=("ECDHE-ECDSA-AES256-GCM-SHA384",), curve="secp384r1")
    with running(gate=chosen) as server:
        assert status(server, context) == 200
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        assert is_refused(server, context)
        other = trusting(authority)
        other.set_ecdh_curve("prime256v1")
        assert is_refused(server, other)


def test_a_client_certificate_is_required_and_verified(authority: Authority, own: Pair, tmp_path: Path) -> None:
    asks = gate(own, client_auth_type="RequireAndVerifyClientCert", client_ca_file=authority.certificate)
    with running(gate=asks) as server:
        assert status(server, trusting(authority, authority.issue("client"))) == 200
        assert is_refused(server, trusting(authority))
        assert is_refused(server, trusting(authority, authority.issue("expired", is_expired=True)))
        assert is_refused(server, trusting(authority, Authority(tmp_path, "other").issue("client")))
        assert asks.access.is_guarded


def test_a_client_certificate_that_is_given_is_verified(authority: Authority, own: Pair, tmp_path: Path) -> None:
    asks = gate(own, client_auth_type="VerifyClientCertIfGiven", client_ca_file=authority.certificate)
    with running(gate=asks) as server:
        assert status(server, trusting(authority)) == 200
        assert status(server, trusting(authority, authority.issue("client"))) == 200
        assert is_refused(server, trusting(authority, Authority(tmp_path, "other").issue("client")))
        assert not asks.access.is_guarded, "who gives none comes in"


def test_a_client_of_an_authority_that_was_taken_out_gets_no_page_on_its_old_connection(
    authority: Authority, own: Pair, tmp_path: Path
) -> None:
    authorities = tmp_path / "authorities.crt"
    shutil.copy(authority.certificate, authorities)
    asks = gate(own, client_auth_type="RequireAndVerifyClientCert", client_ca_file=authorities)
    with running(gate=asks) as server:
        context = trusting(authority, authority.issue("client"))
        client = http.client.HTTPSConnection(*server.addresses[0], timeout=10, context=context)
        with contextlib.closing(client):
            for _ in range(2):
                client.request("GET", "/metrics")
                assert client.getresponse().read()
            shutil.copy(Authority(tmp_path, "other").certificate, tmp_path / "new")
            (tmp_path / "new").replace(authorities)
            client.request("GET", "/metrics")
            with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
                client.getresponse()
        assert is_refused(server, context)


def test_a_connection_made_under_other_settings_gets_no_page_and_a_new_one_does(
    authority: Authority, own: Pair
) -> None:
    plain = WebSettings()
    with_tls = WebSettings(TlsSettings(*own))
    verified = WebSettings(
        TlsSettings(*own, client_auth_type="RequireAndVerifyClientCert", client_ca_file=authority.certificate)
    )
    named = WebSettings(replace(verified.tls, client_allowed_sans=("nobody.example",)) if verified.tls else None)
    context = trusting(authority, authority.issue("client"))
    for before, after in ((plain, with_tls), (plain, verified), (with_tls, verified), (verified, named)):
        asks = Gate(before)
        with running(gate=asks) as server:
            address = server.addresses[0]
            client = (
                http.client.HTTPSConnection(*address, timeout=10, context=context)
                if before.tls
                else http.client.HTTPConnection(*address, timeout=10)
            )
            with contextlib.closing(client):
                for settings, is_served in ((before, True), (replace(before), True), (after, False)):
                    asks.apply(settings)
                    client.request("GET", "/metrics")
                    if is_served:
                        assert client.getresponse().read()
                    else:
                        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
                            client.getresponse()
            assert is_refused(server, context) is (after is named)


@pytest.mark.parametrize(
    ("sans", "is_let_in"),
    [
        ("DNS:prometheus.example", True),
        ("DNS:x.example,IP:2001:db8::1", True),
        ("email:ops@example.org", True),
        ("URI:spiffe://example/prometheus", True),
        ("DNS:x.prometheus.example", False),
        ("IP:192.0.2.1", False),
    ],
)
def test_a_client_certificate_needs_one_of_the_allowed_names(
    authority: Authority, own: Pair, sans: str, *, is_let_in: bool
) -> None:
    names = ("prometheus.example", "2001:db8::1", "ops@example.org", "spiffe://example/prometheus")
    asks = gate(
        own,
        client_auth_type="RequireAndVerifyClientCert",
        client_ca_file=authority.certificate,
        client_allowed_sans=names,
    )
    with running(gate=asks) as server:
        assert is_refused(server, trusting(authority, authority.issue("named", sans))) is not is_let_in


def test_a_certificate_that_has_changed_is_shown_to_the_next_connection(
    authority: Authority, own: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bulkhead")
    files = (tmp_path / "server.crt", tmp_path / "server.key")

    def put(pair: Pair) -> None:
        for source, target in zip(pair, files, strict=True):
            shutil.copy(source, tmp_path / "new")
            (tmp_path / "new").replace(target)

    put(own)
    with running(gate=gate(files)) as server:
        before = shown_certificate(server)
        assert caplog.messages == []
        renewed = authority.issue("renewed")
        files[0].write_bytes(renewed[0].read_bytes())  # its key has not come yet
        assert shown_certificate(server) == before
        assert shown_certificate(server) == before
        (record,) = caplog.records
        assert record.levelno == logging.ERROR
        assert "key values mismatch; the key has to be that of the first" in record.__dict__["reason"]
        put(renewed)
        assert shown_certificate(server) != before
        assert status(server, trusting(authority)) == 200
        files[1].unlink()
        assert status(server, trusting(authority)) == 200
        assert "key_file" in caplog.records[-1].__dict__["reason"]
        assert len(caplog.records) == 3


def test_files_that_do_not_load_are_one_sentence_at_the_start(authority: Authority, own: Pair, tmp_path: Path) -> None:
    certificate, key = own
    encrypted, garbage, none = tmp_path / "encrypted.key", tmp_path / "garbage.pem", tmp_path / "none.pem"
    openssl("ec", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(encrypted))
    garbage.write_text("garbage")
    for pair, words in (
        ((none, key), f"cert_file {none} cannot be read: No such file or directory"),
        ((certificate, none), f"key_file {none} cannot be read: No such file or directory"),
        ((certificate, encrypted), "the key of key_file is encrypted"),
        ((garbage, key), "do not load: "),
        ((certificate, garbage), "do not load: "),
        ((certificate, authority.issue("other")[1]), "the key has to be that of the first certificate"),
    ):
        with pytest.raises(TlsError) as caught:
            gate(pair)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(TlsError, match=r"client_ca_file .*garbage\.pem does not load: "):
        gate(own, client_auth_type="VerifyClientCertIfGiven", client_ca_file=garbage)


def test_clients_that_never_finish_their_handshake_give_way(authority: Authority, own: Pair) -> None:
    with running(gate=gate(own), patience=Patience(connections=3)) as server:
        held = [socket.create_connection(server.addresses[0], timeout=10) for _ in range(20)]
        for connection in held[10:]:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")  # the beginning of a hello
        for _ in range(3):
            assert status(server, trusting(authority)) == 200
        assert held[0].recv(1) == b""
        for connection in held:
            connection.close()


def test_a_handshake_has_a_deadline(own: Pair) -> None:
    with (
        running(gate=gate(own), patience=Patience(timeout_seconds=0.3)) as server,
        socket.create_connection(server.addresses[0], timeout=10) as silent,
    ):
        started = time.monotonic()
        assert silent.recv(1) == b""
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "said", [b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80" * 99]
)
def test_what_is_no_tls_gets_no_page_and_costs_others_nothing(authority: Authority, own: Pair, said: bytes) -> None:
    with running(gate=gate(own)) as server:
        with socket.create_connection(server.addresses[0], timeout=10) as connection:
            connection.sendall(said)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := connection.recv(65536):
                    answer += piece
        assert b"HTTP" not in answer
        assert status(server, trusting(authority)) == 200


def test_a_client_that_reads_slowly_has_one_deadline_for_all_records(authority: Authority, own: Pair) -> None:
    tls = gate(own).access.tls
    assert tls is not None
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        each.settimeout(10)
    is_over = threading.Event()

    def read_slowly() -> None:
        with (
            trusting(authority).wrap_socket(theirs, server_hostname="127.0.0.1") as client,
            contextlib.suppress(OSError),  # the record in which the other end has given up
        ):
            while not is_over.wait(0.05):
                client.recv(16384)

    with ThreadPoolExecutor(1) as pool, tls.wrapped(ours) as server:
        reader = pool.submit(read_slowly)
        server.do_handshake()
        server.settimeout(0.5)
        with pytest.raises(TimeoutError):
            server.sendall(b"x" * 2_000_000)
        is_over.set()
        server.close()
        reader.result(20)


def test_an_answer_in_the_making_is_sent_over_tls_while_the_server_closes(authority: Authority, own: Pair) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow_report() -> Report:
        asked.set()
        assert go_on.wait(10)
        return rich_report()

    with running(slow_report, gate=gate(own)) as server, ThreadPoolExecutor(2) as pool:
        answer = pool.submit(status, server, trusting(authority))
        assert asked.wait(10)
        closing = pool.submit(server.close)
        time.sleep(0.2)
        go_on.set()
        assert answer.result(10) == 200
        closing.result(10)


def test_the_end_of_an_answer_is_marked_as_tls_has_it(authority: Authority, own: Pair) -> None:
    with (
        running(gate=gate(own)) as server,
        socket.create_connection(server.addresses[0], timeout=10) as connection,
        trusting(authority).wrap_socket(connection, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client,
    ):
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        assert answer.endswith(b"healthy\n")
