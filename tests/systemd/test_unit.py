from __future__ import annotations

from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "bulkhead.service"


@pytest.fixture
def service() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def test_the_command_is_the_one_that_the_readme_installs(service: dict[str, list[str]]) -> None:
    assert service["ExecStart"] == ["/usr/bin/bulkhead serve"]


@pytest.mark.parametrize(
    "wall",
    ["NoNewPrivileges", "LockPersonality", "RestrictNamespaces", "ProtectKernelModules", "ProtectKernelTunables"],
)
def test_a_wall_that_costs_nothing_stands(service: dict[str, list[str]], wall: str) -> None:
    assert service[wall] == ["true"]


def test_it_keeps_six_capabilities_and_no_more(service: dict[str, list[str]]) -> None:
    assert service["CapabilityBoundingSet"] == [
        "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_SYSLOG CAP_NET_ADMIN"
    ]


def test_what_systemd_waits_for_is_what_the_agent_says(service: dict[str, list[str]]) -> None:
    assert service["Type"] == ["notify"]
    assert "WatchdogSec" in service


def test_the_state_of_the_clock_can_be_read_and_nothing_can_set_it(service: dict[str, list[str]]) -> None:
    assert service["SystemCallFilter"][-1] == "adjtimex clock_adjtime"
    assert "ProtectClock" not in service, "it would forbid both"
    assert "CAP_SYS_TIME" not in service["CapabilityBoundingSet"][0]
