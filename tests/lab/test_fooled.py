"""Who tries to look harmless, or to speak for another, is seen: each trick of an audit on a real host.

What a container hides may make its check fail or be unknown; it must not pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.agent import Page, by_container, metrics, page_when
from tests.lab.counts import KILLS, RESTARTS, UNATTRIBUTED
from tests.lab.machine import Machine
from tests.lab.test_isolation import remove, run
from tests.lab.test_walls import PAYLOAD

CHECK, UNKNOWN = "bulkhead_container_hardening_check", "bulkhead_container_hardening_unknown"
# The guest's own Python, for tricks that a shell cannot do.
PYTHON = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro"
SCRIPTS = "/srv/lab-fooled"

# Drops everything in the first thread alone, as prctl(2) and capset(2) have it.
ONE_THREAD = """
import ctypes, struct, threading, time
libc = ctypes.CDLL(None, use_errno=True)
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
for capability in range(41):
    libc.prctl(24, capability, 0, 0, 0)
assert libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24)) == 0
time.sleep(3600)
"""
# /proc/PID/mountinfo shows only what lies below the root of the process.
CHROOT = """
import os, time
os.chroot("/ro")
time.sleep(3600)
"""
# As a container that runs systemd may do below its payload: its processes into one cgroup, and a limit on another.
FORGE = """
set -e
cd {home}
mkdir all
for pid in $(cat cgroup.procs); do echo $pid >all/cgroup.procs; done
mkdir -p 'lab/e,task_memcg={victim},task=z'
echo +memory >cgroup.subtree_control
find lab -type d | sort | head -n -1 | while read -r each; do echo +memory >"$each/cgroup.subtree_control"; done
echo 8M >'lab/e,task_memcg={victim},task=z/memory.max'
sh -c 'echo $$ >"lab/e,task_memcg={victim},task=z/cgroup.procs"; exec tail /dev/zero' || true
"""
UNFORGE = """
cd {home}
find lab -depth -type d -exec rmdir {{}} \\;
echo -memory >cgroup.subtree_control
for pid in $(cat all/cgroup.procs); do echo $pid >cgroup.procs; done
rmdir all
"""
MANY = "'i=0; while [ $i -lt 2000 ]; do sleep 3600 & i=$((i+1)); done; wait'"


def verdict(page: Page, container: str, check: str) -> str | None:
    """Pass, fail or unknown; None while it is not judged."""
    for name, words in ((CHECK, {0.0: "fail", 1.0: "pass"}), (UNKNOWN, {1.0: "unknown"})):
        for labels, value in page.get(name, []):
            if (labels["container"], labels["check"]) == (container, check) and value in words:
                return words[value]
    return None


@pytest.fixture(scope="module")
def tricky(agent: Machine) -> Iterator[Machine]:
    """The guest with containers that each try something."""
    lab = agent
    lab.run(f"mkdir -p {SCRIPTS} /srv/lab-ro")
    for name, text in (("thread.py", ONE_THREAD), ("chroot.py", CHROOT)):
        lab.run(f"cat >{SCRIPTS}/{name}", stdin=text.encode())
    common = f"--network none {PYTHON} -v {SCRIPTS}:/scripts:ro"
    image = "localhost/lab-evil:1"
    try:
        assert run(lab, "fool-thread", common, command="/usr/bin/python3 /scripts/thread.py")
        assert run(
            lab,
            "fool-chroot",
            common,
            "--cap-add SYS_CHROOT -v /:/host:ro -v /srv/lab-ro:/ro:ro",
            command="/usr/bin/python3 /scripts/chroot.py",
        )
        assert run(lab, "fool-many", "--network none --cap-drop all --pids-limit 3000", command=f"/bin/sh -c {MANY}")
        lab.run("sleep 5; podman exec -d --privileged fool-many /bin/sleep 3600", timeout_seconds=120)
        lab.run(f"podman commit -c 'LABEL PODMAN_SYSTEMD_UNIT=good01.service' fool-many {image}", timeout_seconds=300)
        lab.run(f"podman run -d --rm --name fool-image --network none {image} /bin/sleep 3600", timeout_seconds=120)
        yield lab
    finally:
        # Two thousand processes take longer to end than podman waits.
        lab.run("podman kill -s KILL fool-many", check=False, timeout_seconds=120)
        lab.run("for try in 1 2 3 4 5; do podman rm -f -t 0 --ignore fool-many && break; sleep 5; done", check=False)
        remove(lab, "fool-thread", "fool-chroot", "fool-many", "fool-image")
        lab.run(f"podman rmi -f {image}; rm -rf {SCRIPTS} /srv/lab-ro", check=False, timeout_seconds=120)


@pytest.mark.parametrize(
    ("container", "check"),
    [
        ("fool-thread", "all_capabilities_dropped"),
        ("fool-many", "all_capabilities_dropped"),
        ("fool-many", "not_privileged"),
    ],
)
def test_neither_a_thread_nor_two_thousand_processes_hide_what_one_of_them_may_do(
    tricky: Machine, container: str, check: str
) -> None:
    page_when(tricky, lambda page: verdict(page, container, check) == "fail", f"{check} that fails")


@pytest.mark.parametrize("check", ["no_host_path_of_the_system", "read_only_rootfs"])
def test_a_chroot_hides_no_mount(tricky: Machine, check: str) -> None:
    page = page_when(tricky, lambda page: verdict(page, "fool-chroot", check) is not None, "a verdict")
    assert verdict(page, "fool-chroot", check) in {"fail", "unknown"}


def test_an_image_with_the_label_of_another_unit_takes_none_of_its_restarts(tricky: Machine) -> None:
    before = by_container(metrics(tricky), RESTARTS)
    pid = tricky.ssh("podman inspect -f '{{.State.Pid}}' good01").strip()
    tricky.run(f"kill -9 {pid}")
    after = page_when(
        tricky,
        lambda page: by_container(page, RESTARTS).get("good01", 0) == before.get("good01", 0) + 1,
        "the restart of good01",
    )
    assert by_container(after, RESTARTS).get("fool-image", 0) == before.get("fool-image", 0) == 0


def test_a_cgroup_that_is_named_like_another_container_s_takes_no_kill_to_it(tricky: Machine) -> None:
    """The kernel prints a line that reads as if good01 had been killed: objects02 may name its own cgroups."""
    lab = tricky
    before = metrics(lab)
    victim = lab.ssh(f"ls -d {PAYLOAD.format('good01')}").strip().removeprefix("/sys/fs/cgroup")
    home = lab.ssh(f"ls -d {PAYLOAD.format('objects02')}").strip()
    try:
        lab.run(FORGE.format(home=home, victim=victim), timeout_seconds=120)
        assert f"e,task_memcg={victim},task=z" in lab.ssh("dmesg | grep oom-kill: | tail -1"), "the kernel printed it"
        after = page_when(lab, lambda page: kills_since(before, page, "objects02") >= 1, "the kill of objects02")
    finally:
        lab.run(UNFORGE.format(home=home), check=False, timeout_seconds=120)
    assert kills_since(before, after, "good01") == 0
    assert after[UNATTRIBUTED] == before[UNATTRIBUTED]


def kills_since(before: Page, page: Page, container: str) -> float:
    return by_container(page, KILLS).get(container, 0) - by_container(before, KILLS).get(container, 0)
