"""The units of collector and front: what each can reach is what it needs, and their walls are not of one process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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
    return settings_of("bulkhead-front.service")


@pytest.fixture
def one_process() -> Settings:
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


def test_the_collector_keeps_the_walls_of_the_one_process(collector: Settings, one_process: Settings) -> None:
    other = {"Description", "ExecStart", "ExecReload", "Conflicts", "RestrictAddressFamilies", "Group"}
    other |= {"RuntimeDirectory", "RuntimeDirectoryMode", "IPAddressDeny", "SocketBindDeny", "SocketBindAllow"}
    assert {key: value for key, value in collector.items() if key not in other} == {
        key: value for key, value in one_process.items() if key not in other
    }


def test_the_two_run_beside_each_other_and_not_beside_the_one_process(collector: Settings, front: Settings) -> None:
    assert collector["Conflicts"] == front["Conflicts"] == ["bulkhead.service"]
    assert "bulkhead-collector.service" in front["Wants"][0]


def test_the_fronts_account_is_the_one_that_sysusers_makes(front: Settings) -> None:
    lines = (SYSTEMD / "sysusers.conf").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("u ")] == front["User"]


@pytest.mark.parametrize(("unit", "exposure"), [("bulkhead-collector.service", 3.5), ("bulkhead-front.service", 1.5)])
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
