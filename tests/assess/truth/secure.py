"""The host on which every wall stands: two containers, each behind all of them."""

from __future__ import annotations

from exporter.facts.container import MASKED_PATHS, READ_ONLY_PATHS
from tests.assess.truth.world import (
    CPUS,
    FIRST_CONTAINER_ID,
    IDS,
    IDS_OF_CONTAINERS,
    KINDS,
    MEMORY_TOTAL_BYTES,
    SYSTEM_DISK,
    TASKS_MAX,
    Asked,
    Box,
    Cgroup,
    Mount,
    Program,
    Task,
    World,
    put,
)

NAMES = ("objects02", "web")
LABELS = ("system_u:system_r:container_t:s0:c229,c276", "system_u:system_r:container_t:s0:c12,c900")
READ_ONLY = ("ro", "nosuid", "nodev", "relatime")
WRITABLE = ("rw", "nosuid", "nodev", "relatime")
LEVEL = {
    "cgroup.controllers": "cpuset cpu io memory pids\n",
    "cgroup.procs": "",
    "memory.current": "4096000\n",
    "memory.stat": "anon 3000000\nfile 1000000\ninactive_file 96000\n",
    "memory.max": "max\n",
    "memory.high": "max\n",
    "memory.swap.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "cpu.max": "max 100000\n",
    "pids.max": "max\n",
}
LIMITED = {
    **LEVEL,
    "memory.max": "512000000\n",
    "memory.high": "499998720\n",
    "memory.swap.max": "512000000\n",
    "cpu.max": "200000 100000\n",
    "pids.max": "200\n",
}
PAYLOAD = {**LIMITED, "memory.swap.current": "0\n", "pids.current": "3\n", "cpu.stat": "user_usec 1\nsystem_usec 1\n"}
MEMORY_BYTES = 512_000_000
HOST_TEXTS = {
    "proc/sys/kernel/osrelease": "6.12.0\n",
    "proc/sys/kernel/hostname": "ship\n",
    "proc/sys/kernel/random/boot_id": "0b" * 16 + "\n",
    "proc/meminfo": f"MemTotal: {MEMORY_TOTAL_BYTES // 1024} kB\nSwapTotal: 1000000 kB\n",
    "proc/vmstat": "oom_kill 0\n",
    "proc/sys/kernel/pid_max": "4194304\n",
    "proc/sys/kernel/threads-max": f"{TASKS_MAX}\n",
    "sys/devices/system/cpu/online": f"0-{CPUS - 1}\n",
    "sys/fs/selinux/enforce": "1",
    "sys/module/apparmor/parameters/enabled": "N\n",
    "etc/subuid": f"containers:{FIRST_CONTAINER_ID}:{IDS_OF_CONTAINERS}\nalice:100000:65536\n",
    "etc/subgid": f"containers:{FIRST_CONTAINER_ID}:{IDS_OF_CONTAINERS}\nalice:100000:65536\n",
    "etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
    "etc/group": "root:x:0:\nalice:x:1000:\n",
}
HOST_MOUNTS = (
    Mount(26, 1, SYSTEM_DISK, "/", "/", ("rw", "relatime"), "ext4", "/dev/vda1"),
    Mount(27, 26, "0:6", "/", "/dev", ("rw", "nosuid"), "devtmpfs", "udev"),
    Mount(28, 26, "0:25", "/", "/run", ("rw", "nosuid"), "tmpfs", "tmpfs"),
    Mount(29, 26, "0:21", "/", "/sys", ("rw", "nosuid"), "sysfs", "sysfs"),
    Mount(30, 26, "0:22", "/", "/proc", ("rw", "nosuid"), "proc", "proc"),
    Mount(31, 26, "0:61", "/", "/data/containers", ("rw",), "zfs", "tank/containers"),
)


def secure_world() -> World:
    """Every wall stands."""
    world = World([], {}, {}, dict(HOST_TEXTS), {})
    for path in ("/services.slice",):
        world.cgroups[path] = Cgroup(dict(LEVEL))
    for index in range(len(IDS)):
        world.boxes.append(_box(world, index))
    return world


def _box(world: World, index: int) -> Box:
    name = NAMES[index]
    namespaces = {kind: 4026532400 + 100 * index + number for number, kind in enumerate(KINDS)}
    world.tables[namespaces["mnt"]] = mounts(world, IDS[index], name, index)
    ids = [(0, FIRST_CONTAINER_ID + 4096 * (index + 1), 1024)]
    programs = [
        Program([_task(4001 + 10 * index + number, index, namespaces)], list(ids), list(ids), start_ticks=99 + number)
        for number in range(2)
    ]
    programs[1].tasks.append(_task(4003 + 10 * index, index, namespaces))
    slice_path = f"/services.slice/services-{name}.slice"
    payload = f"{slice_path}/{name}.service/libpod-payload-{IDS[index]}"
    world.cgroups[slice_path] = Cgroup(dict(LEVEL))
    world.cgroups[f"{slice_path}/{name}.service"] = Cgroup(dict(LIMITED))
    world.cgroups[payload] = Cgroup(dict(PAYLOAD))
    world.units[f"{name}.service"] = {"memory_max_bytes": MEMORY_BYTES, "cpu_quota_cores": 2.0, "tasks_max": 200}
    world.units[f"services-{name}.slice"] = {}
    return Box(IDS[index], name, programs, payload, _asked(name, index, ids))


def _task(number: int, index: int, namespaces: dict[str, int]) -> Task:
    return Task(number, LABELS[index], dict(namespaces))


def _asked(name: str, index: int, ids: list[tuple[int, int, int]]) -> Asked:
    lines = [f"{inside}:{outside}:{count}" for inside, outside, count in ids]
    config: dict[str, object] = {
        "ReadonlyRootfs": True,
        "AutoRemove": True,
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges"],
        "UsernsMode": "private",
        "IDMappings": {"UidMap": lines, "GidMap": lines},
        "NetworkMode": "bridge",
        "IpcMode": "shareable",
        "PidMode": "private",
        "UTSMode": "private",
        "CgroupMode": "private",
        "Memory": MEMORY_BYTES,
        "MemorySwap": 2 * MEMORY_BYTES,
        "CpuQuota": 200000,
        "CpuPeriod": 100000,
        "PidsLimit": 200,
        "Devices": [],
    }
    data = {"Type": "bind", "Source": f"/data/containers/{name}", "Destination": "/data", "RW": True}
    return Asked(config, LABELS[index], unit=f"{name}.service", mounts=[data])


def mounts(world: World, container_id: str, name: str, index: int) -> list[Mount]:
    """What podman and crun mount into a container that is read-only."""
    own = f"/containers/storage/overlay-containers/{container_id}/userdata"
    table = [Mount(world.number(), 0, f"0:{500 + index}", "/", "/", ("ro", "relatime"), "overlay", "overlay")]
    rows = [
        (f"0:{510 + index}", "/", "/proc", ("rw", "nosuid"), "proc"),
        (f"0:{520 + index}", "/", "/dev", ("rw", "nosuid"), "tmpfs"),
        ("0:21", "/", "/sys", ("ro", "nosuid"), "sysfs"),
        ("0:23", "/", "/sys/fs/cgroup", ("ro", "nosuid"), "cgroup2"),
        ("0:25", f"{own}/hosts", "/etc/hosts", READ_ONLY, "tmpfs"),
        ("0:6", "/null", "/dev/null", ("rw", "nosuid", "noexec"), "devtmpfs"),
        ("0:61", f"/{name}", "/data", WRITABLE, "zfs"),
        (f"0:{510 + index}", "/bus", "/proc/bus", ("ro", "nosuid"), "proc"),
        (f"0:{510 + index}", "/sys", "/proc/sys", ("ro", "nosuid"), "proc"),
        ("0:6", "/null", "/proc/kcore", ("ro", "nosuid"), "devtmpfs"),
        ("0:6", "/null", "/proc/keys", ("ro", "nosuid"), "devtmpfs"),
        (f"0:{530 + index}", "/", "/sys/firmware", ("ro", "relatime"), "tmpfs"),
        ("0:25", "/crun/.empty-directory", "/sys/fs/selinux", ("ro",), "tmpfs"),
    ]
    for device, root, point, options, filesystem in rows:
        source = "tank/containers" if filesystem == "zfs" else filesystem
        put(table, Mount(world.number(), 0, device, root, point, options, filesystem, source))
    return table


def closed_paths() -> dict[str, list[str]]:
    """What podman masks and makes read-only by itself."""
    return {"maskedPaths": list(MASKED_PATHS), "readonlyPaths": list(READ_ONLY_PATHS)}
