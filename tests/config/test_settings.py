from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from exporter.config import (
    Config,
    ConfigError,
    listen_address,
    load,
)
from exporter.config.settings import KINDS, schema
from exporter.config.values import NotAllowed, podman_socket
from exporter.facts.podman import PodmanSocket
from exporter.report.thresholds import Thresholds
from tests.config.loaded import WORDS, config_of, problems_of


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load(default=tmp_path / "none.toml", vocabulary=WORDS)
    assert config == Config()
    assert config.listen == ("127.0.0.1:9946", "[::1]:9946")
    assert config.podman_sockets == (PodmanSocket("unix:///run/podman/podman.sock", ""),)


def test_the_default_file_is_read_if_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('listen = "127.0.0.1:1"')
    assert load(default=path, vocabulary=WORDS).listen == ("127.0.0.1:1",)
    assert load(default=path, vocabulary=WORDS).read_from == path


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such file: write it, or leave --config out"):
        load(tmp_path / "none.toml", vocabulary=WORDS)


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path, vocabulary=WORDS)


def test_every_setting_can_be_set(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        """
listen = "[::1]:9000"
state_dir = "/srv/bulkhead"
podman_sockets = ["unix:///run/podman/podman.sock", "alice=/run/user/1000/podman/podman.sock"]
clocks = { zfs_seconds = 300, podman_seconds = 0x10 }
log.level = "debug"
[thresholds]
memory_warning_ratio = 0.85
restart_loop_restarts = 5
[series]
max_containers = 50
""",
    )
    assert config.listen == ("[::1]:9000",)
    assert config.state_dir == Path("/srv/bulkhead")
    assert config.podman_sockets[1] == PodmanSocket("unix:///run/user/1000/podman/podman.sock", "alice")
    assert config.clocks == {"zfs": 300, "podman": 16}
    assert config.thresholds == Thresholds(memory_warning_ratio=0.85, restart_loop_restarts=5)
    assert (config.series.max_containers, config.log.level) == (50, "debug")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    text = 'listen = ":1"\nstate_dir = "/a"'
    config = config_of(tmp_path, text, listen=":2", state_dir=None, podman_sockets=["/run/p.sock"])
    assert (config.listen, config.state_dir) == ((":2",), Path("/a"))
    assert config.podman_sockets == (PodmanSocket("unix:///run/p.sock"),)


def test_there_may_be_several_addresses_and_each_is_looked_at(tmp_path: Path) -> None:
    assert config_of(tmp_path, 'listen = ["127.0.0.1:1", "[::1]:1"]').listen == ("127.0.0.1:1", "[::1]:1")
    assert config_of(tmp_path, "", listen=[":1", ":2"]).listen == (":1", ":2")
    for text, words in (
        ('listen = [":1", "x"]', 'found "x" as item 2; allowed: HOST:PORT'),
        ('listen = [":1", ":1"]', 'item 2, ":1", is there twice'),
        ("listen = []", "found 0 addresses"),
        ("listen = [1]", "found 1 as item 1"),
    ):
        assert words in problems_of(tmp_path, text)[0][1]


def test_every_problem_is_told_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    text = """# a comment with [brackets] and "quotes"
listn = ":1"
podman_sockets = [
  "/a",  # ]
  "b=c",
]
thresholds.memory_warning_ratio = 0.99
level = "debug"
[clocks]
podman_seconds = true
"zfs_seconds" = nan
zfs_mounted_second = 3
"""
    told = problems_of(tmp_path, text, listen="abc")
    assert [line for line, _ in told] == [2, 3, 7, 8, 10, 11, 12, None]
    messages = [message for _, message in told]
    assert messages[0].startswith("unknown key listn: did you mean listen? allowed here: listen, state_dir")
    assert messages[1].startswith('podman_sockets: found "b=c" as item 2; allowed: absolute paths')
    assert messages[2] == (
        "thresholds.memory_warning_ratio (0.99) has to be less than thresholds.memory_critical_ratio (0.97)"
    )
    assert "did you mean log.level?" in messages[3]
    assert messages[4] == "clocks.podman_seconds: found true; allowed: a number of seconds from 1 to 86400"
    assert messages[5].startswith("clocks.zfs_seconds: found nan")
    assert "did you mean clocks.zfs_mounted_seconds? allowed here: podman_seconds" in messages[6]
    assert messages[7].startswith('found "abc"; allowed: HOST:PORT')


def test_a_problem_of_the_file_reads_as_editors_jump_to_it_and_one_of_a_flag_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, "\nlisten = 1", podman_sockets=["x"], state_dir="relative")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{tmp_path}/config.toml:2: listen: found 1; allowed: HOST:PORT")
    assert lines[1].startswith('--podman-socket: found "x" as item 1; allowed: absolute paths')
    assert lines[2].startswith('--state-dir: found "relative"; allowed: an absolute path')


def test_an_unknown_table_is_one_problem(tmp_path: Path) -> None:
    told = problems_of(tmp_path, "\n[clock]\na = 1\nb = 2\n")
    tables = "clocks, thresholds, series, ledger, zfs, log, web, alerts"
    assert told == [(2, f"unknown table clock: did you mean clocks? allowed here: {tables}")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("clocks = 3", 1, "clocks: found 3; allowed: a table, [clocks]"),
        ("\n[[log]]\nlevel = 'info'", 2, "log: found an array of 1; allowed: a table, [log]"),
        ("log.level = 'loud'", 1, 'log.level: found "loud"; allowed: one of "debug", "info", "warning", "error"'),
        ("log.level = []", 1, "log.level: found an array of 0; allowed: one of"),
        ("series.max_series = 1.0", 1, "series.max_series: found 1.0; allowed: a whole number from 1 to 10000000"),
        ("series.max_containers = 0", 1, "series.max_containers: found 0; allowed"),
        ("thresholds.quota_warning_ratio = 85", 1, "thresholds.quota_warning_ratio: found 85; allowed: a ratio"),
        ("clocks.host_seconds = -1", 1, "clocks.host_seconds: found -1; allowed"),
        ("clocks.host_seconds = 0x" + "f" * 5000, 1, "clocks.host_seconds: found an integer of more than 64 bits"),
        ("clocks.host_seconds = 2026-01-01", 1, "clocks.host_seconds: found 2026-01-01; allowed"),
        ("clocks.host_seconds = 1\nclocks.zfs_seconds = 900", 2, "clocks.zfs_seconds (900) has to be less than"),
        ("[zfs]\nleave_out = 'tank/*'", 2, 'zfs.leave_out: found "tank/*", which is no array; allowed: up to 100'),
        ("[zfs]\nleave_out = ['tank/a', 7]", 2, "zfs.leave_out: found 7 as item 2; allowed"),
        ("[zfs]\nleave_out = ['tank@daily']", 2, 'zfs.leave_out: found "tank@daily" as item 1; allowed'),
        ("[zfs]\nleave_out = ['']", 2, 'zfs.leave_out: found "" as item 1; allowed'),
        ("[zfs]\nleave_out = ['t*', 't*']", 2, 'zfs.leave_out: item 2, "t*", is there twice'),
        (f"zfs.leave_out = {['t'] * 101}", 1, "zfs.leave_out: found 101 of them; allowed"),
        ("podman_sockets = '/a'", 1, 'podman_sockets: found "/a", which is no array; allowed'),
        ("podman_sockets = ['/a', 'u=/a']", 1, 'podman_sockets: item 2, "u=/a", is there twice'),
        ("podman_sockets = ['/a', 'root=/b']", 1, 'podman_sockets: item 2, "root=/b", is a second socket of root'),
        ('state_dir = "/a\\u0000"', 1, 'state_dir: found "/a\\u0000"; allowed: an absolute path'),
        ("\nlisten = :9946", 2, "is not TOML: Invalid value, at column 10"),
        ("\n\nlisten = ", 3, "is not TOML: Invalid value, at the end of the file"),
        ("clocks.host_seconds = " + "9" * 5000, None, "is not TOML: Exceeds the limit"),
        (b"\n# \xff", 2, "is not UTF-8 here: save the file as UTF-8"),
        (b"#" * 70000, None, "is larger than 64 KiB"),
    ],
)
def test_what_is_not_allowed_is_told(tmp_path: Path, text: str | bytes, line: int | None, message: str) -> None:
    (found_line, found_message), *rest = problems_of(tmp_path, text)
    assert (found_line, rest) == (line, [])
    assert found_message.startswith(message)


def test_windows_line_ends_count_once(tmp_path: Path) -> None:
    assert problems_of(tmp_path, b"\r\n\r\nlisten = 1\r\n")[0][0] == 3


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":9946", ("", 9946)),
        ("localhost:0", ("localhost", 0)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("[::]:80", ("::", 80)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_a_listen_address_has_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert listen_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "9946", "a:b", ":65536", ":99999999", "::1:80", "[x]:1", "[]:1", "a b:1", ":٣", "http://a:1"]
)
def test_what_is_no_listen_address_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        listen_address(text)


@pytest.mark.parametrize(
    "text", ["", "x", "=/a", "a b=/a", "alice=x", "ssh://host/a", "unix:/a", "tcp://h:1", "../a=/b"]
)
def test_what_is_no_podman_socket_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed):
        podman_socket(text)


def test_a_path_may_hold_an_equals_sign() -> None:
    assert podman_socket("/a=b") == PodmanSocket("unix:///a=b", "")
    assert podman_socket("unix:///a=b") == PodmanSocket("unix:///a=b", "")


def test_the_defaults_pass_every_rule() -> None:
    config, known = Config(), schema(WORDS)
    for lower, upper in known.ascending:
        assert known.defaults[lower] < known.defaults[upper]
    for path, read_tables in known.arrays.items():
        assert read_tables(getattr(config, path[0])) == (getattr(config, path[0]), [])
    for path in KINDS:
        value: Any = config
        for name in path:
            value = getattr(value, name)
        if path not in {("state_dir",), ("podman_sockets",), ("alerts", "external_labels")}:
            assert KINDS[path].parse(value) == value


def test_every_threshold_can_be_set() -> None:
    settable = {key for table, key in (path for path in KINDS if len(path) > 1) if table == "thresholds"}
    assert settable == {field.name for field in fields(Thresholds)}


def test_a_process_that_knows_no_clock_and_no_check_passes_over_what_names_them(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    waiver = '[[waivers]]\ncontainer = "*"\ncheck = "x"\nreason = "y"\n'
    path.write_text(f'listen = ":1"\n[clocks]\nzfs_seconds = 300\n{waiver}')
    config = load(path, vocabulary=None)
    assert config.listen == (":1",)
    assert (dict(config.clocks), config.waivers) == ({}, ())
    path.write_text("listn = 1\n")
    with pytest.raises(ConfigError, match="did you mean listen"):
        load(path, vocabulary=None)
