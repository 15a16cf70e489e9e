"""One source that fails leaves the rest served, and its own series tell it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.agent import Page, by_collector, by_container, metrics, page_when, wait_until_ready
from tests.lab.machine import Machine

pytestmark = pytest.mark.core

SUCCESS = "bulkhead_scrape_collector_success"
PRESENT = "bulkhead_scrape_collector_present"
USAGE = "bulkhead_container_memory_usage_bytes"
LIVES = tuple(f"bulkhead_container_{what}_total" for what in ("starts", "exits", "restarts"))
STARTING = "bulkhead_container_starting"
CHECK = "bulkhead_container_hardening_check"
CONFIG = "/dev/null"
"""The installed configuration is root's alone to read."""
WITHOUT_ZFS = "http://127.0.0.1:9947"


def judged(page: Page) -> set[str]:
    """The containers with verdicts."""
    return {labels["container"] for labels, _ in page.get(CHECK, [])}


def succeeds(page: Page, collector: str) -> float | None:
    return by_collector(page, SUCCESS).get(collector)


def assert_same_containers(lab: Machine, before: Page, page: Page) -> None:
    """Both pages have memory for the same containers, but for those that began or ended a life meanwhile."""
    differing = set(by_container(before, USAGE)) ^ set(by_container(page, USAGE))
    if differing:
        what = f"word of a life that began or ended, of {', '.join(sorted(differing))}"
        lab.wait(lambda: differing <= moved(before, metrics(lab)), what, timeout_seconds=60, pause_seconds=1)


def moved(before: Page, after: Page) -> set[str]:
    """The containers of which the agent has counted a start, an exit or a restart between its two pages."""

    def counted(page: Page) -> set[tuple[str, str, str, float]]:
        return {
            (labels["container"], name, labels.get("reason", ""), value)
            for name in LIVES
            for labels, value in page.get(name, [])
            if value
        }

    return {container for container, *_ in counted(after) - counted(before)}


def another_agent(lab: Machine, name: str, url: str, *properties: str, config: str = CONFIG) -> Iterator[str]:
    """A second agent under restrictions of its own, as a unit that leaves nothing behind."""
    address = url.removeprefix("http://")
    options = " ".join(f"-p {one}" for one in properties)
    lab.run(f"systemctl stop {name}; systemctl reset-failed {name}", check=False)
    serve = f"/usr/bin/bulkhead serve --config {config} --listen {address}"
    lab.run(f"systemd-run --collect --unit={name} {options} {serve}")
    try:
        wait_until_ready(lab, url)
        yield url
    finally:
        lab.run(f"systemctl stop {name}", check=False)


def test_a_stopped_podman_is_told_and_memory_goes_on(agent: Machine) -> None:
    before = page_when(agent, lambda page: succeeds(page, "podman") == 1, "podman that answers")
    agent.run("systemctl stop podman.socket podman.service")
    try:
        during = page_when(agent, lambda page: succeeds(page, "podman") == 0, "word of a stopped podman")
        assert by_collector(during, PRESENT)["podman"] == 1
        assert succeeds(during, "cgroup") == 1
        starting = by_container(during, STARTING)
        assert judged(during) >= {name for name in by_container(during, USAGE) if not starting.get(name)}
    finally:
        agent.run("systemctl start podman.socket")
    page_when(agent, lambda page: succeeds(page, "podman") == 1, "podman that answers again")
    assert_same_containers(agent, before, during)


def test_a_dbus_that_hangs_is_told_and_the_rest_goes_on(agent: Machine) -> None:
    before = page_when(agent, lambda page: succeeds(page, "systemd") == 1, "systemd that answers")
    # Stopped as a process, not as a unit: the guest's own sessions live through it, and it hides no socket.
    daemon = "systemctl show -p MainPID --value dbus.service"
    agent.run(f"kill -STOP $({daemon})")
    try:
        during = page_when(agent, lambda page: succeeds(page, "systemd") == 0, "word of a hanging D-Bus")
        assert by_collector(during, PRESENT)["systemd"] == 1
        assert succeeds(during, "cgroup") == 1
        assert during["bulkhead_zfs_dataset_used_bytes"]
    finally:
        agent.run(f"kill -CONT $({daemon})")
    page_when(agent, lambda page: succeeds(page, "systemd") == 1, "systemd that answers again")
    assert_same_containers(agent, before, during)


@pytest.fixture(scope="module")
def without_zfs(agent: Machine) -> Iterator[str]:
    hidden = "InaccessiblePaths='/proc/spl /dev/zfs /run/dbus/system_bus_socket'"
    yield from another_agent(agent, "bulkhead-without-zfs", WITHOUT_ZFS, hidden)


def test_zfs_that_is_not_there_is_absent_not_failed(agent: Machine, without_zfs: str) -> None:
    # A container is judged once podman has answered for it, which may be seconds after the first page.
    expected = {"objects02", "privileged1"}
    page = page_when(agent, lambda page: judged(page) >= expected, f"{sorted(expected)} judged", without_zfs)
    present, success = by_collector(page, PRESENT), by_collector(page, SUCCESS)
    assert (present["zfs"], present["zfs_mounted"]) == (0, 0)
    assert not {"zfs", "zfs_mounted"} & set(success)
    assert "bulkhead_zfs_dataset_used_bytes" not in page
    assert by_container(page, USAGE)["objects02"] > 0


def test_a_dbus_that_nobody_listens_on_is_told(agent: Machine, without_zfs: str) -> None:
    page = metrics(agent, without_zfs)
    assert succeeds(page, "systemd") != 1
    assert succeeds(page, "process") == 1
