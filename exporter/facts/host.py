"""What the host itself says: kernel, mandatory access control, id ranges, updates, firewall.

/proc/vmstat, /proc/meminfo, /sys/fs/selinux, subuid(5), /proc/sys/kernel, kernel_lockdown(7), adjtimex(2),
unattended-upgrade(8), dnf-automatic(8), nft(8).
"""

from __future__ import annotations

from dataclasses import dataclass

PAIRED_LINKS = "veth"
"""How interfaces begin that are left out of a host's links: each bridged container has a pair of them."""

SUBID_OWNER_OF_CONTAINERS = "containers"
"""Whose ranges in subuid(5) podman takes for --userns=auto."""

SELINUX_ENFORCE = "sys/fs/selinux/enforce"
SELINUX_POLICY = "sys/fs/selinux/policy"
APPARMOR_ENABLED = "sys/module/apparmor/parameters/enabled"
"""The files that tell of access control, as they stand in `Host.unreadable`."""


@dataclass(frozen=True, slots=True)
class SubIds:
    """One line of /etc/subuid or /etc/subgid."""

    owner: str
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Updates:
    """Whether packages are installed without being asked for."""

    manager: str  # apt, dnf; "" is neither
    installs: bool | None = None  # set up to install by itself; None: the settings could not be read
    last_run_at_seconds: float | None = None  # mtime of the newest stamp; apt stamps success, dnf's timer the start


@dataclass(frozen=True, slots=True)
class InputChain:
    """One base chain of nftables at the input hook."""

    family: str  # ip, ip6, inet
    table: str
    name: str
    policy: str  # accept, drop
    denies: bool  # whether what strangers send is dropped or rejected: by a rule that it meets, or by the policy
    opening: str = ""  # of what strangers send, something that is accepted: tcp over IPv4 by eth0
    unclear: str = ""  # of what strangers send, something that the rules cannot be followed for


@dataclass(frozen=True, slots=True)
class Firewall:
    """What nftables does with packets for the host itself: `nft -j list ruleset`."""

    inputs: tuple[InputChain, ...]


@dataclass(frozen=True, slots=True)
class Host:
    """One host. None: the file is not there."""

    hostname: str  # /proc/sys/kernel/hostname
    boot_id: str  # /proc/sys/kernel/random/boot_id
    kernel: str  # /proc/sys/kernel/osrelease
    memory_total_bytes: int | None  # /proc/meminfo MemTotal
    oom_kills: int | None  # /proc/vmstat oom_kill
    selinux_mode: str | None  # enforcing, permissive, disabled; None: the kernel has no SELinux, or see `unreadable`
    apparmor_enabled: bool | None  # /sys/module/apparmor/parameters/enabled; None: not there, or see `unreadable`
    cgroup_version: int | None  # 2: unified; 1: legacy or hybrid; None: no cgroup mount
    subuids: tuple[SubIds, ...] = ()  # /etc/subuid
    subgids: tuple[SubIds, ...] = ()  # /etc/subgid
    account_uids: tuple[tuple[str, int], ...] = ()  # /etc/passwd: name, uid
    group_gids: tuple[tuple[str, int], ...] = ()  # /etc/group: name, gid
    links: tuple[tuple[str, str], ...] = ()  # /sys/class/net: interface, operstate; without PAIRED_LINKS
    default_link: str = ""  # /proc/net/route: the interface of the default route
    sysctls: tuple[tuple[str, str], ...] = ()  # /proc/sys: "kernel.kptr_restrict" -> "1"
    page_bytes: int = 4096  # sysconf(_SC_PAGE_SIZE): memory limits are kept in whole pages
    # None below: it could not be read, or an older recording does not tell.
    lockdown: str | None = None  # /sys/kernel/security/lockdown: none, integrity, confidentiality; "": no such LSM
    module_signatures: str | None = None  # /sys/module/module/parameters/sig_enforce: Y, N; "": built without
    kernels: tuple[str, ...] | None = None  # releases with a vmlinuz below /boot or /lib/modules
    reboot_required: bool | None = None  # /run/reboot-required
    updates: Updates | None = None
    clock_synchronised: bool | None = None  # adjtimex(2): STA_UNSYNC is not set
    swap_total_bytes: int | None = None  # /proc/meminfo SwapTotal
    maskable_paths: tuple[str, ...] | None = None  # of what podman masks in /proc and /sys: those that are there
    read_only_paths: tuple[str, ...] | None = None  # of what podman makes read-only in /proc: those that are there
    # /sys/fs/selinux/policy: the permissive ones of TYPES_OF_CONTAINERS; read only on a host that enforces.
    permissive_types: tuple[str, ...] | None = None
    cpus: int | None = None  # /sys/devices/system/cpu/online
    tasks_max: int | None = None  # the smaller one of kernel.pid_max and kernel.threads-max
    unreadable: tuple[str, ...] = ()  # files that are there and did not answer, as "proc/sys/kernel/kptr_restrict"

    @property
    def has_selinux(self) -> bool:
        """Whether labels of SELinux mean anything: it enforces, or it only warns."""
        return self.selinux_mode not in (None, "disabled")
