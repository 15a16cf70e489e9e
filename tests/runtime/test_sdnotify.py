from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from exporter.runtime.sdnotify import notify, watchdog_seconds


def test_without_systemd_nothing_is_sent() -> None:
    assert not notify("READY=1", environment={})
    assert not notify("READY=1", environment={"NOTIFY_SOCKET": "relative"})


@pytest.mark.parametrize("abstract", [False, True])
def test_the_lines_arrive_in_one_datagram(tmp_path: Path, *, abstract: bool) -> None:
    name = f"bulkhead-test-{os.getpid()}"
    address, variable = ("\0" + name, "@" + name) if abstract else (str(tmp_path / "n"), str(tmp_path / "n"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        assert notify("READY=1", "STATUS=x", environment={"NOTIFY_SOCKET": variable})
        assert listener.recv(100) == b"READY=1\nSTATUS=x"


def test_a_listener_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    assert not notify("READY=1", environment={"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_the_watchdog_is_fed_twice_in_its_patience() -> None:
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000"}) == 15
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 15
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_seconds({"WATCHDOG_USEC": "soon"}) is None
    assert watchdog_seconds({}) is None
