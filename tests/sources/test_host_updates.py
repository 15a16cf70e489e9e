"""Whether a host installs updates by itself, and when it last did: apt and dnf, by their files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.host import Updates
from exporter.sources.host import HostSource
from exporter.sources.host.updates import parse_apply_updates, parse_apt_periodic
from tests.sources.host_trees import host_at

DPKG = {"var/lib/dpkg/status": "Package: x\n"}
UPGRADE = {**DPKG, "usr/bin/unattended-upgrade": ""}
PERIODIC = "etc/apt/apt.conf.d/20auto-upgrades"


@pytest.mark.parametrize(
    ("files", "updates"),
    [
        ({}, Updates("")),
        (DPKG, Updates("apt", installs=False)),
        ({**UPGRADE, PERIODIC: ""}, Updates("apt", installs=False)),
        ({**UPGRADE, PERIODIC: 'APT::Periodic::Unattended-Upgrade "1";\n'}, Updates("apt", installs=True)),
        ({**UPGRADE, PERIODIC: 'APT::Periodic::Unattended-Upgrade "0";\n'}, Updates("apt", installs=False)),
        ({**UPGRADE, PERIODIC: '// APT::Periodic::Unattended-Upgrade "1";\n'}, Updates("apt", installs=False)),
        (
            {
                **UPGRADE,
                PERIODIC: 'APT::Periodic::Unattended-Upgrade "1";\n',
                "etc/apt/apt.conf.d/99off": 'APT { Periodic {\n  Enable "0"; } }\n',
            },
            Updates("apt", installs=False),
        ),
        (UPGRADE, Updates("apt")),  # no directory of settings: who knows
        ({"etc/dnf/dnf.conf": ""}, Updates("dnf", installs=False)),
    ],
)
def test_automatic_updates_are_on_where_they_are_installed_and_set(
    tmp_path: Path, files: dict[str, str], updates: Updates
) -> None:
    assert host_at(tmp_path, **files).updates == updates


@pytest.mark.parametrize(
    ("timer", "settings", "installs"),
    [
        ("dnf-automatic-install.timer", "apply_updates = no", True),
        ("dnf-automatic.timer", "[commands]\napply_updates = yes\n", True),
        ("dnf-automatic.timer", "[commands]\n# apply_updates = yes\napply_updates = no\n", False),
        ("dnf-automatic.timer", "", False),
        ("dnf-makecache.timer", "apply_updates = yes", False),
    ],
)
def test_dnf_installs_by_a_timer_that_is_enabled(tmp_path: Path, timer: str, settings: str, installs: object) -> None:
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / timer).symlink_to(f"/usr/lib/systemd/system/{timer}")
    updates = host_at(tmp_path, **{"etc/dnf/automatic.conf": settings}).updates
    assert updates is not None
    assert (updates.manager, updates.installs) == ("dnf", installs)


def test_the_last_run_is_the_newest_stamp(tmp_path: Path) -> None:
    stamps = {f"var/lib/apt/periodic/{name}": "" for name in ("upgrade-stamp", "unattended-upgrades-stamp")}
    host_at(tmp_path, **DPKG, **stamps)
    for name, seconds in zip(stamps, (1000, 2000), strict=True):
        os.utime(tmp_path / name, (seconds, seconds))
    updates = HostSource(tmp_path).read().updates
    assert updates is not None
    assert updates.last_run_at_seconds == 2000


def test_dnfs_last_run_is_the_last_start_of_its_timer(tmp_path: Path) -> None:
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "dnf-automatic.timer").symlink_to("/usr/lib/systemd/system/dnf-automatic.timer")
    stamp = "var/lib/systemd/timers/stamp-dnf-automatic.timer"
    host_at(tmp_path, **{"etc/dnf/dnf.conf": "", stamp: ""})
    os.utime(tmp_path / stamp, (3000, 3000))
    updates = HostSource(tmp_path).read().updates
    assert updates is not None
    assert updates.last_run_at_seconds == 3000


@given(st.text())
def test_any_text_is_settings_of_updates(text: str) -> None:
    parse_apt_periodic(text)
    assert parse_apply_updates(text) in (True, False, None)
