"""The guest as a machine, whatever engine runs it: files, disks, ports, a reboot, a power cut."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests.lab.engine import LabError
from tests.lab.lab import up
from tests.lab.machine import Machine

pytestmark = pytest.mark.core


def test_files_and_directories_come_back_as_they_were_sent(lab: Machine, tmp_path: Path) -> None:
    sent, back = tmp_path / "sent", tmp_path / "back"
    (sent / "below").mkdir(parents=True)
    (sent / "below/large").write_bytes(bytes(range(256)) * (3 << 12))  # 3 MiB: more than a cable holds at once
    lab.push(sent, "/var/tmp/lab-sent")
    lab.fetch("/var/tmp/lab-sent", back)
    lab.run("rm -r /var/tmp/lab-sent")
    assert (back / "below/large").read_bytes() == (sent / "below/large").read_bytes()


def test_a_command_that_fails_or_hangs_is_an_error_that_names_it(lab: Machine) -> None:
    with pytest.raises(LabError, match="exited 3: no such thing"):
        lab.run("echo no such thing >&2; exit 3")
    with pytest.raises(LabError, match="did not end within 1 s"):
        lab.run("sleep 60", timeout_seconds=1)


def test_an_added_disk_is_there_to_be_formatted(lab: Machine) -> None:
    device = lab.add_disk(64)
    assert int(lab.ssh(f"blockdev --getsize64 {device}")) == 64 << 20
    lab.run(f"mkfs.ext4 -q {device} && mkdir -p /mnt/lab && mount {device} /mnt/lab && umount /mnt/lab")


def test_a_port_of_the_guest_can_be_reached_from_here(lab: Machine) -> None:
    lab.run("systemctl reset-failed lab-web", check=False)
    lab.run("systemd-run --quiet --unit=lab-web python3 -m http.server --bind 127.0.0.1 --directory /etc/lab 9999")
    try:
        lab.wait(
            lambda: lab.run("curl -sf 127.0.0.1:9999/datasets", check=False).returncode == 0, "web", timeout_seconds=30
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{lab.forward(9999)}/datasets", timeout=20) as answer:
            assert b"objects02 64M" in answer.read()
    finally:
        lab.run("systemctl stop lab-web", check=False)


def test_the_guest_cannot_reach_the_network_of_this_machine(lab: Machine) -> None:
    assert lab.run("curl -s -m 5 http://198.51.100.1/", check=False).returncode != 0


def test_a_power_cut_loses_what_was_not_flushed_and_keeps_what_was(lab: Machine) -> None:
    lab.run("echo kept >/var/tmp/lab-flushed && sync && echo lost >/var/tmp/lab-unflushed")
    lab.cut_power()
    lab.wait(lab.answers, "answer over ssh", timeout_seconds=900)
    assert lab.ssh("cat /var/tmp/lab-flushed") == "kept\n"
    assert lab.ssh("cat /var/tmp/lab-unflushed", check=False) == ""
    assert lab.add_disk(8)  # its console is there in the next life, too
    up(lab)


def test_a_reboot_is_another_life_of_the_same_disks(lab: Machine) -> None:
    lab.run("echo kept >/var/tmp/lab-rebooted")
    before = lab.ssh("cat /proc/sys/kernel/random/boot_id")
    lab.reboot()
    assert lab.ssh("cat /proc/sys/kernel/random/boot_id") != before
    assert lab.ssh("cat /var/tmp/lab-rebooted") == "kept\n"
    up(lab)
