"""The server over real loopback sockets."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.app.pages import RenderedPages
from exporter.http import Patience, ServeError, Server, opened
from exporter.present.style import CONTENT_SECURITY_POLICY
from exporter.report.host import Report
from tests.http.serving import ask, running, talk
from tests.present.pages import parsed, value
from tests.present.reports import crowd, rich_report


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as started:
        yield started


def test_metrics_are_served_as_text_unless_openmetrics_is_asked_for(server: Server) -> None:
    answer, body = ask(server, "/metrics")
    assert answer.status == 200
    assert answer.version == 11
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Server"] == "bulkhead"
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert int(answer.headers["Content-Length"]) == len(body)
    assert value(parsed(body), "container_memory_ratio", container="objects02") == 0.793

    answer, openmetrics = ask(server, "/metrics?x=1", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert parsed(openmetrics) == parsed(body)


def test_who_takes_gzip_gets_it(server: Server) -> None:
    _, plain = ask(server, "/metrics")
    answer, body = ask(server, "/metrics", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(body) < len(plain) / 4
    assert gzip.decompress(body) == plain
    answer, body = ask(server, "/metrics", Accept_Encoding="gzip;q=0, *")
    assert answer.headers["Content-Encoding"] is None
    assert body == plain


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready", "/nowhere"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_is_get_without_the_body(server: Server, path: str, encoding: str) -> None:
    got, _ = ask(server, path, Accept_Encoding=encoding)
    head, body = ask(server, path, "HEAD", Accept_Encoding=encoding)
    assert body == b""
    assert head.status == got.status
    assert [pair for pair in head.getheaders() if pair[0] != "Date"] == [
        pair for pair in got.getheaders() if pair[0] != "Date"
    ]


def test_the_landing_page_is_html_under_a_strict_policy(server: Server) -> None:
    answer, body = ask(server, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"objects02" in body


def test_what_is_not_there_is_404_with_a_short_word(server: Server) -> None:
    answer, body = ask(server, "/metrics/<script>")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert body == b"not found: there are /, /metrics, /-/healthy and /-/ready\n"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_any_other_method_is_405_and_tells_what_is_allowed(server: Server, method: str) -> None:
    answer, body = ask(server, "/metrics", method)
    assert (answer.status, answer.headers["Allow"], body) == (405, "GET, HEAD", b"method not allowed\n")


def test_a_large_body_does_not_cost_the_client_its_answer(server: Server) -> None:
    answer, _ = ask(server, "/metrics", "POST", body=b"x" * 60_000)
    assert answer.status == 405


def test_a_body_is_never_read_as_the_next_request(server: Server) -> None:
    inner = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(inner)
    answer = talk(server, head + inner)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answer


def test_a_connection_serves_several_requests() -> None:
    with (
        running() as server,
        contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=10)) as client,
    ):
        for path in ("/-/healthy", "/metrics", "/nowhere", "/-/ready"):
            client.request("GET", path)
            first = client.sock
            client.getresponse().read()
            assert client.sock is first


def test_the_absolute_form_of_a_request_is_understood(server: Server) -> None:
    request = b"GET http://example.org:9946/-/healthy HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
    assert talk(server, request).endswith(b"\r\n\r\nhealthy\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", 400),
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/1.x\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    ],
    ids=["tls", "word", "http9", "version", "long path", "long header", "many headers"],
)
def test_garbage_gets_a_short_answer_that_repeats_nothing(server: Server, request_bytes: bytes, status: int) -> None:
    answer = talk(server, request_bytes)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert len(body) < 40
    assert b"GARBAGE" not in answer
    assert b"hello" not in answer


def test_not_ready_is_503_and_still_healthy() -> None:
    with running(ready=lambda: False) as server:
        assert ask(server, "/-/ready")[0].status == 503
        assert ask(server, "/-/healthy")[0].status == 200
        assert ask(server, "/metrics")[0].status == 200


def test_a_bug_in_a_page_is_500_and_logged_and_the_server_lives(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Report:
        raise ZeroDivisionError("the secret detail")

    with running(report=broken) as server:
        answer, body = ask(server, "/metrics")
        assert answer.status == 500
        assert b"secret" not in body
        assert ask(server, "/-/healthy")[0].status == 200
    (record,) = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert record.name == "bulkhead"
    assert record.exc_info
    assert record.__dict__["path"] == "/metrics"


def test_a_server_that_is_well_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with running() as server:
        ask(server, "/metrics")
        ask(server, "/nowhere")
        talk(server, b"GARBAGE\r\n\r\n")
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


def test_concurrent_scrapes_each_get_a_whole_page() -> None:
    report = crowd(5)
    with running(report=lambda: report) as server, ThreadPoolExecutor(16) as clients:
        pages = list(clients.map(lambda _: ask(server, "/metrics", Accept_Encoding="gzip")[1], range(24)))
    assert len(set(pages)) == 1
    assert len(parsed(gzip.decompress(pages[0]))) > 400


def test_the_bound_on_series_reaches_the_page() -> None:
    with running(report=lambda: crowd(20), max_series=1000) as server:
        page = parsed(ask(server, "/metrics")[1])
    assert len(page) <= 1000
    assert (value(page, "series_dropped_total", reason="too_many_containers") or 0) > 500


def test_closing_lets_a_running_answer_finish_and_ends_idle_connections_at_once() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow_report() -> Report:
        asked.set()
        assert go_on.wait(10)
        return rich_report()

    with running(report=slow_report, patience=Patience(timeout_seconds=10)) as server:
        idle = socket.create_connection(server.addresses[0], timeout=10)
        with ThreadPoolExecutor(2) as pool, idle:
            answer = pool.submit(ask, server, "/metrics")
            assert asked.wait(10)
            closing = pool.submit(server.close)
            assert idle.recv(1) == b""
            assert not closing.done()
            go_on.set()
            assert answer.result(10)[0].status == 200
            closing.result(10)


def test_a_closed_server_gives_its_port_back_and_may_be_closed_again() -> None:
    with running() as server:
        host, port = server.addresses[0]
        server.close()
        with running(listen=f"{host}:{port}") as again:
            assert ask(again, "/-/healthy")[0].status == 200


def test_a_server_that_never_served_can_be_closed() -> None:
    server = Server(opened(["127.0.0.1:0"]), RenderedPages(rich_report, lambda: True))
    server.close()
    server.serve_forever()


def test_every_address_is_ipv4_and_where_there_is_one_ipv6() -> None:
    with running(listen=":0") as server:
        port = server.addresses[0][1]
        addresses = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
        for address in addresses:
            with contextlib.closing(http.client.HTTPConnection(address, port, timeout=10)) as client:
                client.request("GET", "/-/healthy")
                assert client.getresponse().status == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_stands_in_brackets() -> None:
    with running(listen="[::1]:0") as server:
        assert server.addresses[0][0] == "::1"
        assert ask(server, "/-/healthy")[0].status == 200


def test_an_address_in_use_is_told_in_one_sentence() -> None:
    with running() as server:
        host, port = server.addresses[0]
        with pytest.raises(ServeError, match=rf"^cannot listen on {host}:{port}: the address is in use; .*ss -ltnp"):
            opened([f"{host}:{port}"])


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("192.0.2.1:9946", "this host has no such address"),
        ("a" * 80 + ":9946", "cannot listen on"),
        ("127.0.0.1", "give HOST:PORT"),
        ("::1:9946", "give HOST:PORT"),
        ("127.0.0.1:70000", "give HOST:PORT"),
        ("127.0.0.1:http", "give HOST:PORT"),
        ("", "give HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_is_told_in_one_sentence(listen: str, words: str) -> None:
    with pytest.raises(ServeError, match=words) as caught:
        opened([listen])
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_known_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        ServeError, match=r"^cannot listen on nowhere:9946: .*Name or service not known; give an address"
    ):
        opened(["nowhere:9946"])


def test_a_port_that_is_denied_tells_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", denied)
    with pytest.raises(ServeError, match="ports below 1024 need root or CAP_NET_BIND_SERVICE"):
        opened(["127.0.0.1:80"])


def test_an_accepting_loop_that_stands_still_is_told_and_one_that_turns_is_not() -> None:
    with running() as server:
        server._servers[0].turned_at_seconds -= 31
        ends_at = time.monotonic() + 10
        while server.stall():
            assert time.monotonic() < ends_at
            time.sleep(0.01)
    server._servers[0].turned_at_seconds -= 31
    assert re.fullmatch(r"the accepting loop has stood still for 3[0-9] s", server.stall())
