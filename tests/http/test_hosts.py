"""The Host of a request: whose name it is."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.http.hosts import Hosts
from tests.http.serving import ask, running, talk


def hosts(*allowed: str) -> Hosts:
    return Hosts(allowed, node=lambda: "Host1", full_name=lambda: "host1.example.org")


def eventually_allows(here: Hosts, name: str) -> bool:
    ends_at = time.monotonic() + 10
    while not here.allow(name) and time.monotonic() < ends_at:
        time.sleep(0.001)
    return here.allow(name)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "192.0.2.1:9946", "[::1]:9946", "[2001:db8::1]", "localhost", "LOCALHOST:9946", "localhost."),
        *("host1", "HOST1:9946", "host1:", "metrics.example.org", "Metrics.Example.ORG.:443"),
    ],
)
def test_addresses_this_host_and_configured_names_are_allowed(host: str) -> None:
    assert hosts("metrics.example.org").allow(host)


def test_the_full_name_is_allowed_as_soon_as_the_resolver_has_said_it() -> None:
    resolved = threading.Event()

    def full_name() -> str:
        assert resolved.wait(10)
        return "host1.example.org"

    here = Hosts((), node=lambda: "host1", full_name=full_name)
    assert not here.allow("host1.example.org")
    resolved.set()
    assert eventually_allows(here, "host1.example.org:9946")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:9946",
            "host1.evil.example",
            "localhost.evil.example",
            "",
            ":9946",
            "[::1",
            "a b",
        ),
        *("127.0.0.1.evil.example", "user@localhost", "[localhost]", "localhost/", "0x7f.1", "127.1", "localhost:99a"),
    ],
)
def test_any_other_name_is_not(host: str) -> None:
    assert not hosts("metrics.example.org").allow(host)


def test_the_host_in_the_target_counts_as_well() -> None:
    assert hosts().allow("localhost", "http://localhost:9946/metrics")
    assert hosts().allow("localhost", "/metrics")
    assert not hosts().allow("localhost", "http://evil.example/metrics")
    assert not hosts().allow("evil.example", "http://localhost/metrics")


def test_a_star_allows_every_name() -> None:
    assert hosts("*").allow("evil.example")


@given(st.text())
def test_no_host_is_too_odd_to_be_judged(host: str) -> None:
    assert isinstance(hosts().allow(host, host), bool)


def test_a_page_asked_for_by_another_name_is_misdirected_and_the_answer_names_the_key() -> None:
    with running(hosts=("metrics.example.org",)) as server:
        for path in ("/metrics", "/", "/nowhere", "/-/nowhere", "/-/../metrics"):
            answer, body = ask(server, path, Host="evil.example")
            assert answer.status == 421
            assert b'set hosts = ["NAME"] in the table [web]' in body
            assert b"evil" not in body
        for path in ("/-/healthy", "/-/ready"):
            assert ask(server, path, Host="evil.example")[0].status == 200
        for host in ("metrics.example.org:9946", socket.gethostname()):
            assert ask(server, "/metrics", Host=host)[0].status == 200


def test_http_1_1_needs_one_host_and_1_0_none() -> None:
    with running() as server:
        assert talk(server, b"GET /metrics HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert talk(server, b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert talk(server, b"GET /metrics HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 421 ")
        assert talk(server, b"GET /metrics HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
