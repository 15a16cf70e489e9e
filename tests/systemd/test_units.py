"""The units of collector and front: neither has what the other needs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from exporter.config import Config, listen_address
from exporter.http import server as http_server

SYSTEMD = Path(__file__).parents[2] / "systemd"
Settings = dict[str, list[str]]


def settings_of(name: str) -> Settings:
    settings: Settings = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


@pytest.fixture
def collector() -> Settings:
    return settings_of("bulkhead-collector.service")


@pytest.fixture
def front() -> Settings:
    return settings_of("bulkhead.service")


def test_the_collector_can_make_no_socket_of_the_internet(collector: Settings) -> None:
    assert collector["RestrictAddressFamilies"] == ["AF_UNIX AF_NETLINK"]
    assert collector["IPAddressDeny"] == ["any"]


def test_the_front_has_no_capability_and_is_not_root(front: Settings) -> None:
    assert front["CapabilityBoundingSet"] == [""]
    assert front["User"] == front["Group"] == ["bulkhead"]
    assert "AF_NETLINK" not in front["RestrictAddressFamilies"][0]


@pytest.mark.parametrize("path", ["/run/podman", "/run/user", "/var/lib/bulkhead", "/var/lib/containers"])
def test_the_front_cannot_see_what_is_the_collectors(front: Settings, path: str) -> None:
    assert f"-{path}" in front["InaccessiblePaths"][0].split()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ProtectProc", "invisible"),
        ("ProcSubset", "pid"),
        ("PrivateDevices", "true"),
        ("PrivateUsers", "true"),
        ("ProtectHome", "true"),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "true"),
        ("NoNewPrivileges", "true"),
    ],
)
def test_a_wall_of_the_front_stands(front: Settings, key: str, value: str) -> None:
    assert front[key] == [value]


def test_the_collectors_socket_is_for_the_fronts_group_alone(collector: Settings, front: Settings) -> None:
    assert collector["RuntimeDirectory"] == ["bulkhead"]
    assert collector["RuntimeDirectoryMode"] == ["0750"]
    assert collector["Group"] == front["Group"]


def test_one_name_is_enough_to_start_and_to_reload_both(collector: Settings, front: Settings) -> None:
    assert "bulkhead-collector.service" in front["Wants"][0]
    assert front["Also"] == ["bulkhead-collector.service"]
    assert collector["ReloadPropagatedFrom"] == ["bulkhead.service"]
    assert "ExecReload" in front
    assert "ExecReload" in collector


@pytest.mark.parametrize("key", ["PartOf", "BindsTo", "Requires", "Requisite"])
def test_neither_ends_with_the_other(collector: Settings, front: Settings, key: str) -> None:
    assert key not in collector
    assert key not in front


def test_the_command_of_the_front_is_the_one_that_the_readme_installs(front: Settings) -> None:
    assert front["ExecStart"] == ["/usr/bin/bulkhead front --config %d/config.toml"]


def test_only_the_page_s_own_port_can_be_listened_on(front: Settings) -> None:
    assert front["SocketBindDeny"] == ["any"]
    ports = {listen_address(listen)[1] for listen in Config().listen}
    assert front["SocketBindAllow"] == [f"tcp:{port}" for port in ports]
    assert "SocketBindAllow=tcp:PORT" in (SYSTEMD / "bulkhead.service").read_text(), "it says how to change the port"


def test_the_front_says_what_its_watchdog_proves(front: Settings) -> None:
    assert (front["Type"], front["WatchdogSec"]) == (["notify"], ["60s"])
    assert f"has turned in the last {http_server._TURN_SECONDS:g} s" in (SYSTEMD / "bulkhead.service").read_text()


def test_secrets_are_handed_to_the_front_and_to_nobody_else(collector: Settings, front: Settings) -> None:
    assert front["LoadCredential"] == ["config.toml:/etc/bulkhead/config.toml"]
    assert front["ImportCredential"] == ["bulkhead.*"]
    assert not {"LoadCredential", "ImportCredential"} & collector.keys()


def test_the_fronts_account_is_the_one_that_sysusers_makes(front: Settings) -> None:
    lines = (SYSTEMD / "sysusers.conf").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("u ")] == front["User"]


def test_the_web_configuration_has_a_directory_that_the_front_reads_and_nobody_else() -> None:
    lines = [line.split() for line in (SYSTEMD / "tmpfiles.conf").read_text().splitlines() if line.startswith("d ")]
    assert {path: (mode, owner, group) for _, path, mode, owner, group, _ in lines} == {
        "/etc/bulkhead": ("0700", "root", "root"),
        "/etc/bulkhead-web": ("0750", "root", "bulkhead"),
    }


def test_a_package_enables_both_units(front: Settings) -> None:
    lines = (SYSTEMD / "preset.conf").read_text().splitlines()
    enabled = [line.split()[1] for line in lines if line.startswith("enable ")]
    assert enabled == ["bulkhead.service", *front["Also"]]


@pytest.mark.parametrize(("unit", "exposure"), [("bulkhead-collector.service", 3.5), ("bulkhead.service", 1.5)])
def test_systemd_finds_little_that_is_open(unit: str, exposure: float) -> None:
    try:
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", f"--threshold={exposure * 10:.0f}", SYSTEMD / unit],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("this machine has no systemd-analyze")
    assert done.returncode == 0, done.stdout[-300:]
