"""What the kernel has in force and in use for a container: cgroup v2 files, level by level.

https://docs.kernel.org/admin-guide/cgroup-v2.html. A quadlet's levels, payload first:

    /services.slice/services-web.slice/web.service/libpod-payload-ID    payload
    /services.slice/services-web.slice/web.service                      service
    /services.slice/services-web.slice                                  slice
    /services.slice                                                     ancestor

`podman run` by hand gives `machine.slice/libpod-ID.scope/container`: the innermost cgroup that
holds processes is the payload, its `libpod-ID.scope` is the service level.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_SLICE_NAME = re.compile(r"[A-Za-z0-9:_.\\]+(-[A-Za-z0-9:_.\\]+)*\.slice")
COMMON_SLICES = frozenset({"system.slice", "machine.slice", "user.slice", "app.slice"})
"""Slices that hold whatever was given no slice of its own: their limits are nobody's."""

_USER = re.compile(r"^user(?:@(\d{1,10})\.service|-(\d{1,10})\.slice)$")
_SESSION = re.compile(r"^session-.+\.scope$")
_PAYLOAD = re.compile(r"^libpod-(?:payload-)?([0-9a-f]{64})(?:\.scope)?$")


class Level(StrEnum):
    """Whose limit it is, on the way from the container up to the root."""

    PAYLOAD = "payload"
    SERVICE = "service"
    SLICE = "slice"
    ANCESTOR = "ancestor"


@dataclass(frozen=True, slots=True)
class MemoryEvents:
    """memory.events or memory.events.local; a key that the kernel does not print is 0."""

    high: int = 0
    max: int = 0
    oom: int = 0
    oom_kill: int = 0


@dataclass(frozen=True, slots=True)
class Pressure:
    """One PSI file: total stall time, converted from the kernel's microseconds."""

    some_seconds: float
    full_seconds: float | None = None  # cpu.pressure has no full line on old kernels


@dataclass(frozen=True, slots=True)
class CgroupLevel:
    """The figures of one cgroup. None: the file is not there, or says max (no limit)."""

    path: str  # below the cgroup mount, starts with /
    inode: int  # of its directory: another inode is another life
    level: Level
    memory_current_bytes: int | None = None  # memory.current
    memory_inactive_file_bytes: int | None = None  # memory.stat inactive_file
    memory_max_bytes: int | None = None  # memory.max
    memory_high_bytes: int | None = None  # memory.high
    memory_swap_max_bytes: int | None = None  # memory.swap.max
    cpu_max_cores: float | None = None  # cpu.max quota over period
    pids_max: int | None = None  # pids.max
    memory_events: MemoryEvents | None = None  # memory.events (hierarchical)
    controllers: tuple[str, ...] = ()  # cgroup.controllers

    @property
    def name(self) -> str:
        """The last part of its path: what systemd or podman called it."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PayloadUse:
    """What the container itself uses, read at its payload cgroup. None: the kernel has no such file."""

    memory_unreclaimable_bytes: int | None = (
        None  # memory.stat anon + shmem + slab_unreclaimable + kernel_stack + pagetables
    )
    memory_peak_bytes: int | None = None  # memory.peak (kernel 5.19)
    memory_swap_bytes: int | None = None  # memory.swap.current
    cpu_pressure: Pressure | None = None  # cpu.pressure
    memory_pressure: Pressure | None = None  # memory.pressure
    io_pressure: Pressure | None = None  # io.pressure
    cpu_user_seconds: float | None = None  # cpu.stat user_usec
    cpu_system_seconds: float | None = None  # cpu.stat system_usec
    cpu_throttled_seconds: float | None = None  # cpu.stat throttled_usec
    cpu_periods: int | None = None  # cpu.stat nr_periods
    cpu_throttled_periods: int | None = None  # cpu.stat nr_throttled
    pids: int | None = None  # pids.current
    io_read_bytes: int | None = None  # io.stat rbytes, summed over devices
    io_written_bytes: int | None = None  # io.stat wbytes, summed over devices


@dataclass(frozen=True, slots=True)
class ContainerCgroups:
    """The cgroups of one container, payload first, without the root cgroup."""

    container_id: str
    owner_uid: int  # 0, or the uid N of user@N.service (or user-N.slice) on the path
    use: PayloadUse
    levels: tuple[CgroupLevel, ...]
    unreadable: tuple[str, ...] = ()  # "path/file: why" of files that are there and did not answer; the rest stands

    def is_unread(self, level: CgroupLevel, file: str) -> bool:
        """Whether this file of the level is there and did not answer: its figure is then not known, and not lacking."""
        return any(line.startswith(f"{level.path}/{file}: ") for line in self.unreadable)


@dataclass(frozen=True, slots=True)
class PayloadPlace:
    """Where the payload of one container lies in the cgroup tree, and whose it is."""

    container_id: str
    owner_uid: int  # as of ContainerCgroups
    path: str


def container_id_of(cgroup_name: str) -> str | None:
    """The container id in `libpod-payload-ID` or `libpod-ID.scope`; None for the rest, as `libpod-conmon-ID.scope`."""
    found = _PAYLOAD.match(cgroup_name)
    return found.group(1) if found else None


def owner_uid_of(path: str) -> int:
    """The uid of the outermost user@UID.service or user-UID.slice, 0 if none: inner names are the user's to choose.

    A container in the scope of a session (`sudo podman run --cgroups=split`) is root's, who alone makes cgroups there.
    """
    parts = path.split("/")
    for position, part in enumerate(parts):
        if found := _USER.match(part):
            scope, inner, *_ = [*parts[position + 1 :], "", ""]
            is_roots = _SESSION.match(scope) and container_id_of(inner) is not None
            return 0 if is_roots else int(found.group(1) or found.group(2))
    return 0


def unit_of(cgroup_path: str) -> str:
    """The innermost .service or .scope on the path that systemd made, "" if none."""
    for part in reversed(cgroup_path.split("/")):
        if part.endswith((".service", ".scope")):
            return part
    return ""


def slice_of(cgroup_path: str) -> str:
    """The innermost .slice on the path, "" if none."""
    for part in reversed(cgroup_path.split("/")):
        if part.endswith(".slice"):
            return part
    return ""


def path_of_slice(name: str) -> str:
    """Where a slice lies below the cgroup mount; "" for what is no slice's name, and for the root slice."""
    if not _SLICE_NAME.fullmatch(name):
        return ""
    words = name.removesuffix(".slice").split("-")
    return "".join(f"/{'-'.join(words[:depth])}.slice" for depth in range(1, len(words) + 1))
