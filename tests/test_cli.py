from __future__ import annotations

import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from exporter import __version__, cli
from exporter.app import example as app_example
from exporter.app.diagnosis import Finding, State
from exporter.cli import main

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _log_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `logs.start` sets up for a process is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("bulkhead").setLevel(logging.NOTSET)


@contextmanager
def serving(tmp_path: Path, *flags: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`bulkhead serve` on a host without podman: the process and the port it said it listens on."""
    command = [sys.executable, "-m", "exporter", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--podman-socket", str(tmp_path / "none.sock"), *flags],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            port = 0
            while not port:
                assert process.stderr is not None
                line = process.stderr.readline()
                assert line, "it ended before it served"
                found = re.search(r"msg=serving url=http://127\.0\.0\.1:([0-9]+)/", line)
                port = int(found[1]) if found else 0
            yield process, port
        finally:
            process.kill()


def status_of(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (process, port):
        assert status_of(port, "/-/healthy") == 200
        assert status_of(port, "/metrics") == 200
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr is not None
        rest = process.stderr.read()
        assert f"msg=stopping signal={number.name}" in rest
        assert "Traceback" not in rest


def test_a_hosts_page_has_the_agents_own_process(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (process, port),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as one,
    ):
        one.request("GET", "/metrics")
        page = one.getresponse().read().decode()
        figures = re.findall(r'^(process_\w+)\{process="agent"\} (\S+)$', page, re.MULTILINE)
        own = {name: float(value) for name, value in figures}
        (resident,) = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert own["process_resident_memory_bytes"] == pytest.approx(int(resident) * 1024, rel=0.5)
    assert 0 < own["process_cpu_seconds_total"] < 60
    assert 0 <= time.time() - own["process_start_time_seconds"] < 60
    assert 3 < own["process_open_fds"] < own["process_max_fds"]


def logged(process: subprocess.Popen[str], words: str) -> str:
    """The line of its log with these words; its end would end the reading, and so does a timer."""
    assert process.stderr is not None
    patience = threading.Timer(30, process.kill)
    patience.start()
    try:
        while words not in (line := process.stderr.readline()):
            assert line, f"no line with {words!r}"
    finally:
        patience.cancel()
    return line


def test_sighup_applies_the_web_configuration_and_names_what_needs_a_restart(tmp_path: Path) -> None:
    web, config = tmp_path / "web.yml", tmp_path / "config.toml"
    web.write_text("")
    config.write_text(f'[web]\nconfig_file = "{web}"\n')
    with serving(tmp_path, "--config", str(config)) as (process, port):
        assert status_of(port, "/metrics") == 200
        web.write_text(f"basic_auth_users:\n  somebody: $2b$04${'.' * 53}\n")
        config.write_text(
            f'[web]\nconfig_file = "{web}"\n[thresholds]\nmemory_warning_ratio = 0.91\n[zfs]\nleave_out = ["a"]\n'
        )
        process.send_signal(signal.SIGHUP)
        assert str(web) in logged(process, "configuration applied")
        assert "keys=zfs.leave_out" in logged(process, "changed settings that need a restart")
        assert status_of(port, "/metrics") == 401
        web.write_text("basic_auth_users: [")
        process.send_signal(signal.SIGHUP)
        assert f"{web}:1: is not YAML" in logged(process, "the configuration is not applied")
        assert status_of(port, "/metrics") == 401
        web.write_text("tls_server_config: {cert_file: a, key_file: b}")
        process.send_signal(signal.SIGHUP)
        assert "cert_file" in logged(process, "the configuration is not applied")
        assert status_of(port, "/metrics") == 401
        web.write_text("")
        process.send_signal(signal.SIGHUP)
        logged(process, "configuration applied")
        assert status_of(port, "/metrics") == 200


def test_systemd_hears_that_it_is_ready_alive_and_stopping(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        with serving(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000") as (process, port):
            assert listener.recv(1000) == f"READY=1\nSTATUS=serving this host at http://127.0.0.1:{port}/".encode()
            assert listener.recv(1000) == b"WATCHDOG=1"
            process.terminate()
            while (heard := listener.recv(1000)) == b"WATCHDOG=1":
                pass
            assert heard == b"STOPPING=1"
            assert process.wait(5) == 0


def test_an_address_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["serve", "--listen", listen]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("bulkhead: ")] == [
        line for line in said if "address is in use" in line
    ]


def test_a_web_configuration_is_judged_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config:\n  cert_file: none.crt\n  key_file: none.key\n")
    assert main(["serve", "--web.config.file", str(web), "--listen", "127.0.0.1:0"]) == 1
    assert f"cert_file {tmp_path}/none.crt cannot be read: No such file" in capsys.readouterr().err
    web.write_text("tls_server_config:\n  cert_fil: a\n  key_file: b\n")
    assert main(["serve", "--web.config.file", str(web)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"bulkhead: {web}:1: tls_server_config.cert_file: is missing")
    assert lines[1].startswith(f"bulkhead: {web}:2: unknown key tls_server_config.cert_fil: did you mean cert_file?")


def test_version_names_bulkhead_python_and_the_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"bulkhead {__version__}"
    assert [line.split()[0] for line in lines[1:5]] == ["python", "prometheus-client", "podman", "pydbus"]


@pytest.mark.parametrize("command", [[], ["serve"], ["doctor"], ["audit"], ["explain"]])
def test_every_help_has_examples_and_exit_codes(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--help"])
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "exit codes:" in text


def test_help_and_version_need_no_library_of_the_host() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['podman', 'pydbus', 'gi', 'prometheus_client', 'msgspec', 'requests']))\n"
        "from exporter.cli import main\n"
        "assert main(['--version']) == 0\n"
        "sys.exit(main(['serve']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("bulkhead ")
    assert re.fullmatch(r"bulkhead: the Python library \w+ is not installed: apt install python3-.*\n", done.stderr)


def test_no_command_shows_the_help_and_is_a_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "bulkhead serve --example" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["serve", "--listn", ":1"],
            "unrecognized arguments: --listn :1 (did you mean --listen?); see bulkhead serve --help",
        ),
        (["srve"], "invalid choice: 'srve'"),
        (["serve", "--example", "--auto-example"], "not allowed with argument --example; see bulkhead serve --help"),
        (["doctor", "--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_a_wrong_usage_is_one_sentence(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_a_wrong_configuration_is_told_whole_and_nothing_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bulkhead.toml"
    path.write_text("listen = 1\n\nlog.level = 'loud'\n")
    assert main(["serve", "--config", str(path), "--state-dir", "here"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"bulkhead: {path}:1: listen: found 1; allowed:")
    assert lines[1].startswith(f'bulkhead: {path}:3: log.level: found "loud"; allowed:')
    assert lines[2].startswith('bulkhead: --state-dir: found "here"; allowed:')
    assert len(lines) == 3


def test_the_unexpected_is_one_line_and_a_traceback_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_argv: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr(cli, "_run", broken)
    monkeypatch.delenv("BULKHEAD_DEBUG", raising=False)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("bulkhead: unexpected RuntimeError: boom; please report this")
    assert said.count("\n") == 1
    monkeypatch.setenv("BULKHEAD_DEBUG", "1")
    assert main(["doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_where_there_is_no_podman_the_example_is_served_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Chosen(Exception):
        pass

    def example(*_: object, **__: object) -> None:
        raise Chosen

    monkeypatch.setattr(app_example, "build_example_agent", example)
    monkeypatch.setattr("exporter.app.doctor.has_containers", lambda *_: False)
    monkeypatch.setenv("BULKHEAD_DEBUG", "")
    assert (
        main(["serve", "--auto-example", "--listen", "127.0.0.1:0", "--podman-socket", str(tmp_path / "none.sock")])
        == 1
    )
    said = capsys.readouterr().err
    assert f"There is no podman socket here ({tmp_path}/none.sock) and no running container" in said
    assert "systemctl enable --now podman.socket" in said
    assert "unexpected Chosen" in said


@pytest.mark.parametrize(("state", "code"), [(State.OK, 0), (State.NOT_HERE, 0), (State.CANNOT, 1)])
def test_the_doctor_fails_only_on_what_is_here_and_cannot_be_read(
    state: State, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exporter.app.doctor.examine", lambda *_: iter([Finding("zfs", state, "found", "remedy")]))
    assert main(["doctor"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Bulkhead {__version__}, ")
    assert lines[1].split() == [*str(state).split(), "zfs", "found"]
    assert main(["doctor", "--format", "json"]) == code
    assert f'"state": "{state}"' in capsys.readouterr().out


ON_A_SOCKET_OF_SYSTEMD = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
print(listener.getsockname()[1], flush=True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[1:]])
"""


def test_the_front_serves_on_a_socket_that_systemd_passes_and_logs_as_it_is_told(tmp_path: Path) -> None:
    command = ["front", "--web.systemd-socket", "--log.format", "json", "--socket", str(tmp_path / "none.sock")]
    config = tmp_path / "config.toml"
    config.write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_SOCKET_OF_SYSTEMD, *command, "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as front:
        try:
            assert front.stdout is not None
            port = int(front.stdout.readline())
            assert json.loads(logged(front, "serving"))["msg"] == "serving"
            assert status_of(port, "/-/healthy") == 200
            assert status_of(port, "/metrics") == 503, "there is no collector"
        finally:
            front.terminate()
            assert front.wait(10) == 0
