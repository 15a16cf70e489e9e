"""What podman says of a container: what was asked for, and the state podman believes it is in.

From the libpod API: `GET /libpod/containers/json` (list), `GET /libpod/containers/ID/json`
(inspect) and the OCI `config.json` that inspect's `OCIConfigPath` names.
`CreateCommand` is read for its security and volume flags only; it may hold secrets and is never kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from exporter.facts.network import AddressPool

MASKED_PATHS = (
    *("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi"),
    *("/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux"),
)
"""What podman 5 masks by itself; most kernels have some of them only."""

READ_ONLY_PATHS = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
"""What podman makes read-only by itself."""

ALL_IDS = 2**32 - 1
"""How many ids the map of a process has that is in no user namespace of its own."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """One line of a user-id or group-id map."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True)
class DeclaredMount:
    """A volume as it was asked for."""

    source: str  # Mounts[].Source
    destination: str  # Mounts[].Destination
    kind: str  # Mounts[].Type: bind, volume, tmpfs
    writable: bool  # Mounts[].RW
    flags: tuple[str, ...] = ()  # options typed in CreateCommand: Z, z, U, idmap, ro, ...


@dataclass(frozen=True, slots=True)
class ContainerNetwork:
    """One network of a container."""

    name: str  # key of NetworkSettings.Networks
    driver: str  # GET /libpod/networks/json: bridge, macvlan, ipvlan; "" when not known
    parent: str = ""  # network_interface of the network
    ip_addresses: tuple[str, ...] = ()
    mac_address: str = ""
    pools: tuple[AddressPool, ...] = ()  # subnets of the network, where podman gives out addresses itself


@dataclass(frozen=True, slots=True)
class DeclaredLimits:
    """Resources asked of podman; None: not asked."""

    memory_bytes: int | None = None  # HostConfig.Memory, 0 is none
    memory_high_bytes: int | None = None  # HostConfig.CgroupConf["memory.high"]
    memory_swap_bytes: int | None = None  # HostConfig.MemorySwap (memory plus swap)
    cpu_cores: float | None = None  # HostConfig.CpuQuota over CpuPeriod
    pids: int | None = None  # HostConfig.PidsLimit; 0 and -1 are none


@dataclass(frozen=True, slots=True)
class DeclaredSecurity:
    """The walls that were asked for; None: podman did not say."""

    read_only_rootfs: bool | None = None  # HostConfig.ReadonlyRootfs
    auto_remove: bool | None = None  # HostConfig.AutoRemove
    privileged: bool | None = None  # HostConfig.Privileged
    bounding_capabilities: tuple[str, ...] | None = None  # config.json process.capabilities.bounding
    no_new_privileges: bool | None = None  # config.json process.noNewPrivileges, else SecurityOpt
    seccomp: str | None = None  # "default", "unconfined", or the profile's path
    selinux_process_label: str | None = None  # ProcessLabel; "" when disabled
    apparmor_profile: str | None = None  # AppArmorProfile; "" when none
    userns_mode: str | None = None  # HostConfig.UsernsMode: private, host, "", ns:..., container:...
    userns_auto: bool | None = None  # annotation io.podman.annotations.userns starts with auto
    uid_map: tuple[IdRange, ...] = ()  # HostConfig.IDMappings.UidMap
    gid_map: tuple[IdRange, ...] = ()  # HostConfig.IDMappings.GidMap
    pid_mode: str = ""  # HostConfig.PidMode
    ipc_mode: str = ""  # HostConfig.IpcMode
    uts_mode: str = ""  # HostConfig.UTSMode
    cgroup_mode: str = ""  # HostConfig.CgroupMode
    masked_paths: tuple[str, ...] | None = None  # config.json linux.maskedPaths
    read_only_paths: tuple[str, ...] | None = None  # config.json linux.readonlyPaths
    devices: tuple[str, ...] = ()  # HostConfig.Devices[].PathOnHost; of a quadlet, --gpus and the like as typed too
    # Of a quadlet: walls that it takes from a container or pod that no file says more of: "mounts", "label", or a kind
    # of namespace. What podman was asked for is known of both, and the kernel shows what holds.
    of_others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Container:
    """One container as podman knows it."""

    id: str  # Id, 64 hex digits
    name: str  # Names[0], as USER/NAME for a rootless one: full_name
    user: str  # "" for root's podman, else the account whose podman it is
    image: str  # Image
    image_id: str  # ImageID
    state: str  # State: created, initialized, running, stopping, stopped, exited, paused, removing
    health: str = ""  # Status: "", starting, healthy, unhealthy; "" is no health check
    pid: int | None = None  # Pid of its first process; None when it has none
    exit_code: int | None = None  # ExitCode, only once it has ended
    exited_at_seconds: float | None = None  # ExitedAt
    started_at_seconds: float | None = None  # StartedAt
    unit: str = ""  # label PODMAN_SYSTEMD_UNIT
    pod: str = ""  # PodName
    is_infra: bool = False  # IsInfra
    network_mode: str = ""  # HostConfig.NetworkMode
    restart_policy: str = ""  # HostConfig.RestartPolicy.Name
    restarts: int | None = None  # RestartCount: podman's own policy only
    cgroup_path: str = ""  # State.CgroupPath
    storage_path: str = ""  # StaticDir: below the storage's graph root, whatever its driver
    networks: tuple[ContainerNetwork, ...] = ()
    mounts: tuple[DeclaredMount, ...] = ()
    limits: DeclaredLimits = DeclaredLimits()
    security: DeclaredSecurity = DeclaredSecurity()
    inspected: bool = True  # False: vanished or failed between list and inspect; limits and security say nothing


def full_name(user: str, name: str) -> str:
    """NAME for root's containers, USER/NAME for a rootless one."""
    return f"{user}/{name}" if user else name


def user_in(name: str) -> str:
    """Whose container has this full name; "" is root's. podman allows no name with a slash."""
    return name.partition("/")[0] if "/" in name else ""
