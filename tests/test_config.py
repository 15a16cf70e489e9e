from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.limits import Limits
from exporter.assess.waivers import Waiver
from exporter.config import (
    Alertmanager,
    Alerts,
    Clocks,
    Config,
    ConfigError,
    PodmanSocket,
    Problem,
    listen_address,
    load,
)
from exporter.config.settings import ASCENDING, KINDS
from exporter.config.statements import lines_of_keys
from exporter.config.values import NotAllowed, podman_socket, shown
from exporter.config.waivers import read_waivers


def config_of(tmp_path: Path, text: str | bytes, **flags: object) -> Config:
    path = tmp_path / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, flags)


def problems_of(tmp_path: Path, text: str | bytes, **flags: object) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, text, **flags)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load(default=tmp_path / "none.toml")
    assert config == Config()
    assert config.listen == ":9946"
    assert config.podman_sockets == (PodmanSocket("unix:///run/podman/podman.sock", ""),)


def test_the_default_file_is_read_if_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('listen = "127.0.0.1:1"')
    assert load(default=path).listen == "127.0.0.1:1"
    assert load(default=path).read_from == path


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: there is no such file: write it, or leave --config out"):
        load(tmp_path / "none.toml")


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


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
    assert config.listen == "[::1]:9000"
    assert config.state_dir == Path("/srv/bulkhead")
    assert config.podman_sockets[1] == PodmanSocket("unix:///run/user/1000/podman/podman.sock", "alice")
    assert config.clocks == Clocks(zfs_seconds=300, podman_seconds=16)
    assert config.thresholds == Limits(memory_warning_ratio=0.85, restart_loop_restarts=5)
    assert (config.series.max_containers, config.log.level) == (50, "debug")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    text = 'listen = ":1"\nstate_dir = "/a"'
    config = config_of(tmp_path, text, listen=":2", state_dir=None, podman_sockets=["/run/p.sock"])
    assert (config.listen, config.state_dir) == (":2", Path("/a"))
    assert config.podman_sockets == (PodmanSocket("unix:///run/p.sock"),)


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
    tables = "clocks, thresholds, series, ledger, zfs, log, alerts"
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


WAIVED = """
[[waivers]]
container = "objects*"
check = "read_only_rootfs"
reason = "writes its cache beside its programs"
until = 2027-01-31

[[waivers]]
host = true
check = "k*"
reason = "a laptop"
"""


def test_waivers_are_read_with_the_end_of_their_last_day(tmp_path: Path) -> None:
    dated, for_ever = config_of(tmp_path, WAIVED).waivers
    assert dated == Waiver("objects*", "read_only_rootfs", "writes its cache beside its programs", 1_801_440_000)
    assert for_ever == Waiver("", "k*", "a laptop", None)


@pytest.mark.parametrize(
    ("found", "instead", "line", "message"),
    [
        (
            "read_only_rootfs",
            "read_only_rootf",
            4,
            'waivers.check: found "read_only_rootf"; allowed: the id of a check of',
        ),
        (
            "read_only_rootfs",
            "kernel_lockdown",
            4,
            'waivers.check: found "kernel_lockdown"; allowed: the id of a check of',
        ),
        (
            "k*",
            "read_only_rootfs",
            10,
            'waivers.check: found "read_only_rootfs"; allowed: the id of a check of the host',
        ),
        ("2027-01-31", '"2027-01-31"', 6, 'waivers.until: found "2027-01-31"; allowed: a date without quotes and time'),
        ("2027-01-31", "2027-01-31T00:00:00Z", 6, "waivers.until: found 2027-01-31T00:00:00+00:00; allowed: a date"),
        ("host = true", "host = false", 9, "waivers.host: found false; allowed: true, or leave it out"),
        ("host = true", 'container = ""', 9, 'waivers.container: found ""; allowed: a name, or a pattern'),
        ("host = true", "", 8, "waivers: a waiver needs one of container and host"),
        ("host = true", 'host = true\ncontainer = "*"', 8, "waivers: a waiver needs one of container and host"),
        ('reason = "a laptop"', "", 8, "waivers: a waiver needs a reason"),
        ('"a laptop"', '" "', 11, 'waivers.reason: found " "; allowed: a text of 1 to 500 characters'),
        ("until", "untill", 6, "unknown key waivers.untill: did you mean until? allowed here: container, host, check"),
    ],
)
def test_what_is_wrong_with_a_waiver_is_told_with_the_line_of_its_key(
    tmp_path: Path, found: str, instead: str, line: int, message: str
) -> None:
    ((told_line, told), *rest) = problems_of(tmp_path, WAIVED.replace(found, instead))
    assert (told_line, rest) == (line, [])
    assert told.startswith(message)


@pytest.mark.parametrize("text", ["waivers = 3", "waivers = ['x']", "[waivers]\ncheck = 'x'"])
def test_waivers_are_tables_of_an_array(tmp_path: Path, text: str) -> None:
    ((_, told),) = problems_of(tmp_path, text)
    assert told.endswith("allowed: tables, each [[waivers]]")


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["container", "host", "check", "reason", "until", "x"]),
            st.none() | st.booleans() | st.text(max_size=5) | st.dates() | st.just("rootful"),
        )
    )
)
def test_any_tables_are_waivers_or_refused(tables: list[dict[str, object]]) -> None:
    waivers, refused = read_waivers(tables)
    assert len(waivers) + len({key[1] for key, _ in refused}) == len(tables)


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
    config = Config()
    for lower, upper in ASCENDING:
        below, above = (getattr(getattr(config, table), key) for table, key in (lower, upper))
        assert below < above
    for path in KINDS:
        value: Any = config
        for name in path:
            value = getattr(value, name)
        if path not in {("state_dir",), ("podman_sockets",), ("alerts", "external_labels")}:
            assert KINDS[path].parse(value) == value


def test_every_threshold_can_be_set() -> None:
    settable = {key for table, key in (path for path in KINDS if len(path) > 1) if table == "thresholds"}
    assert settable == {field.name for field in fields(Limits)}


@given(st.text())
def test_any_text_is_a_configuration_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with suppress(ConfigError):
        load(path)


KEYS = st.sampled_from([*(".".join(path) for path in KINDS), "clocks", "log", "x", "'a.b'.c"])
VALUES = st.recursive(
    st.one_of(
        st.booleans().map(lambda flag: str(flag).lower()),
        st.integers(-(10**30), 10**30).map(str),
        st.sampled_from(["0x" + "f" * 5000, "nan", "-inf", "1e400", "07:32:00", "1979-05-27T07:32:00Z"]),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:.3f}"),
        st.text(st.characters(categories=["L", "P", "S", "N"]), max_size=70).map(
            lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        ),
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[\n " + ",\n ".join(items) + "]")
        | inner.map(lambda value: "{ key = " + value + " }" if "\n" not in value else value)
    ),
    max_leaves=4,
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6))
def test_any_toml_of_known_keys_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "known.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in pairs))
    told: tuple[Problem, ...] = ()
    try:
        load(path)
    except ConfigError as error:
        told = error.problems
    assert all(len(problem.message) < 1000 and problem.line for problem in told)


# Statements that say their own line: whatever stands around one, its keys are found where it begins.
FILLERS = st.sampled_from(["", "   ", "# note = 1 [x]", "\t# '''", '#"""'])
STATEMENTS = st.sampled_from(
    [
        "{key} = 1",
        "{key} = 1 # = 2",
        '"{key}" = "# ["',
        "'{key}' = '''\nx = 1\n[y]\n'''",
        '{key} = """\n\n\\"""\n"""',
        "{key} = [\n  1, # ]\n  2,\n\n]",
        "{key}.inner = {{ deep = [\n1] }}",
        "  {key}  .  inner  =  2026-01-01T00:00:00Z",
        "[{key}]",
        "[[{key}]]",
        '[ {key} . "in.ner" ] # x',
    ]
)


@given(st.lists(st.one_of(FILLERS, STATEMENTS), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_every_key_is_found_on_the_line_where_its_statement_begins(parts: list[str], end: str) -> None:
    text = ""
    header: tuple[str, ...] = ()
    expected: dict[tuple[str, ...], int] = {}
    for number, part in enumerate(parts):
        key, line = f"k{number}", text.count("\n") + 1
        statement = part.format(key=key)
        above = () if statement.startswith("[") else header
        if "{key}" in part:
            expected[*above, key] = line
        if statement.startswith("["):
            header = (key, "in.ner") if "in.ner" in statement else (key,)
        text += statement + "\n"
    text = text.replace("\n", end)
    tomllib.loads(text)
    lines = lines_of_keys(text)
    assert {path: lines[path] for path in expected} == expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_what_was_found_is_quoted_short_and_on_one_line(value: object) -> None:
    assert len(shown(value)) <= 70
    assert re.fullmatch(r"[ -~]*", shown(value))


def test_one_line_switches_alerts_on(tmp_path: Path) -> None:
    config = config_of(tmp_path, '[[alertmanagers]]\nurl = "http://localhost:9093/"\n')
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
