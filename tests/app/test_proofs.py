"""A whole agent with its server below systemd: which of them stops the pings when it hangs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Each part can be made to hang, and says so on standard output.
AGENT = """
import sys, threading, time
from exporter.app import proofs
from exporter.app.pages import RenderedPages
from exporter.http import Server, opened, server as http_server
from exporter.report.host import Report
from exporter.runtime import logs, process
from exporter.runtime.agent import Agent

logs.start("info")
hangs = sys.argv[1]
proofs._PAGE_SECONDS, proofs._PAUSE_SECONDS, http_server._TURN_SECONDS = 2.0, 0.05, 2.0
begun_at = time.monotonic()

def is_due(part):
    return part == hangs and time.monotonic() - begun_at > 1.5

def report():
    if is_due("report"):
        print("hangs", flush=True)
        threading.Event().wait()
    return Report(0.0, (), ())

def keeper():
    if is_due("keeper"):
        print("hangs", flush=True)
        return "nothing was counted"
    return ""

agent = Agent((), (), report, {"keeper": keeper})
pages = RenderedPages(agent.report, agent.ready)
server = Server(opened(["127.0.0.1:0"]), pages)
turn = server._servers[0].service_actions

def turning():
    if is_due("accepting"):
        print("hangs", flush=True)
        threading.Event().wait()
    turn()

server._servers[0].service_actions = turning
process.run(agent, server, "a test", ("here",), proofs=proofs.proofs_of(agent, pages) | {"accepting": server.stall})
"""


@contextmanager
def below_systemd(directory: Path, hangs: str) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(directory / "notify"))
        listener.settimeout(20)
        environment = os.environ | {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": "200000"}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, "-c", AGENT, hangs],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        try:
            yield process, listener
        finally:
            process.kill()
            process.communicate(timeout=20)


def is_silent(listener: socket.socket) -> bool:
    """Whether nothing comes until the listener's patience is over."""
    try:
        listener.recv(1000)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize(
    ("hangs", "proof", "reason"),
    [
        ("report", "page", "s; 2 s are allowed"),
        ("keeper", "keeper", "nothing was counted"),
        ("accepting", "accepting", "the accepting loop has stood still"),
    ],
)
def test_systemd_gets_no_ping_once_a_part_hangs_and_the_log_says_which(
    tmp_path: Path, hangs: str, proof: str, reason: str
) -> None:
    with below_systemd(tmp_path, hangs) as (process, listener):
        assert listener.recv(1000).startswith(b"READY=1")
        assert [listener.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        listener.settimeout(2)
        assert any(is_silent(listener) for _ in range(100))
        process.send_signal(signal.SIGABRT)  # as systemd does
        _, said = process.communicate(timeout=20)
    assert "Current thread" in said, "where each thread stands"
    (line,) = (line for line in said.splitlines() if "gets no ping" in line and f"proof={proof} " in line)
    assert reason in line


def test_the_pings_go_on_while_all_parts_work(tmp_path: Path) -> None:
    with below_systemd(tmp_path, "nothing") as (process, listener):
        assert listener.recv(1000).startswith(b"READY=1")
        assert {listener.recv(1000) for _ in range(30)} == {b"WATCHDOG=1"}  # three seconds of them
        process.kill()
        _, said = process.communicate(timeout=20)
    assert "gets no ping" not in said
