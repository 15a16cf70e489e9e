"""A host as it truly is: what the kernel holds, what podman was asked for, and which files do not answer.

`files` writes it down as a host shows it, `changes` takes walls down in it, and the oracle judges it. Nothing here
knows what the product makes of a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
IDS = ("97c719b8ea55" + "0" * 52, "4b7dd1ca11fe" + "1" * 52)
HOST_NAMESPACES = {kind: 4026531800 + number for number, kind in enumerate(KINDS)}
SYSTEM_DISK = "254:1"
MEMORY_TOTAL_BYTES = 8_000_000_000
FIRST_CONTAINER_ID = 2147483647
IDS_OF_CONTAINERS = 2147483647

CPUS = 16
TASKS_MAX = 63_000
MASKABLE = ("/proc/kcore", "/proc/keys", "/sys/firmware", "/sys/fs/selinux")
READ_ONLY = ("/proc/bus", "/proc/sys")

IdMap = list[tuple[int, int, int]]  # inside, outside, count


class Fault(Enum):
    """Why a file does not say what the kernel holds."""

    DENIED = "cannot be opened"
    BROKEN = "input/output error"
    EMPTY = "holds nothing"
    GARBAGE = "holds what the kernel never wrote"


@dataclass
class Mount:
    """One mount; `parent` is the id of the mount that it lies on."""

    id: int
    parent: int
    device: str
    root: str
    point: str
    options: tuple[str, ...]
    filesystem: str
    source: str
    super_options: str = "rw"


@dataclass
class Task:
    """One thread: credentials and most namespaces are its own."""

    number: int
    label: str
    namespaces: dict[str, int]
    capabilities: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CAPABILITY_SETS, 0))
    no_new_privileges: bool = True
    seccomp: int = 2
    root: str = "/"
    faults: dict[str, Fault] = field(default_factory=dict)  # by file below its directory


@dataclass
class Program:
    """One process: its first thread, which may be a zombie, and the others."""

    tasks: list[Task]
    uid_map: IdMap
    gid_map: IdMap
    comm: str = "objects"
    start_ticks: int = 99
    first_has_ended: bool = False
    below: str = ""  # a cgroup that it made for itself below the payload's
    gone: set[str] = field(default_factory=set)  # its files that have gone already: it ends while it is read
    faults: dict[str, Fault] = field(default_factory=dict)  # of files that are the process's: uid_map, task

    @property
    def living(self) -> list[Task]:
        """The threads that still run."""
        if self.gone:
            return []
        return self.tasks[1:] if self.first_has_ended else self.tasks


@dataclass
class Cgroup:
    """One directory of the cgroup tree: its files, and which of them do not answer."""

    texts: dict[str, str]
    faults: dict[str, Fault] = field(default_factory=dict)


@dataclass
class Asked:
    """What podman was asked for, and what it says of the container."""

    host_config: dict[str, object]
    label: str
    state: str = "running"
    pod: str = ""
    unit: str = ""
    mounts: list[dict[str, object]] = field(default_factory=list)
    has_seccomp: bool = True
    bounding: list[str] = field(default_factory=list)
    is_inspected: bool = True
    is_config_readable: bool = True


@dataclass
class Box:
    """One container."""

    id: str
    name: str
    programs: list[Program]
    cgroup: str  # of the payload
    asked: Asked
    has_hidden: bool = False  # processes that the agent's pid namespace cannot name

    @property
    def living(self) -> list[Task]:
        """All threads of all its processes."""
        return [task for program in self.programs for task in program.living]


@dataclass
class World:
    """One host with its containers."""

    boxes: list[Box]
    tables: dict[int, list[Mount]]  # mount namespace -> its mounts, in the order in which they were made
    cgroups: dict[str, Cgroup]  # path -> cgroup
    texts: dict[str, str]  # files of the host itself, by path without the first slash
    units: dict[str, dict[str, float]]  # unit -> what it was asked for
    maskable: list[str] = field(default_factory=lambda: list(MASKABLE))
    read_only: list[str] = field(default_factory=lambda: list(READ_ONLY))
    permissive: set[str] = field(default_factory=set)  # types to which SELinux denies nothing
    silent: set[str] = field(default_factory=set)  # sources that do not answer now
    has_last_answers: bool = True  # whether the silent sources have answered before
    faults: dict[str, Fault] = field(default_factory=dict)  # of the host's files
    hosts_namespaces: dict[str, int] = field(default_factory=lambda: dict(HOST_NAMESPACES))
    hosts_faults: dict[str, Fault] = field(default_factory=dict)  # of the files of pid 1
    next_number: int = 5000

    def number(self) -> int:
        """A number that nothing has: of a process, a mount or a namespace."""
        self.next_number += 1
        return self.next_number


def is_below(path: str, directory: str) -> bool:
    """Whether the path is the directory, or in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def met(table: list[Mount], path: str) -> Mount:
    """The mount that a path leads into, from the root of the namespace on, as the kernel walks it.

    Each component is followed through all mounts that are stacked on it, but for the root: a process stays below what
    was mounted on it later (path_resolution(7), and chroot(2) alone moves it).
    """
    here = next(mount for mount in table if mount.point == "/" and mount.parent == 0)
    while True:
        children = [
            mount for mount in table if mount.parent == here.id and mount.point != "/" and is_below(path, mount.point)
        ]
        if not children:
            return here
        here = min(children, key=lambda mount: len(mount.point))


def put(table: list[Mount], mount: Mount) -> None:
    """Mount it: on the mount that its point leads into."""
    mount.parent = met(table, mount.point).id
    table.append(mount)


def move(table: list[Mount], mount: Mount, point: str) -> None:
    """As `mount --move`: what lies on it goes along, and it keeps its place in the list."""
    moved = _with_children(table, mount)
    rest = [other for other in table if other not in moved]
    mount.parent = met(rest, point).id
    before = mount.point
    for moving in moved:
        moving.point = point + moving.point[len(before) :]


def _with_children(table: list[Mount], mount: Mount) -> list[Mount]:
    found = [mount]
    for parent in found:
        found += [child for child in table if child.parent == parent.id]
    return found
