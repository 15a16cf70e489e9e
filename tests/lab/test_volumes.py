"""Volumes in the guest: figures that equal `stat -f`, labels told rightly, and a mount that hangs."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.agent import COLLECTOR, Page, by_collector, metrics, page_when
from tests.lab.machine import Machine

LABEL = "bulkhead_container_volume_label"
CHECK = "bulkhead_container_hardening_check"
RUN = (
    "podman run -d --rm --read-only --cap-drop all --security-opt no-new-privileges --userns auto --network none"
    " --stop-timeout 1"
)
CONTAINERS = ("lab-twice-a", "lab-twice-b", "lab-dead", "lab-project")


def volumes(page: Page, name: str) -> dict[tuple[str, str], float]:
    """By container and destination, the value of that family."""
    return {(labels["container"], labels["destination"]): value for labels, value in page.get(name, [])}


def kinds(page: Page) -> dict[tuple[str, str], str]:
    """By container and destination, the kind of its label."""
    return {(labels["container"], labels["destination"]): labels["kind"] for labels, _ in page.get(LABEL, [])}


def verdict(page: Page, container: str, check: str) -> float | None:
    wanted = {"container": container, "check": check}
    return next((value for labels, value in page.get(CHECK, []) if labels == wanted), None)


def test_figures_equal_those_of_stat_and_df(agent: Machine) -> None:
    # Read just now: the page's figures may be a minute old, and a test before this one has written.
    page = after_another_round(agent, metrics(agent))
    shown = {
        name: [
            volumes(page, f"bulkhead_container_volume_{figure}_bytes").get((name, "/data"))
            for figure in ("size", "used", "available")
        ]
        for name in ("good01", "objects02", "bad-no-dataset")
    }
    ask = "stat -f -c '%S %b %f %a' /data/containers/good01 /data/containers/objects02 /srv/bad-no-dataset"
    for (name, figures), line in zip(shown.items(), agent.ssh(ask).splitlines(), strict=True):
        unit, blocks, free, room = (int(word) for word in line.split())
        if name == "bad-no-dataset":  # it lies on the guest's own disk, which others write to
            assert figures[0] == unit * blocks
        else:
            assert figures == [unit * blocks, unit * (blocks - free), unit * room], name
    df = agent.ssh("df -B1 --output=size,used,avail /data/containers/objects02").splitlines()[1]
    assert shown["objects02"] == [int(word) for word in df.split()]


def test_each_label_is_told_rightly(agent: Machine) -> None:
    page = page_when(agent, lambda page: ("bad-host-path", "/host/etc") in kinds(page), "volumes of bad-host-path")
    told = kinds(page)
    assert {one: told.get(one) for one in told if one[1] == "/shared"} == {
        (name, "/shared"): "shared"
        for name in ("shared-a", "shared-b", "bad-shared-no-idmap", "bad-shared-no-idmap-peer")
    }
    assert told["bad-unlabelled-volume", "/data"] == "unlabelled"
    assert told["bad-host-path", "/host/etc"] == "unlabelled"
    assert told["good01", "/data"] == told["bad-no-dataset", "/data"] == "private"
    pid = agent.ssh("podman inspect -f '{{.State.Pid}}' good01").strip()
    *_, kind, level = agent.ssh(f"cat /proc/{pid}/attr/current").strip("\0\n").split(":", 3)
    in_force = {"container": "good01", "type": kind, "level": level}
    assert in_force in [labels for labels, _ in page["bulkhead_container_selinux_info"]]


def test_a_label_changed_behind_the_back_is_told_and_so_is_its_return(agent: Machine) -> None:
    volume, check = ("good01", "/data"), "volumes_labelled_private"
    page_when(agent, lambda page: verdict(page, "good01", check) == 1, "good01 that passes")
    before = agent.ssh("stat -c %C /data/containers/good01").strip()
    agent.run("chcon -l s0:c1,c2 /data/containers/good01")
    try:
        page = page_when(agent, lambda page: kinds(page).get(volume) == "foreign", "foreign label")
        assert verdict(page, "good01", check) == 0
        drift = [labels for labels, _ in page.get("bulkhead_container_hardening_drift", [])]
        assert {"container": "good01", "check": check} in drift
        agent.run("chcon -t var_t -l s0 /data/containers/good01")
        page_when(agent, lambda page: kinds(page).get(volume) == "unlabelled", "label of no container")
    finally:
        agent.run(f"chcon {before} /data/containers/good01")
    page = page_when(agent, lambda page: kinds(page).get(volume) == "private", "the container's own label again")
    assert verdict(page, "good01", check) == 1


@pytest.fixture
def clean(agent: Machine) -> Iterator[Machine]:
    """Without what these tests start, before and after."""
    remove = f"podman rm -f -t 1 {' '.join(CONTAINERS)}; rm -rf /srv/lab-twice /srv/lab-dead"
    agent.run(remove, check=False)
    yield agent
    agent.run(remove, check=False)


def test_one_source_with_z_in_two_containers_locks_the_first_one_out(clean: Machine) -> None:
    clean.run("mkdir /srv/lab-twice")
    for name, options in (("lab-twice-a", "rw,Z,nosuid,nodev"), ("lab-twice-b", "rw,Z")):
        start = f"{RUN} --name {name} -v /srv/lab-twice:/twice:{options} localhost/lab:1 /bin/hold 1"
        clean.run(start, timeout_seconds=240)

    def both_are_judged(page: Page) -> bool:
        return {verdict(page, name, "label_not_shared_twice") for name in CONTAINERS[:2]} == {0}

    page = page_when(clean, both_are_judged, "label that is claimed twice")
    told = {name: kinds(page)[name, "/twice"] for name in CONTAINERS[:2]}
    assert told == {"lab-twice-a": "foreign", "lab-twice-b": "private"}
    assert [verdict(page, name, "volumes_labelled_private") for name in CONTAINERS[:2]] == [0, 1]
    assert [verdict(page, name, "volumes_nosuid_nodev") for name in CONTAINERS[:2]] == [1, 0]
    assert [verdict(page, name, "shared_volumes_idmapped") for name in CONTAINERS[:2]] == [0, 0]
    assert [verdict(page, name, "no_setuid_binaries_reachable") for name in CONTAINERS[:2]] == [1, 1]


# What is made below the directory is of project 42, which may have so many bytes: as chattr(1) and setquota(8) do it.
PROJECT = r"""
import ctypes, fcntl, os, struct, sys
device, directory, limit_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
FSSETXATTR, INHERITS = 0x401C5820, 0x200
Q_SETQUOTA, PRJQUOTA, QIF_BLIMITS, BLOCK_BYTES = 0x800008, 2, 1, 1024
fcntl.ioctl(os.open(directory, os.O_RDONLY), FSSETXATTR, struct.pack("=IIIII8x", INHERITS, 0, 0, 42, 0))
quota = struct.pack("=8QI4x", limit_bytes // BLOCK_BYTES, 0, 0, 0, 0, 0, 0, 0, QIF_BLIMITS)
libc = ctypes.CDLL(None, use_errno=True)
if libc.quotactl(Q_SETQUOTA << 8 | PRJQUOTA, device.encode(), 42, quota):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


MAKE = {
    "ext4": "mke2fs -q -t ext4 -O quota,project -E quotatype=prjquota {image} 64M",
    "xfs": "truncate -s 512M {image} && mkfs.xfs -q {image}",
}


@pytest.fixture(params=list(MAKE))
def quotas(clean: Machine, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A directory of a file system that knows project quotas, and the device of that."""
    image = tmp_path / "image"
    subprocess.run(MAKE[request.param].format(image=image), check=True, shell=True)
    end = "umount /srv/lab-project; rm -rf /srv/lab-project /var/tmp/lab-project"
    clean.run(end, check=False)
    clean.run("gzip -d >/var/tmp/lab-project", stdin=gzip.compress(image.read_bytes(), 1))
    clean.run("mkdir /srv/lab-project && mount -o loop,prjquota /var/tmp/lab-project /srv/lab-project")
    clean.run("mkdir /srv/lab-project/box")
    yield clean.ssh("findmnt -no SOURCE /srv/lab-project").strip()
    clean.run("podman rm -f -t 1 lab-project", check=False)
    clean.run(end)


def test_a_part_under_a_project_quota_shows_the_quota_and_is_a_wall(clean: Machine, quotas: str) -> None:
    box, limit_bytes = "/srv/lab-project/box", 16 << 20
    clean.run(f"{RUN} --name lab-project -v {box}:/box:rw,Z localhost/lab:1 /bin/hold 1", timeout_seconds=240)
    where = ("lab-project", "/box")

    def size(page: Page) -> float | None:
        return volumes(page, "bulkhead_container_volume_size_bytes").get(where)

    page = page_when(clean, lambda page: size(page) is not None, "volume of lab-project")
    whole = int(clean.ssh(f"stat -f -c %b {box}")) * int(clean.ssh(f"stat -f -c %S {box}"))
    assert size(page) == whole
    # The check is judged when processes are read, which may be before the volume was: it is unknown until then.
    assert verdict(page, "lab-project", "own_dataset") in {None, 0}
    page_when(clean, lambda page: verdict(page, "lab-project", "own_dataset") == 0, "no wall")

    clean.run(f"python3 - {quotas} {box} {limit_bytes}", stdin=PROJECT.encode())
    clean.run(f"head -c 4M /dev/urandom >{box}/file && sync")
    page = page_when(clean, lambda page: size(page) == limit_bytes, "size of the quota")
    used = volumes(page, "bulkhead_container_volume_used_bytes")[where]
    assert used == int(clean.ssh(f"df -B1 --output=used {box} | tail -1"))
    assert 4 << 20 <= used < 5 << 20
    page_when(clean, lambda page: verdict(page, "lab-project", "own_dataset") == 1, "a wall")


# A file system whose server never says a word, mounted over /dead in the container whose process is named.
DEAD_MOUNT = r"""
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
fuse = os.open("/dev/fuse", os.O_RDWR)
os.setns(os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"dead", b"/dead", b"fuse.dead", 6, options):
    sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
signal.pause()
"""


def test_a_mount_that_hangs_costs_its_own_figures_and_nothing_else(clean: Machine) -> None:
    dead = ("lab-dead", "/dead")
    clean.run("modprobe fuse; mkdir /srv/lab-dead")
    clean.run(f"{RUN} --name lab-dead -v /srv/lab-dead:/dead:rw,Z localhost/lab:1 /bin/hold 1", timeout_seconds=240)
    page_when(clean, lambda page: dead in kinds(page), "volume of lab-dead")
    pid = int(clean.ssh("podman inspect -f '{{.State.Pid}}' lab-dead"))
    clean.run("install -m 644 /dev/stdin /run/lab-dead.py", stdin=DEAD_MOUNT.encode())
    clean.run(f"systemd-run --collect --unit=lab-dead python3 /run/lab-dead.py {pid}")
    try:
        page = page_when(clean, lambda page: not succeeds(page), "dead mount")
        assert dead not in kinds(page)
        rounds = threads(clean)
        for _ in range(3):  # in each round of the volumes' clock the others are read, and no thread is added
            page = after_another_round(clean, page)
            assert kinds(page)["good01", "/data"] == "private"
            assert dead not in kinds(page)
        assert threads(clean) <= rounds + 1  # a poller's own worker may just be at work
    finally:
        clean.run("systemctl stop lab-dead; rm -f /run/lab-dead.py", check=False)
    clean.run("podman rm -f -t 1 lab-dead", timeout_seconds=240)
    page_when(clean, succeeds, "page without a dead mount")


def succeeds(page: Page) -> bool:
    return by_collector(page, "bulkhead_scrape_collector_success").get("volume") == 1


def after_another_round(lab: Machine, page: Page) -> Page:
    def age(page: Page) -> float:
        return by_collector(page, "bulkhead_collector_age_seconds")["volume"]

    last = age(page)

    def is_younger(page: Page) -> bool:
        nonlocal last
        before, last = last, age(page)
        return last < before

    return page_when(lab, is_younger, "another round of the volumes")


def threads(lab: Machine) -> int:
    """How many the collector has."""
    pid = lab.ssh(f"systemctl show -P MainPID {COLLECTOR}").strip()
    return int(lab.ssh(f"grep Threads: /proc/{pid}/status").split()[1])
