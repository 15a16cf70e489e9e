"""Walls that fall while a container lives turn its checks red and nothing else; once they stand again, all is well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.agent import metrics
from tests.lab.machine import LabError, Machine

pytestmark = pytest.mark.lab

CHECK = "bulkhead_container_hardening_check"
DRIFT = "bulkhead_container_hardening_drift"
DEADLINE_SECONDS = 240
BY_HAND = {"own_slice", "limits_redundant", "memory_high_set", "managed_by_quadlet", "selinux_confined"}
"""What fails for every container that `podman run` makes here."""
RUN = "podman run -d --rm --network none --read-only --cap-drop all --security-opt no-new-privileges -m 64m --cpus 1"
IMAGE = "localhost/lab:1 /bin/hold 1"
PAYLOAD = "/sys/fs/cgroup/services.slice/services-{0}.slice/{0}.service/libpod-payload-*"
# Who has capabilities in good01 came by `podman exec`.
END_EXEC = f"""
for pid in $(cat {PAYLOAD.format("good01")}/cgroup.procs); do
    grep -q 'CapBnd:.0000000000000000' /proc/$pid/status || kill -9 $pid
done
"""

Verdicts = dict[tuple[str, str], float]


def verdicts(lab: Machine, name: str = CHECK) -> Verdicts:
    """By container and check."""
    return {(labels["container"], labels["check"]): value for labels, value in metrics(lab).get(name, [])}


def wait_for_failures(lab: Machine, before: Verdicts, expected: set[tuple[str, str]]) -> None:
    """Until exactly these fail beside those that failed before, and nothing that failed has mended itself."""
    seen: set[tuple[str, str]] = set()

    def turned() -> bool:
        nonlocal seen
        now = verdicts(lab)
        seen = {key for key in before.keys() | now.keys() if before.get(key, 1) != now.get(key, 1)}
        return seen == expected

    try:
        lab.wait(turned, "change of verdicts", timeout_seconds=DEADLINE_SECONDS, pause_seconds=3)
    except LabError:
        assert seen == expected


@pytest.fixture
def before(agent: Machine) -> Iterator[Verdicts]:
    """The verdicts before; after the test they are waited for."""
    found: Verdicts = {}

    def at_rest() -> bool:
        nonlocal found
        last, found = found, verdicts(agent)
        return len(found) > 500 and found == last

    agent.wait(at_rest, "verdicts that stay the same", timeout_seconds=DEADLINE_SECONDS, pause_seconds=5)
    yield found
    wait_for_failures(agent, found, set())


def test_a_privileged_exec_into_a_good_container_turns_it_red_while_it_lasts(agent: Machine, before: Verdicts) -> None:
    expected = {("good01", "not_privileged"), ("good01", "all_capabilities_dropped")}
    agent.run("podman exec -d --privileged good01 /bin/hold 2")
    try:
        wait_for_failures(agent, before, expected)
        assert expected <= verdicts(agent, DRIFT).keys()
    finally:
        agent.run(END_EXEC, check=False)


def test_a_limit_removed_behind_podmans_back_turns_red_and_comes_back(agent: Machine, before: Verdicts) -> None:
    limit = f"{PAYLOAD.format('objects02')}/memory.max"
    asked = agent.ssh(f"cat {limit}").strip()
    agent.run(f"echo max >$(echo {limit})")
    try:
        wait_for_failures(agent, before, {("objects02", "limits_applied"), ("objects02", "limits_redundant")})
        assert ("objects02", "limits_applied") in verdicts(agent, DRIFT)
    finally:
        agent.run(f"echo {asked} >$(echo {limit})")


def test_a_limit_removed_by_set_property_stands_once(agent: Machine, before: Verdicts) -> None:
    agent.run("systemctl set-property --runtime objects02.service MemoryMax=infinity")
    try:
        wait_for_failures(agent, before, {("objects02", "limits_redundant")})
    finally:
        agent.run("systemctl revert objects02.service && systemctl daemon-reload")


def test_what_two_containers_share_and_what_one_has_of_the_host_is_told(agent: Machine, before: Verdicts) -> None:
    shared = "--security-opt label=level:s0:c1,c2"
    for name, first in (("wall-a", 3_000_000), ("wall-b", 3_000_999)):
        ids = f"--uidmap 0:{first}:1000 --gidmap 0:{first}:1000"
        agent.run(f"{RUN} --name {name} {ids} {shared} {IMAGE}")
    of_host = "--uts host --ipc host --cgroupns host --device /dev/fuse --security-opt unmask=ALL"
    socket = "-v /run/podman/podman.sock:/engine.sock"
    agent.run(f"{RUN} --name wall-c --userns auto {of_host} {socket} {IMAGE}")
    # Ids that were mapped by hand lie outside podman's own range.
    twins = BY_HAND | {"user_namespace_disjoint", "selinux_unique_label", "private_user_namespace"}
    paths = {"no_host_namespaces", "no_host_path_of_the_system", "no_added_devices", "paths_masked"}
    expected = {"wall-a": twins, "wall-b": twins, "wall-c": BY_HAND | paths}
    try:
        wait_for_failures(agent, before, {(name, check) for name, checks in expected.items() for check in checks})
    finally:
        agent.run("podman rm -f -t 0 wall-a wall-b wall-c", check=False)
