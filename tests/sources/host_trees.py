"""Small host trees for tests: cgroups and processes that need not have been recorded."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from exporter.facts.host import Host
from exporter.sources.host import HostSource

HOST = Path(__file__).parents[1] / "host"

CONTAINER_ID = "0123456789abcdef" * 4
OTHER_ID = "fedcba9876543210" * 4

LEVEL_TEXTS = {
    "cgroup.controllers": "cpu io memory pids\n",
    "cgroup.procs": "",
    "memory.current": "4096000\n",
    "memory.stat": "anon 3000000\nfile 1000000\ninactive_file 96000\nshmem 10\nslab_unreclaimable 5\n",
    "memory.max": "8192000\n",
    "memory.high": "max\n",
    "memory.swap.max": "0\n",
    "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n",
    "memory.events.local": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "cpu.max": "200000 100000\n",
    "pids.max": "128\n",
}
PAYLOAD_TEXTS = {
    **LEVEL_TEXTS,
    "memory.peak": "5000000\n",
    "memory.swap.current": "0\n",
    "memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\nfull avg10=0.00 total=1000000\n",
    "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n",
    "io.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 total=0\n",
    "cpu.stat": "user_usec 2000000\nsystem_usec 1000000\nnr_periods 7\nnr_throttled 1\nthrottled_usec 5\n",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1 dbytes=0 dios=0\n253:0 rbytes=1 wbytes=2\n",
    "pids.current": "3\n",
}

STATUS = """Name:\t{comm}
Umask:\t0022
State:\tS (sleeping)
Pid:\t{pid}
Groups:\t
Threads:\t1
CapInh:\t0000000000000000
CapPrm:\t0000000000000400
CapEff:\t0000000000000400
CapBnd:\t00000000800405fb
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
"""


def open_files() -> frozenset[tuple[str, str]]:
    """Number and name of each file that this process has open.

    Take those of before away from those of after, and do not compare how many there are: the garbage collector may
    close a file of another test in between.
    """
    found = []
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # the one by which the directory was listed
            found.append((descriptor.name, str(descriptor.readlink())))
    return frozenset(found)


def cgroup_mount(root: Path) -> Path:
    """The mount of an empty unified hierarchy."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text("cpu io memory pids\n")
    return root


def add_cgroup(root: Path, path: str, **texts: str) -> Path:
    """The cgroup at `path` with all files of a payload, and those above it; texts by name, _ for the dots."""
    directory = root / path.strip("/")
    for above in reversed(directory.relative_to(root).parents[:-1]):
        if not (root / above).is_dir():
            _write(root / above, LEVEL_TEXTS)
    _write(directory, PAYLOAD_TEXTS | {name.replace("_", "."): text for name, text in texts.items()})
    return directory


def payload_path(name: str, container_id: str = CONTAINER_ID) -> str:
    """Where quadlet puts the container of `name`.service with a slice of its own."""
    return f"/services.slice/services-{name}.slice/{name}.service/libpod-payload-{container_id}"


def ticks_ago(seconds: float) -> int:
    """The start of a process that was made so long ago."""
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) - seconds) * os.sysconf("SC_CLK_TCK"))


def host_at(root: Path, **files: str) -> Host:
    """What is read of a host with these files, by path below `root`, and a kernel."""
    for name, text in {"proc/sys/kernel/osrelease": "6.12.0\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return HostSource(root).read()


def add_process(
    proc: Path,
    pid: int,
    *,
    start_ticks: int | None = None,
    comm: str = "hold",
    has_executed: bool = True,
    mount_namespace: int = 4026531842,
    root: str = "/",
    executable: str = "",
    parent: int = 1,
    **texts: str,
) -> Path:
    """A process of CONTAINER_ID; `texts` replace files by name, __ for the slash."""
    start = pid if start_ticks is None else start_ticks
    directory = proc / str(pid)
    label = "system_u:system_r:container_t:s0:c1,c2\0"
    files = {
        "stat": stat_text(pid, comm, start, has_executed=has_executed, parent=parent),
        "status": STATUS.format(comm=comm, pid=pid),
        "comm": f"{comm}\n",
        "cmdline": f"{comm}\0",
        "cgroup": f"0::{payload_path('web')}\n",
        "uid_map": "         0 2147483647       1024\n",
        "gid_map": "         0 2147483647       1024\n",
        "attr/current": label,
        "mountinfo": "6592 6307 0:446 / / ro,relatime - overlay overlay rw\n",
        "net/dev": "Inter-|\n face |\n    lo: 0\n  eth0: 0\n",
    } | {name.replace("__", "/"): text for name, text in texts.items()}
    _write(directory, files)
    (directory / "ns").mkdir()
    for number, kind in enumerate(("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")):
        inode = mount_namespace if kind == "mnt" else 4026531840 + number
        (directory / "ns" / kind).symlink_to(f"{kind}:[{inode}]")
    (directory / "root").symlink_to(root)
    (directory / "exe").symlink_to(executable or f"/usr/bin/{comm}")
    return directory


def stat_text(pid: int, comm: str, start_ticks: int, *, has_executed: bool = True, parent: int = 1) -> str:
    """The text of /proc/PID/stat."""
    flags = 4194560 if has_executed else 4194624  # as crun's clone and its payload had them on a host
    return (
        f"{pid} ({comm}) S {parent} {pid} {pid} 0 -1 {flags} 1 0 0 0 0 7 0 0 20 0 1 0 {start_ticks} 10747904 2360 0\n"
    )


def conmon_line(container_id: str, name: str, session_id: str = "") -> str:
    """The text of a conmon's /proc/PID/cmdline."""
    words = ["/usr/bin/conmon", "--api-version", "1", "-c", container_id, "-u", session_id or container_id]
    words += ["-r", "/usr/bin/crun", "-n", name, "--exit-command", "/usr/bin/podman", "--exit-command-arg", "-c"]
    return "\0".join(words) + "\0"


def _write(directory: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(text))
