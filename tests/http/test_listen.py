"""Several addresses, and the sockets that systemd passes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.http import NoIpv6Loopback, Patience, ServeError, opened, passed_by_systemd
from tests.http.serving import ask_at, running

ROOT = Path(__file__).parents[2]


def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bind as on a host without IPv6."""
    bind = socket.socket.bind

    def bind_ipv4(self: socket.socket, address: tuple[str, int]) -> None:
        if self.family is socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        bind(self, address)

    monkeypatch.setattr(socket.socket, "bind", bind_ipv4)


def test_every_address_is_served_and_closed() -> None:
    with running(listen=("127.0.0.1:0", "127.0.0.2:0")) as server:
        assert [host for host, _ in server.addresses] == ["127.0.0.1", "127.0.0.2"]
        assert [ask_at(address, "/-/healthy")[0].status for address in server.addresses] == [200, 200]
        addresses = server.addresses
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=10)


def test_the_bound_on_connections_is_one_for_all_addresses() -> None:
    with running(listen=("127.0.0.1:0", "127.0.0.2:0"), patience=Patience(connections=2)) as server:
        here, there = server.addresses
        with socket.create_connection(here, timeout=10) as first:
            assert ask_at(here, "/-/healthy")[0].status == 200, "so the first connection has been accepted"
            with socket.create_connection(there, timeout=10):
                assert ask_at(there, "/-/healthy")[0].status == 200
                assert first.recv(1) == b"", "it was silent longest, and has given way to one of another address"


def test_when_an_address_cannot_be_had_none_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServeError, match="no such address"):
        opened([f"127.0.0.1:{port}", "192.0.2.1:9946"])
    for listener in opened([f"127.0.0.1:{port}"]):
        listener.close()


def test_the_ipv6_loopback_is_left_out_where_there_is_none_beside_that_of_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_ipv6(monkeypatch)
    listeners = opened(["127.0.0.1:0", "[::1]:0"])
    assert [listener.family for listener in listeners] == [socket.AF_INET]
    listeners[0].close()
    with pytest.raises(NoIpv6Loopback, match=r"cannot listen on \[::1\]:0: this host has no such address"):
        opened(["[::1]:0"])
    with pytest.raises(ServeError, match="no such address"):
        opened(["127.0.0.1:0", "[2001:db8::1]:0"])


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "1000", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_where_systemd_passes_no_socket_one_sentence_says_so(environment: dict[str, str]) -> None:
    with pytest.raises(ServeError, match=r"^systemd has passed no socket: start this by a \.socket unit"):
        passed_by_systemd(environment)
    assert environment == {}, "no program that is started later takes the sockets for its own"


PROGRAM = """
import os, socket, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.dup2(int(sys.argv[1]), 3)
from exporter.http import ServeError, passed_by_systemd
try:
    (listener,) = passed_by_systemd()
    print(*listener.getsockname(), os.get_inheritable(3), os.environ.get("LISTEN_FDS"))
except ServeError as error:
    print(error)
"""


def passed(each: socket.socket) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(each.fileno())],
        cwd=ROOT,
        env={**os.environ, "LISTEN_FDS": "1"},
        pass_fds=[each.fileno()],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_socket_of_systemd_is_taken_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        assert passed(listener) == f"{host} {port} False None"


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_socket_of_systemd_that_does_not_listen_on_tcp_is_refused(family: socket.AddressFamily) -> None:
    with contextlib.closing(socket.socket(family)) as other:
        assert passed(other).startswith("socket 3 of systemd is no TCP socket that listens: give ListenStream=PORT")
