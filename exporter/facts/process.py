"""What the kernel has in force for each process of a container: /proc/PID.

https://docs.kernel.org/filesystems/proc.html, capabilities(7), user_namespaces(7).
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.facts.container import IdRange


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One line of /proc/PID/mountinfo."""

    mount_point: str  # field 5, unescaped
    root: str  # field 4, unescaped
    options: tuple[str, ...]  # field 6: per mount (ro, nosuid, idmapped)
    filesystem: str  # zfs, overlay, tmpfs
    source: str  # the dataset for zfs
    device: str  # major:minor
    layers: tuple[str, ...] = ()  # lowerdir of an overlay, the uppermost first
    mount_id: int | None = None  # field 1: unique on the host while it is mounted; an older recording does not tell
    upper: str = ""  # upperdir of an overlay: where what is written goes
    parent_id: int | None = None  # field 2: the mount that it lies on


@dataclass(frozen=True, slots=True)
class Process:
    """The walls in force around one process, or around a thread of it that has other walls than its first one."""

    pid: int  # or the thread's id
    start_ticks: int  # field 22 of /proc/PID/stat: with pid, its identity
    comm: str  # Name of /proc/PID/status
    inheritable_capabilities: int  # CapInh
    permitted_capabilities: int  # CapPrm
    effective_capabilities: int  # CapEff
    bounding_capabilities: int  # CapBnd
    ambient_capabilities: int  # CapAmb
    no_new_privileges: bool  # NoNewPrivs
    seccomp_mode: int  # Seccomp: 0 none, 1 strict, 2 filter
    uid_map: tuple[IdRange, ...]  # /proc/PID/uid_map
    gid_map: tuple[IdRange, ...]  # /proc/PID/gid_map
    security_label: str | None  # /proc/PID/attr/current; None when no LSM answers
    namespaces: tuple[tuple[str, int], ...] = ()  # /proc/PID/ns/*: kind, inode; () could not be read
    has_executed: bool = True  # field 9 of /proc/PID/stat without PF_FORKNOEXEC: not a copy of its parent any more


@dataclass(frozen=True, slots=True)
class ContainerProcesses:
    """All processes of one container that could be read, oldest first."""

    container_id: str
    processes: tuple[Process, ...]
    mounts: tuple[MountPoint, ...]  # of the first process; () could not be read, or the process is the runtime's
    unreadable: tuple[str, ...] = ()  # "PID: [file:] why" of what lives and could not be read; the gone are left out
    interfaces: tuple[str, ...] = ()  # names in /proc/PID/net/dev of the first process, without lo
    started_at_seconds: float | None = None  # unix time at which the first process was made; a recording has none
    # Of each further mount namespace that its processes are in (`podman exec` makes none); (): one could not be read.
    other_mounts: tuple[tuple[MountPoint, ...], ...] = ()
    is_runtimes: bool = False  # young, and all its processes are still the runtime's (runtime.py)


@dataclass(frozen=True, slots=True)
class Conmon:
    """A container's monitor process: names the container even where podman is not asked."""

    container_id: str  # -c
    name: str  # -n
    pid: int
    owner_uid: int  # of /proc/PID


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Every container's processes, and every conmon on the host."""

    containers: tuple[ContainerProcesses, ...]
    conmons: tuple[Conmon, ...]
    host_namespaces: tuple[tuple[str, int], ...] = ()  # /proc/1/ns/*: kind, inode; () could not be read
    host_mounts: tuple[MountPoint, ...] = ()  # /proc/1/mountinfo; () could not be read
