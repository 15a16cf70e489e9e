"""The verdicts of /metrics are those that the lab's containers were built for, and what /proc says."""

from __future__ import annotations

import contextlib
import json

import pytest

from exporter.assess.checks.container import CHECKS
from tests.lab.agent import Page, metrics
from tests.lab.containers import ALL
from tests.lab.engine import LabError
from tests.lab.machine import Machine

EVERYWHERE = {"selinux_confined"}
"""The lab's policy is not enforced, so no label confines anything."""

OF_VOLUMES = {"volumes_nosuid_nodev"}
"""The seed's quadlets, and so the lab's, do not ask for nosuid and nodev; this is of what has a volume."""

FAILING: dict[str, set[str]] = {
    # podman's own defaults, and ids of alice's own range: it asks for none of the practices.
    "alice/rootless1": {
        "rootful",
        "all_capabilities_dropped",
        "no_new_privileges",
        "private_user_namespace",
        "read_only_rootfs",
        "own_slice",
        "memory_limited",
        "cpu_limited",
        "limits_redundant",
        "memory_high_set",
        # Her root's id in the container is her own.
        "user_namespace_disjoint",
        "images_in_system_storage",
    },
    # It asks for UserNS=auto, and silently gets its pod's: the host's.
    "inpod1": {"private_user_namespace", "no_host_namespaces"},
    # `podman run --restart` in machine.slice, with a memory limit, read-only, and nothing else.
    "podrestart": {
        "auto_remove",
        "all_capabilities_dropped",
        "no_new_privileges",
        "private_user_namespace",
        "no_host_namespaces",
        "own_slice",
        "cpu_limited",
        "limits_redundant",
        "memory_high_set",
        "managed_by_quadlet",
    },
    # The pod's own container, to which a quadlet can give none of the practices.
    "stack-infra": {
        "auto_remove",
        "all_capabilities_dropped",
        "no_new_privileges",
        "private_user_namespace",
        "no_host_namespaces",
        "read_only_rootfs",
        "memory_limited",
        "memory_high_set",
        "cpu_limited",
        "limits_redundant",
        "restart_paced",
    },
    "noslice": {"own_slice"},
    "privileged1": {
        "all_capabilities_dropped",
        "no_new_privileges",
        "private_user_namespace",
        "read_only_rootfs",
        "seccomp_filtered",
        "not_privileged",
        "no_host_namespaces",
        "no_added_devices",
        "paths_masked",
    },
    "bad-writable-rootfs": {"read_only_rootfs"},
    "bad-kept": {"auto_remove"},
    "bad-capability": {"all_capabilities_dropped"},
    "bad-new-privileges": {"no_new_privileges"},
    # Without ids of its own it is in the host's user namespace, by two checks.
    "bad-no-userns": {"private_user_namespace", "no_host_namespaces"},
    "bad-seccomp-unconfined": {"seccomp_filtered"},
    "bad-shared-slice": {"own_slice"},
    "bad-shared-slice-peer": {"own_slice"},
    # What is not limited at all is not limited twice either.
    "bad-no-memory-limit": {"memory_limited", "limits_redundant", "memory_high_set"},
    "bad-no-cpu-limit": {"cpu_limited", "limits_redundant"},
    "bad-no-pids-limit": {"pids_limited"},
    "bad-limit-once": {"limits_redundant"},
    "bad-bridge": {"macvlan_network"},
    "bad-restart-always-fast": {"restart_paced"},
    "bad-host-pid": {"no_host_namespaces"},
    "bad-host-path": {"no_host_path_of_the_system"},
    "bad-unlabelled-volume": {"volumes_labelled_private"},
    "bad-shared-no-idmap": {"shared_volumes_idmapped"},
    "bad-shared-no-idmap-peer": {"shared_volumes_idmapped"},
    "bad-no-dataset": {"own_dataset"},
    "bad-no-quota": {"dataset_quota"},
}
"""Beside `EVERYWHERE`. A container that is not here passes the rest."""

UNKNOWN: dict[str, set[str]] = {
    # Nobody asks alice's podman, and her units are those of her own systemd.
    "alice/rootless1": {
        "auto_remove",
        "macvlan_network",
        "restart_paced",
        "limits_applied",
        "image_pinned",
        "managed_by_quadlet",
        "no_setuid_binaries_reachable",
        "seccomp_filtered",
    },
    # Without no_new_privileges, what their images hold would matter, and nobody searches it.
    "bad-new-privileges": {"no_setuid_binaries_reachable"},
    "podrestart": {"no_setuid_binaries_reachable"},
    "privileged1": {"no_setuid_binaries_reachable"},
    "stack-infra": {"no_setuid_binaries_reachable"},
}

WITHOUT_VOLUMES = {"volumes_labelled_private", "own_dataset", "dataset_quota", "volumes_nosuid_nodev"}
OF_SELINUX = {"apparmor_confined"}
"""The lab's access control is SELinux."""
NOT_APPLICABLE: dict[str, set[str]] = {
    # The lab has no swap: only a limit that is there is judged.
    "alice/rootless1": WITHOUT_VOLUMES | {"swap_limited"},
    # It runs with the host's ids, from an image that was made here, in a policy of `podman run` and no unit.
    "podrestart": WITHOUT_VOLUMES
    | {"shared_volumes_idmapped", "restart_paced", "user_namespace_disjoint", "image_pinned"},
    # podman makes it, with the host's ids and no limits.
    "stack-infra": WITHOUT_VOLUMES
    | {"shared_volumes_idmapped", "user_namespace_disjoint", "image_pinned", "managed_by_quadlet"}
    | {"limits_applied", "swap_limited"},
    # No label confines it, and its ids are the host's.
    "privileged1": {"volumes_labelled_private", "label_not_shared_twice", "shared_volumes_idmapped"}
    | {"user_namespace_disjoint", "selinux_unique_label"},
}
"""Of the containers in `UNKNOWN`: the checks that have nothing to judge there."""


def verdicts(page: Page, name: str) -> dict[str, dict[str, float]]:
    """By container and check, the value of that family."""
    found: dict[str, dict[str, float]] = {}
    for labels, value in page.get(name, []):
        found.setdefault(labels["container"], {})[labels["check"]] = value
    return found


def failing(page: Page) -> dict[str, set[str]]:
    """What fails, by container."""
    return {
        name: {check for check, value in checks.items() if value == 0}
        for name, checks in verdicts(page, "bulkhead_container_hardening_check").items()
    }


def unknown(page: Page) -> dict[str, set[str]]:
    """What is unknown, by container."""
    return {name: set(checks) for name, checks in verdicts(page, "bulkhead_container_hardening_unknown").items()}


RUNNING = {one.name for one in ALL if one.at_boot and one.name != "missing1"} | set(FAILING)
EXPECTED = {
    name: EVERYWHERE | (OF_VOLUMES if name in {one.name for one in ALL} else set()) | FAILING.get(name, set())
    for name in RUNNING
}


@pytest.fixture(scope="module")
def page(agent: Machine) -> Page:
    """The first page on which all is as expected, else the last one: the tests say best what is wrong with it."""
    found: Page = {}

    def settled() -> bool:
        nonlocal found
        found = metrics(agent)
        shown = failing(found)
        return unknown(found) == UNKNOWN and {name: shown.get(name) for name in RUNNING} == EXPECTED

    with contextlib.suppress(LabError):
        agent.wait(settled, "page on which every check is known", timeout_seconds=240, pause_seconds=1)
    return found


def test_every_container_fails_exactly_the_checks_of_the_practice_that_it_breaks(page: Page) -> None:
    shown = failing(page)
    assert {name: shown.get(name) for name in RUNNING} == EXPECTED


def test_what_is_not_failed_is_passed_or_named_as_unknown(page: Page) -> None:
    catalogue = {check.id for check in CHECKS}
    judged = verdicts(page, "bulkhead_container_hardening_check")
    assert unknown(page) == UNKNOWN
    for name in ("objects02", "good01", *UNKNOWN):
        not_applicable = OF_SELINUX | NOT_APPLICABLE.get(name, set())
        assert set(judged[name]) | UNKNOWN.get(name, set()) == catalogue - not_applicable, name


# What each process of each container is allowed, read from /proc alone.
EVERY_PROCESS = r"""
import glob, json, os, re
def text(path):
    try:
        return open(path).read()
    except OSError:
        return None
first = {name: min(int(line.split(":")[1]) for line in open(f"/etc/{name}") if line.startswith("containers:"))
         for name in ("subuid", "subgid")}
def private(pid, kind):
    lines = [line.split() for line in (text(f"/proc/{pid}/{kind}_map") or "").splitlines()]
    return bool(lines) and all(int(outside) >= first[f"sub{kind}"] for _, outside, _ in lines)
capabilities = ["Cap" + one for one in ("Bnd", "Prm", "Eff", "Inh", "Amb")]
result = {}
for directory in glob.glob("/proc/[0-9]*"):
    pid = os.path.basename(directory)
    name = re.search(r"/libpod-(?:payload-)?([0-9a-f]{64})(?:\.scope)?(?:/|\n)", text(directory + "/cgroup") or "")
    said, mounts = text(directory + "/status"), text(directory + "/mountinfo")
    if not name or not said or not mounts:
        continue
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    root = [line.split() for line in mounts.splitlines() if line.split()[4] == "/"][-1]
    held = result.setdefault(name[1], {})
    for check, holds in (
        ("all_capabilities_dropped", not any(int(status[one], 16) for one in capabilities)),
        ("no_new_privileges", status["NoNewPrivs"] == "1"),
        ("seccomp_filtered", status["Seccomp"] == "2"),
        ("private_user_namespace", private(pid, "uid") and private(pid, "gid")),
        ("read_only_rootfs", "ro" in root[5].split(",")),
    ):
        held[check] = held.get(check, True) and holds
print(json.dumps(result))
"""


def test_verdicts_equal_what_proc_says_of_every_process(agent: Machine, page: Page) -> None:
    told = json.loads(agent.ssh("python3 -", stdin=EVERY_PROCESS.encode()))
    shown = verdicts(page, "bulkhead_container_hardening_check")
    ids = {labels["container"]: labels["id"] for labels, _ in page["bulkhead_container_info"] if labels["id"]}
    assert len(told) >= len(ALL) - 4
    for name, identity in ids.items():
        if identity in told:
            known = {check: holds for check, holds in told[identity].items() if check not in UNKNOWN.get(name, set())}
            assert {check: shown[name].get(check) for check in known} == known, name
