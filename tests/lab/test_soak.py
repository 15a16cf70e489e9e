"""A healthy host is silent, and no life of a container is half seen: restarts without end, beside a busy processor.

All containers of the lab are put away for it, and healthy ones take their place; what this lab can never be (SELinux
enforcing, kernel hardening) is waived, as a user would. `make lab-soak` runs it for an hour.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.agent import UNITS, install_agent
from tests.lab.containers import Container, quadlet
from tests.lab.lab import up
from tests.lab.machine import Machine
from tests.lab.pagers import (
    AGENT_TELLS,
    HERE,
    NOTIFICATIONS,
    Pager,
    ask,
    configure_agent,
    quick,
    start_units,
    started,
    stop_pager,
)
from tests.lab.pagers import ALERTS as SHIPPED

CONTAINERS, AT_ONCE = 25, 8
SOAK_SECONDS = float(os.environ.get("LAB_SOAK_SECONDS") or 600)
NAMES = [f"soak-{number:02}" for number in range(1, CONTAINERS + 1)]
RESULT = f"{HERE}/soak.json"

# Of this lab and not of a healthy host: the policy is permissive, the kernel is one for tests.
WAIVED_OF_THE_HOST = (
    "selinux_enforcing",
    "kernel_lockdown",
    "kptr_restricted",
    "dmesg_restricted",
    "unprivileged_bpf_disabled",
    "ptrace_scoped",
    "kexec_disabled",
    "modules_locked_or_signed",
    "automatic_updates",
    "reboot_not_pending",
    "firewall_default_deny",
    "clock_synchronised",
)
WAIVERS = "".join(
    f'\n[[waivers]]\nhost = true\ncheck = "{check}"\nreason = "a guest for tests"\n' for check in WAIVED_OF_THE_HOST
) + ('\n[[waivers]]\ncontainer = "*"\ncheck = "selinux_confined"\nreason = "the policy is permissive here"\n')

PUT_AWAY = """
set -e
mkdir -p /etc/lab/away
loginctl disable-linger alice && systemctl stop user@1000.service || true
systemctl disable --now podrestart.service
units="$(cd /etc/containers/systemd && ls *.container | sed s/container$/service/) stack-pod.service"
systemctl stop $units || true  # missing1 has nothing to stop
mv /etc/containers/systemd/*.container /etc/containers/systemd/*.pod /etc/lab/away/
# podman may not see a process end in time on a busy host.
for try in 1 2 3 4 5; do
    podman pod rm -fa -t 5 && podman rm -fa -t 5 && break
done
rm -f /etc/systemd/system/services-slice_binds.slice
systemctl daemon-reload
systemctl reset-failed
test -z "$(podman ps -aq)"
for number in $(seq -w 1 {count}); do
    zfs create -o quota=64M tank/containers/soak-$number
    chmod 0777 /data/containers/soak-$number
done
"""


def healthy(number: int, image: str) -> str:
    """The quadlet of a container without a fault."""
    container = Container(
        f"soak-{number:02}",
        without=("Volume=",),
        container=(f"Volume=/data/containers/soak-{number:02}:/data:rw,Z,nosuid,nodev",),
        command="/bin/hold 22",
    )
    return quadlet(container, 100 + number, image, None)


@dataclass(frozen=True, slots=True)
class Soaked:
    """What the script in the guest found, and every alert that fired in Prometheus or came to the pager."""

    found: dict[str, Any]
    fired: list[dict[str, str]]
    paged: list[dict[str, str]]


@pytest.fixture(scope="module")
def healthy_host(agent: Machine) -> Iterator[Machine]:
    """The guest with healthy containers alone; booted anew afterwards."""
    lab = agent
    try:
        put_healthy_containers(lab)
        yield lab
    finally:
        up(lab, fresh=True)
        install_agent(lab)


def put_healthy_containers(lab: Machine) -> None:
    """Have healthy containers run and no others, and an agent that knows of no others."""
    image = lab.ssh("podman image inspect localhost/lab:1 --format '{{index .RepoDigests 0}}'").strip()
    lab.run(f"systemctl stop {UNITS} && rm -rf /var/lib/bulkhead", timeout_seconds=120)
    lab.run(PUT_AWAY.format(count=CONTAINERS), timeout_seconds=600)
    for number, name in enumerate(NAMES, start=1):
        lab.run(f"cat >/etc/containers/systemd/{name}.container", stdin=healthy(number, image).encode())
    lab.run(f"systemctl daemon-reload; systemctl start {' '.join(NAMES)}", timeout_seconds=600)


def alerts_of(lab: Machine, pager: Pager) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Every alert that fired since Prometheus began, and every one that the pager was sent, without the watchdog."""
    (series,) = ask(lab, 'ALERTS{alertstate="firing"}', since_seconds=pager.since_seconds)
    fired = [each["metric"] for each in series]
    paged = [each["labels"] for entry in pager.notifications() for each in entry["body"]["alerts"]]
    return (
        [one for one in fired if one["alertname"] != "BulkheadWatchdog"],
        [one for one in paged if one["alertname"] != "BulkheadWatchdog"],
    )


@pytest.fixture(scope="module")
def soaked(healthy_host: Machine) -> Iterator[Soaked]:
    lab = healthy_host
    stop_pager(lab)
    configure_agent(lab, AGENT_TELLS + WAIVERS)  # its clocks are those that everybody has
    pager = started(lab, quick(lab, (SHIPPED / "prometheus.yml").read_text()))
    lab.push(Path(__file__).parent / "soak", f"{HERE}/soak")
    lab.run("systemd-run --quiet --unit=lab-busy -p CPUWeight=100 sh -c 'while :; do :; done'")
    script = f"/usr/bin/python3 {HERE}/soak/soak.py 8 1 {CONTAINERS} {AT_ONCE} {SOAK_SECONDS:.0f}"
    lab.run(f"systemd-run --quiet --unit=lab-soak -p StandardOutput=truncate:{RESULT} {script}")
    try:
        lab.wait(
            lambda: lab.run("systemctl is-active --quiet lab-soak", check=False).returncode != 0,
            "end of the soak",
            timeout_seconds=SOAK_SECONDS + 900,
            pause_seconds=1,
        )
        said = lab.ssh(f"cat {RESULT}")
        assert said, lab.ssh("journalctl -u lab-soak -n 30 --no-pager -o cat")
        lab.run("systemctl stop lab-busy")
        # The last to happen to a host, and Prometheus with its past goes on after it.
        lab.reboot()
        lab.wait(
            lambda: lab.ssh(f"systemctl is-active {' '.join(NAMES)}", check=False).split() == ["active"] * CONTAINERS,
            "containers after the reboot",
            timeout_seconds=600,
        )
        start_units(lab)
        lab.run("sleep 60")  # rules that wait a minute, of what a reboot might have left
        yield Soaked(json.loads(said), *alerts_of(lab, pager))
    finally:
        stop_pager(lab)


def test_no_life_is_half_seen(soaked: Soaked) -> None:
    found = soaked.found
    print(
        {
            name: found[name]
            for name in ("seconds", "rounds", "restarts", "lives", "pages", "pages_with_failing_source", "done")
        }
    )
    assert found["half_seen"] == []
    assert found["lives"] >= found["restarts"] / 2
    assert found["late"] == 0


def test_no_check_flaps_and_nothing_drifts(soaked: Soaked) -> None:
    assert soaked.found["seen"] == {}, json.dumps(soaked.found["sightings"])


def test_a_source_that_was_away_is_soon_back(soaked: Soaked) -> None:
    assert soaked.found["pages_with_failing_source"] <= soaked.found["pages"] / 10


def test_every_page_is_served(soaked: Soaked) -> None:
    assert soaked.found["unserved"] == 0
    assert soaked.found["pages"] > soaked.found["seconds"] / 4


def test_no_alert_fires_on_a_healthy_host(soaked: Soaked) -> None:
    assert soaked.fired == []


def test_nobody_is_paged_on_a_healthy_host(soaked: Soaked) -> None:
    assert soaked.paged == []
    assert NOTIFICATIONS
