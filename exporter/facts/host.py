"""What the host itself says: kernel, mandatory access control, id ranges.

/proc/vmstat, /proc/meminfo, /sys/fs/selinux, subuid(5), /proc/sys/kernel.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubIds:
    """One line of /etc/subuid or /etc/subgid."""

    owner: str
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Host:
    """One host. None: the file is not there."""

    hostname: str  # /proc/sys/kernel/hostname
    boot_id: str  # /proc/sys/kernel/random/boot_id
    kernel: str  # /proc/sys/kernel/osrelease
    memory_total_bytes: int | None  # /proc/meminfo MemTotal
    oom_kills: int | None  # /proc/vmstat oom_kill
    selinux_mode: str | None  # enforcing, permissive, disabled; None when the kernel has no SELinux
    apparmor_enabled: bool | None  # /sys/module/apparmor/parameters/enabled
    cgroup_version: int | None  # 2: unified; 1: legacy or hybrid; None: no cgroup mount
    subuids: tuple[SubIds, ...] = ()  # /etc/subuid
    subgids: tuple[SubIds, ...] = ()  # /etc/subgid
    account_uids: tuple[tuple[str, int], ...] = ()  # /etc/passwd: name, uid
    sysctls: tuple[tuple[str, str], ...] = ()  # /proc/sys: "kernel.kptr_restrict" -> "1"
    page_bytes: int = 4096  # sysconf(_SC_PAGE_SIZE): memory limits are kept in whole pages
