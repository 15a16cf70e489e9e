#!/usr/bin/python3
"""Copy the raw replies of this host into a directory, laid out as on the host, for tests of parsers.

Nothing is interpreted or prettied: a parser has to be tested with the bytes that it will meet. What a file or a
command would not give is simply not there.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
LARGEST_FILE_BYTES = 64 << 10
SOCKET = "/run/podman/podman.sock"
PROCESS_FILES = [
    "status",
    "stat",
    "cgroup",
    "mountinfo",
    "uid_map",
    "gid_map",
    "attr/current",
    "net/dev",
    "oom_score_adj",
    "oom_score",
    "comm",
    "cmdline",
]
HOST_FILES = [
    "/proc/vmstat",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/cmdline",
    "/proc/version",
    "/proc/filesystems",
    "/proc/cgroups",
    "/proc/modules",
    "/proc/mounts",
    "/proc/swaps",
    "/proc/pressure/memory",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/net/dev",
    "/etc/subuid",
    "/etc/subgid",
    "/etc/passwd",
    "/etc/group",
    "/etc/os-release",
    "/etc/machine-id",
    "/sys/fs/selinux/enforce",
    "/sys/fs/selinux/mls",
    "/sys/fs/selinux/policyvers",
    "/sys/fs/selinux/deny_unknown",
    "/etc/selinux/config",
    "/sys/kernel/security/lockdown",
    "/sys/kernel/security/lsm",
    "/sys/kernel/kexec_loaded",
    "/sys/module/apparmor/parameters/enabled",
    "/sys/module/module/parameters/sig_enforce",
    "/sys/module/zfs/version",
]
HOST_PATTERNS = [
    "proc/sys/kernel/*",
    "proc/sys/kernel/yama/*",
    "proc/sys/kernel/random/boot_id",
    "proc/sys/user/*",
    "proc/sys/fs/protected_*",
    "proc/sys/vm/*",
    "proc/sys/net/core/bpf_*",
    "proc/spl/kstat/zfs/*",
    "proc/spl/kstat/zfs/*/*",
    "etc/containers/systemd/*",
    "etc/containers/systemd/users/*/*",
    "etc/systemd/system/*.slice",
    "run/systemd/generator/*.service",
    "boot/vmlinuz-*",
]
# Large, and about ZFS's inner life.
UNWANTED = ("dbgmsg", "dbufs", "/vmlinuz-", "fletcher", "/txgs", "multihost", "chksum_bench", "/reads", "dmu_tx")


class Recording:
    """A directory that fills up with copies."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, data: bytes) -> None:
        target = self.root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def file(self, path: Path | str) -> None:
        try:
            data = Path(path).read_bytes()
        except OSError:
            return
        if len(data) <= LARGEST_FILE_BYTES:
            self.put(str(path), data)

    def command(self, name: str, *command: str) -> bytes:
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        if done.returncode == 0:
            self.put(name, done.stdout)
        return done.stdout

    def podman(self, name: str, path: str) -> bytes:
        return self.command(f"podman/{name}", "curl", "-sf", "--unix-socket", SOCKET, f"http://d/v5.4.2{path}")

    def bus(self, name: str, path: str, interface: str, method: str, *arguments: str) -> bytes:
        call = ("busctl", "--json=short", "call", "org.freedesktop.systemd1", path, interface, method)
        return self.command(f"systemd/{name}", *call, *arguments)


# Nobody judges these, and they are a third of all files of a cgroup.
UNWANTED_OF_CGROUP = (
    "zswap",
    "numa_stat",
    "reclaim",
    "uclamp",
    "io.cost",
    "cgroup.kill",
    "cgroup.max",
    "cgroup.threads",
)
OF_MINOR_CGROUP = ("memory.current", "memory.high", "memory.events", "cgroup.procs", "cgroup.controllers")


def processes_below(cgroup: Path) -> list[int]:
    """Every process in the cgroup and those under it."""
    return sorted({int(pid) for procs in cgroup.rglob("cgroup.procs") for pid in procs.read_text().split()})


def record_process(to: Recording, pid: int, *, of_host: bool) -> None:
    """Of a process of the host, such as conmon, without the long list of the host's mounts."""
    directory = Path(f"/proc/{pid}")
    for name in PROCESS_FILES:
        if not (of_host and name == "mountinfo"):
            to.file(directory / name)
    for link in (directory / "exe", *directory.glob("ns/*")):
        try:
            target = link.readlink()
        except OSError:
            continue
        copy = to.root / str(link).lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(target)


def record_cgroup(to: Recording, cgroup: Path, *, minor: bool) -> None:
    """A minor cgroup, one of many alike, gives its limits and little else."""
    for path in cgroup.iterdir():
        if minor and not (path.name in OF_MINOR_CGROUP or path.name.endswith(".max")):
            continue
        known = path.name.startswith(("memory.", "cpu.", "io.", "pids.", "cgroup."))
        if known and path.is_file() and not any(word in path.name for word in UNWANTED_OF_CGROUP):
            to.file(path)


def record_containers(to: Recording) -> list[str]:
    """podman's and the kernel's word on each container; returns the units."""
    units: list[str] = []
    cgroups: dict[Path, bool] = {}
    for row in json.loads(to.podman("containers.json", "/libpod/containers/json?all=true")):
        name = row["Names"][0]
        inspect = json.loads(to.podman(f"inspect/{name}.json", f"/libpod/containers/{row['Id']}/json") or b"{}")
        if not inspect:
            continue
        with contextlib.suppress(OSError):
            to.put(f"podman/config/{name}.json", Path(inspect["OCIConfigPath"]).read_bytes())
        units.append((row["Labels"] or {}).get("PODMAN_SYSTEMD_UNIT", ""))
        if inspect["State"].get("CgroupPath"):
            cgroups[CGROUP / inspect["State"]["CgroupPath"].lstrip("/")] = name.startswith("bad-")
        for mount in inspect["Mounts"]:
            source = mount["Source"]
            to.command(
                f"labels{source}", "getfattr", "--absolute-names", "--only-values", "-n", "security.selinux", source
            )
            sizes = os.statvfs(source)
            fields = [n for n in dir(sizes) if n.startswith("f_")]
            to.put(f"statvfs{source}.json", json.dumps({n: getattr(sizes, n) for n in fields}).encode())
    # Containers of ordinary users, which root's podman does not show.
    for path in (CGROUP / "user.slice").rglob("libpod-payload-*"):
        cgroups[path] = False
    record_processes_and_cgroups(to, cgroups)
    return sorted({unit for unit in units if unit})


def record_processes_and_cgroups(to: Recording, payloads: dict[Path, bool]) -> None:
    """Each payload's processes and its cgroups up to the root; of a minor one (True) the first process alone."""
    pids = {1: True}
    recorded: set[Path] = set()
    for payload, minor in sorted(payloads.items(), key=lambda entry: entry[1]):
        inside = processes_below(payload)
        pids |= dict.fromkeys(inside[:1] if minor else inside, False)
        beside = [] if minor else [path for path in payload.parent.glob("*/") if path not in payloads]
        pids = {pid: True for cgroup in beside for pid in processes_below(cgroup)} | pids
        above = [up for up in payload.parents if up == CGROUP or CGROUP in up.parents]
        for cgroup in [payload, *payload.glob("*/"), *beside, *above]:
            if cgroup not in recorded:
                recorded.add(cgroup)
                record_cgroup(to, cgroup, minor=minor)
    for pid, of_host in pids.items():
        record_process(to, pid, of_host=of_host)
    # A slice outlives its container and remembers its kills, also between two starts.
    for cgroup in (CGROUP / "services.slice").glob("*.slice"):
        if cgroup not in recorded:
            record_cgroup(to, cgroup, minor=False)


def record_systemd(to: Recording, units: list[str]) -> None:
    manager = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    patterns = ("3", "*.service", "*.slice", "*.socket")
    to.bus("ListUnitsByPatterns.json", *manager, "ListUnitsByPatterns", "asas", "0", *patterns)
    properties = "org.freedesktop.DBus.Properties"
    core = [unit for unit in units if not unit.startswith("bad-")][:12]
    for unit in [
        *core,
        "missing1.service",
        "bad-shared-slice.service",
        "system.slice",
        "services.slice",
        "services-objects02.slice",
        "services-slice_binds.slice",
    ]:
        reply = to.bus(f"GetUnit/{unit}.json", *manager, "LoadUnit", "s", unit)
        if not reply:
            continue
        path = json.loads(reply)["data"][0]
        kind = unit.rpartition(".")[2].capitalize()
        for interface in ("Unit", kind):
            full = f"org.freedesktop.systemd1.{interface}"
            to.bus(f"GetAll/{unit}.{interface}.json", path, properties, "GetAll", "s", full)


def record_events(to: Recording) -> None:
    to.podman("events.jsonl", "/libpod/events?stream=false&since=1h")
    kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    records: list[bytes] = []
    while True:
        try:
            records.append(os.read(kmsg, 8192))
        except BlockingIOError:
            break
    os.close(kmsg)
    to.put("kmsg", b"".join(records)[-100_000:].partition(b"\n")[2])
    for name, unit in (("oomloop", "oomloop.service"), ("objects02", "objects02.service")):
        to.command(f"journal/{name}.jsonl", "journalctl", "-b", "-o", "json", "-n", "80", "-u", unit)
    to.command("journal/kernel.jsonl", "journalctl", "-b", "-k", "-o", "json", "-n", "20", "--grep", "oom|memory")
    to.command("journal/manager.jsonl", "journalctl", "-b", "-o", "json", "-n", "40", "_PID=1")


def record_host(to: Recording) -> None:
    for path in HOST_FILES:
        to.file(path)
    for pattern in HOST_PATTERNS:
        for found in Path("/").glob(pattern):
            if found.is_file() and not any(word in str(found) for word in UNWANTED):
                to.file(found)
    to.command("zfs/list.tsv", "zfs", "list", "-Hp")
    to.command("zfs/list.json", "zfs", "list", "-j", "-p")
    columns = "name,type,used,available,referenced,quota,refquota,mountpoint,mounted"
    to.command("zfs/list-columns.tsv", "zfs", "list", "-Hp", "-o", columns, "-t", "filesystem,volume")
    containers = [f"tank/containers/{name}" for name in ("objects02", "bad-no-quota")]
    to.command("zfs/get-all.tsv", "zfs", "get", "-Hp", "all", "tank", "tank/containers", "tank/shared", *containers)
    to.command("zfs/zpool-list.tsv", "zpool", "list", "-Hp")
    to.command("zfs/zpool-status.txt", "zpool", "status", "-p")
    to.command("zfs/zpool-status.json", "zpool", "status", "-j", "-p")
    to.command("nft.json", "nft", "-j", "list", "ruleset")
    to.command("findmnt.json", "findmnt", "-J", "-o", "TARGET,SOURCE,FSTYPE,OPTIONS")
    to.command("uname", "uname", "-a")
    to.command("date", "date", "--iso-8601=ns")


def main() -> None:
    to = Recording(Path(sys.argv[1]))
    to.podman("version.json", "/libpod/version")
    to.podman("networks.json", "/libpod/networks/json")
    to.podman("pods.json", "/libpod/pods/json")
    to.podman("stats.json", "/libpod/containers/stats?stream=false")
    units = record_containers(to)
    record_systemd(to, units)
    record_events(to)
    record_host(to)


if __name__ == "__main__":
    main()
