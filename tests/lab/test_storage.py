"""What is told of ZFS equals what `zfs get` says while datasets fill up, and a pool that fails costs itself alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.agent import Page, by_collector, metrics, page_when
from tests.lab.machine import Machine
from tests.lab.test_failures import SUCCESS, another_agent

URL = "http://127.0.0.1:9948"
CONFIG_PATH = "/run/bulkhead-storage.toml"
# Quick clocks, so that a step costs seconds; state of its own, beside that of the installed agent.
CONFIG = """\
state_dir = "/run/bulkhead-storage"
clocks = { zfs_seconds = 4, zfs_mounted_seconds = 4 }
zfs.leave_out = ["small/left*"]
"""
MIB = 1 << 20
CONTAINER, DATASET = "good01", "tank/containers/good01"
FIGURES = {
    "used": "used",
    "available": "available",
    "referenced": "referenced",
    "usedbysnapshots": "used_by_snapshots",
    "usedbydataset": "used_by_dataset",
    "usedbychildren": "used_by_children",
    "logicalused": "logical_used",
    "written": "written",
    "quota": "quota",
    "refquota": "refquota",
    "reservation": "reservation",
    "refreservation": "refreservation",
}
LIMITS = frozenset({"quota", "refquota", "reservation", "refreservation"})

# A pool of 128 MiB (56 MiB of it for data) on a device-mapper device, which can be told to fail, mounted by a
# container: idmapped, with a dataset below another, and beside them two datasets that no container mounts.
SMALL = "/var/tmp/lab-small"
MAKE_POOL = f"""
set -e
mkdir -p {SMALL}
truncate -s 128M {SMALL}/disk
loop=$(losetup -f --show {SMALL}/disk)
echo "0 262144 linear $loop 0" | dmsetup create lab-small
zpool create -f -O compression=off -m {SMALL}/mount small /dev/mapper/lab-small
zfs create small/outer
zfs create small/outer/inner
zfs create small/left-out
zfs create -V 4M -s small/volume
chmod 0777 {SMALL}/mount/outer {SMALL}/mount/outer/inner
podman run -d --rm --name small --network none --userns auto --cap-drop all --read-only \
    -v {SMALL}/mount/outer:/outer:rw,z,idmap localhost/lab:1 /bin/hold 1
"""
UNMAKE_POOL = f"""
podman rm -f -t 2 small
zpool destroy -f small
dmsetup remove lab-small
losetup -j {SMALL}/disk | cut -d: -f1 | xargs -r losetup -d
rm -rf {SMALL}
"""
TURN_DEVICE = """
set -e
dmsetup suspend --nolockfs lab-small
echo "{table}" | dmsetup load lab-small
dmsetup resume lab-small
"""


@pytest.fixture(scope="module")
def storage(agent: Machine) -> Iterator[Machine]:
    """The guest, with a second agent whose clocks for ZFS are quick."""
    agent.run(f"cat >{CONFIG_PATH}", stdin=CONFIG.encode())
    # `yield from` would give the address, which is known.
    for _ in another_agent(agent, "bulkhead-storage", URL, config=CONFIG_PATH):
        yield agent
    agent.run(f"rm -rf {CONFIG_PATH} /run/bulkhead-storage")


@pytest.fixture(scope="module")
def small(storage: Machine) -> Iterator[Machine]:
    """The guest, with the pool `small`."""
    storage.run(UNMAKE_POOL, check=False)
    try:
        storage.run(MAKE_POOL, timeout_seconds=300)
        yield storage
    finally:
        storage.run(UNMAKE_POOL, check=False, timeout_seconds=300)


@contextmanager
def restored(lab: Machine, undo: str) -> Iterator[None]:
    """Whatever a test did to the container's dataset is undone."""
    try:
        yield
    finally:
        lab.run(f"rm -f /data/containers/{CONTAINER}/fill; {undo}", check=False)


def told_by_zfs(lab: Machine, dataset: str) -> dict[str, float]:
    said = lab.ssh(f"zfs get -Hp -o property,value {','.join(FIGURES)} {dataset}")
    told = dict(line.split("\t") for line in said.splitlines())
    # `none` is 0 to -p, and - is what a volume has no such thing for.
    return {
        name: float(told[name]) for name in FIGURES if not (told[name] in "0-" and name in LIMITS) and told[name] != "-"
    }


def told_by_page(page: Page, dataset: str) -> dict[str, float]:
    return {
        name: value
        for name, word in FIGURES.items()
        for labels, value in page.get(f"bulkhead_zfs_dataset_{word}_bytes", [])
        if labels["dataset"] == dataset
    }


def figure(page: Page, family: str, /, **wanted: str) -> float | None:
    """The one value of that family with these labels; None if there is none."""
    values = [value for labels, value in page.get(f"bulkhead_{family}", []) if wanted.items() <= labels.items()]
    assert len(values) <= 1
    return values[0] if values else None


def page_that_agrees(lab: Machine, *datasets: str) -> Page:
    """The first page whose figures of these datasets are all those of `zfs get`."""
    lab.run("zpool sync tank")
    return page_when(
        lab,
        lambda page: all(told_by_page(page, dataset) == told_by_zfs(lab, dataset) for dataset in datasets),
        f"page that agrees with zfs get on {', '.join(datasets)}",
        URL,
    )


def fill(lab: Machine, mebibytes: int, container: str = CONTAINER, file: str = "/data/fill") -> bool:
    """Write more from inside the container; whether all of it found room."""
    write = f"dd if=/dev/urandom bs=1M count={mebibytes} conv=fsync >>{file}"
    done = lab.run(f"podman exec {container} sh -c {shlex.quote(write)}", check=False, timeout_seconds=240)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0 or "No space left" in said or "quota exceeded" in said, said
    return done.returncode == 0


def test_a_quota_that_fills_from_inside_the_container_is_seen_coming(storage: Machine) -> None:
    with restored(storage, f"zfs set quota=64M {DATASET}"):
        storage.run(f"zfs set quota=16M {DATASET}")
        page = page_that_agrees(storage, DATASET)
        warning = figure(page, "threshold", name="quota_warning_ratio")
        ratios = [figure(page, "zfs_dataset_quota_ratio", dataset=DATASET)]
        for mebibytes in (8, 6):
            assert fill(storage, mebibytes)
            page = page_that_agrees(storage, DATASET)
            ratios.append(figure(page, "zfs_dataset_quota_ratio", dataset=DATASET))
        assert not fill(storage, 8)
        page = page_that_agrees(storage, DATASET)
        ratios.append(figure(page, "zfs_dataset_quota_ratio", dataset=DATASET))
        seen = [ratio for ratio in ratios if ratio is not None]
        assert len(seen) == 4
        assert seen == sorted(seen)
        assert warning is not None
        assert seen[1] < warning < seen[2] < seen[3], "the warning comes before it is full"
        assert 0.97 < seen[3] <= 1.01
        assert figure(page, "zfs_dataset_fill_ratio", dataset=DATASET) == pytest.approx(1, abs=0.03)


def test_snapshots_eat_a_quota_and_no_refquota(storage: Machine) -> None:
    undo = f"zfs destroy {DATASET}@lab; zfs set quota=64M {DATASET}; zfs set refquota=none {DATASET}"
    with restored(storage, undo):
        storage.run(f"zfs set quota=16M {DATASET} && zfs set refquota=10M {DATASET}")
        assert fill(storage, 8)
        page = page_that_agrees(storage, DATASET)
        # 8 of 10 MiB of the refquota, 8 of 16 of the quota: the fuller is told.
        assert figure(page, "zfs_dataset_quota_ratio", dataset=DATASET) == pytest.approx(0.8, abs=0.05)
        assert figure(page, "zfs_dataset_used_by_snapshots_bytes", dataset=DATASET) == 0
        storage.run(f"zfs snapshot {DATASET}@lab && rm /data/containers/{CONTAINER}/fill && zpool sync tank")
        assert fill(storage, 7)
        page = page_that_agrees(storage, DATASET)
        used_by_snapshots = figure(page, "zfs_dataset_used_by_snapshots_bytes", dataset=DATASET)
        assert used_by_snapshots is not None
        assert used_by_snapshots > 7 * MIB
        # 7 of 10 MiB of the refquota, and 15 of 16 of the quota.
        assert figure(page, "zfs_dataset_quota_ratio", dataset=DATASET) == pytest.approx(15 / 16, abs=0.05)
        assert not fill(storage, 8)
        page = page_that_agrees(storage, DATASET)
        assert figure(page, "zfs_dataset_quota_ratio", dataset=DATASET) == pytest.approx(1, abs=0.03)


def test_a_refquota_that_is_full_is_told(storage: Machine) -> None:
    with restored(storage, f"zfs set refquota=none {DATASET}"):
        storage.run(f"zfs set refquota=8M {DATASET}")
        assert not fill(storage, 12)
        page = page_that_agrees(storage, DATASET)
        assert figure(page, "zfs_dataset_quota_ratio", dataset=DATASET) == pytest.approx(1, abs=0.03)
        assert figure(page, "zfs_dataset_available_bytes", dataset=DATASET) == 0


def test_a_parents_quota_fills_its_children(storage: Machine) -> None:
    with restored(storage, "zfs set quota=none tank/containers"):
        used = int(storage.ssh("zfs get -Hp -o value used tank/containers"))
        storage.run(f"zfs set quota={used + 12 * MIB} tank/containers")
        before = figure(page_that_agrees(storage, DATASET), "zfs_dataset_fill_ratio", dataset=DATASET)
        assert not fill(storage, 16)
        page = page_that_agrees(storage, DATASET, "tank/containers")
        # Its own quota of 64 MiB is far; what is above it is full.
        own = figure(page, "zfs_dataset_quota_ratio", dataset=DATASET)
        full = figure(page, "zfs_dataset_fill_ratio", dataset=DATASET)
        assert own is not None
        assert own < 0.5
        assert before is not None
        assert full is not None
        assert before < 0.9
        assert 0.97 < full <= 1
        assert figure(page, "zfs_dataset_quota_ratio", dataset="tank/containers") == pytest.approx(1, abs=0.03)
        neighbour = figure(page, "zfs_dataset_available_bytes", dataset="tank/containers/objects02")
        assert neighbour is not None
        assert neighbour < MIB


def test_idmapped_and_nested_datasets_are_the_containers(small: Machine) -> None:
    page = page_when(
        small, lambda page: figure(page, "container_dataset_info", dataset="small/outer") == 1, "its mount", URL
    )
    mounted = {
        (labels["dataset"], labels["destination"], labels["mode"])
        for labels, _ in page["bulkhead_container_dataset_info"]
        if labels["container"] == "small"
    }
    assert mounted == {("small/outer", "/outer", "rw"), ("small/outer/inner", "/outer/inner", "rw")}
    assert "idmapped" in small.ssh("podman exec small grep ' /outer ' /proc/self/mountinfo")


def test_datasets_of_no_container_are_told_but_those_left_out(small: Machine) -> None:
    page = page_that_agrees(small, "small", "small/volume", "small/outer/inner")
    assert told_by_page(page, "small/left-out") == {}
    assert told_by_page(page, "small/volume").keys().isdisjoint({"quota", "refquota"})


def test_a_pool_that_fills_up_is_told_of_its_datasets(small: Machine) -> None:
    assert not fill(small, 80, "small", "/outer/inner/fill")
    small.run("zpool sync small")
    page = page_that_agrees(small, "small/outer/inner", "small/outer")
    for dataset in ("small/outer/inner", "small/outer"):
        assert figure(page, "zfs_dataset_fill_ratio", dataset=dataset) == pytest.approx(1, abs=0.03)
        assert figure(page, "zfs_dataset_quota_ratio", dataset=dataset) is None
    small.run(f"rm -f {SMALL}/mount/outer/inner/fill; zpool sync small")


def pool_is(page: Page, state: str) -> bool:
    return figure(page, "zfs_pool_state", pool="small", state=state) == 1


def has_sound_pool(page: Page) -> bool:
    return pool_is(page, "online") and told_by_page(page, "small/outer") != {}


def test_a_suspended_pool_costs_its_own_figures_alone(small: Machine) -> None:
    """Last: should the pool not come back, nothing else needs it."""
    loop = small.ssh(f"losetup -j {SMALL}/disk").split(":")[0]
    page_when(
        small, lambda page: pool_is(page, "online") and told_by_page(page, "small/outer") != {}, "sound pool", URL
    )
    small.run(TURN_DEVICE.format(table="0 262144 error"))
    try:
        small.run(f"dd if=/dev/urandom of={SMALL}/mount/written bs=64k count=4")
        page = page_when(small, lambda page: pool_is(page, "suspended"), "word of a suspended pool", URL)
        page = page_when(small, lambda page: told_by_page(page, "small/outer") == {}, "figures that are gone", URL)
        success = by_collector(page, SUCCESS)
        assert (success["zfs"], success["zfs_mounted"], success["cgroup"], success["process"]) == (0, 0, 1, 1)
        # The other pool's figures follow, those of the quick clock and those of the slow one.
        with restored(small, f"zfs set quota=64M {DATASET}; zfs set quota=none tank/containers"):
            small.run(f"zfs set quota=48M {DATASET}; zfs set quota=1G tank/containers")
            assert fill(small, 2)
            page_that_agrees(small, DATASET, "tank/containers")
        for _ in range(5):
            assert pool_is(metrics(small, URL), "suspended")
    finally:
        small.run(TURN_DEVICE.format(table=f"0 262144 linear {loop} 0"))
        small.run("zpool clear small", timeout_seconds=120)
    page = page_when(small, has_sound_pool, "its return", URL)
    assert by_collector(page, SUCCESS)["zfs"] == 1
