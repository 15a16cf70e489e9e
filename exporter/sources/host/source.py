"""The host's own walls: kernel, mandatory access control, id ranges, hardening sysctls.

/proc/sys/kernel/kptr_restrict   1
/proc/meminfo                    MemTotal:        4005508 kB
/proc/vmstat                     oom_kill 3
/sys/fs/selinux/enforce          1           (no file: SELinux is off)
/sys/kernel/security/lockdown    [none] integrity confidentiality
/proc/sys/kernel/pid_max         4194304
/sys/devices/system/cpu/online   0-3,8
/proc/net/route                  eth0 00000000 0202000A 0003 0 0 1024 00000000 0 0 0
/etc/subuid                      containers:2147483647:2147483647
/sys/class/net/lan0/operstate    up
/etc/group                       adm:x:4:alice
/etc/passwd                      alice:x:1000:1000::/home/alice:/bin/sh

Looks again: every file is opened anew at each read (`host_seconds`); nothing is kept but what selinux_policy.py says.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from exporter.facts.container import MASKED_PATHS, READ_ONLY_PATHS
from exporter.facts.host import APPARMOR_ENABLED, PAIRED_LINKS, SELINUX_ENFORCE, SELINUX_POLICY, Host
from exporter.facts.reading import Unreadable
from exporter.sources.host.clock import kernel_clock_is_synchronised
from exporter.sources.host.kernels import installed_kernels
from exporter.sources.host.parse import (
    parse_accounts,
    parse_choice,
    parse_cpus,
    parse_default_link,
    parse_groups,
    parse_memory_total_bytes,
    parse_oom_kills,
    parse_subids,
    parse_swap_total_bytes,
    parse_value,
    with_owners_named,
)
from exporter.sources.host.selinux_policy import PermissiveTypes
from exporter.sources.host.updates import read_updates

T = TypeVar("T")

# What the host's checks judge. A kernel that lacks one has no such file, and it is left out.
SYSCTLS = (
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.unprivileged_bpf_disabled",
    "kernel.yama.ptrace_scope",
    "kernel.kexec_load_disabled",
    "kernel.modules_disabled",
    "kernel.perf_event_paranoid",
    "kernel.randomize_va_space",
    "kernel.io_uring_disabled",  # 6.6
    "kernel.panic_on_oops",
    "kernel.sysrq",
    "kernel.unprivileged_userns_clone",  # Debian's own
    "user.max_user_namespaces",
    "net.core.bpf_jit_harden",  # root alone may read it
    "net.ipv6.conf.all.disable_ipv6",
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
    "vm.mmap_min_addr",
    "vm.unprivileged_userfaultfd",
)
_MAX_FILE_BYTES = 1 << 20
_MAX_LINKS = 1000
_SELINUX_BUILT_IN = re.compile(rb"^CONFIG_SECURITY_SELINUX=y$", re.MULTILINE)


class HostSource:
    """The host below a root directory."""

    def __init__(
        self, root: Path = Path("/"), clock_synchronised: Callable[[], bool | None] = kernel_clock_is_synchronised
    ) -> None:
        self._root = root
        self._clock_synchronised = clock_synchronised
        self._unreadable: set[str] = set()
        self._permissive_types = PermissiveTypes(root / "sys/fs/selinux")

    def read(self) -> Host:
        """The host's facts; what a file does not tell is None. Raises Unreadable: there is no /proc."""
        self._unreadable = set()
        kernel = self._word("proc/sys/kernel/osrelease")
        if not kernel:
            raise Unreadable(f"{self._root / 'proc/sys'} cannot be read: mount /proc and allow this process to read it")
        memory = self._content("proc/meminfo")
        selinux_mode = self._selinux_mode(kernel)
        accounts = parse_accounts(self._content("etc/passwd"))
        return Host(
            hostname=self._word("proc/sys/kernel/hostname"),
            boot_id=self._word("proc/sys/kernel/random/boot_id"),
            kernel=kernel,
            memory_total_bytes=parse_memory_total_bytes(memory),
            oom_kills=parse_oom_kills(self._content("proc/vmstat")),
            selinux_mode=selinux_mode,
            apparmor_enabled=self._one_of(APPARMOR_ENABLED, {"Y": True, "N": False}),
            cgroup_version=self._cgroup_version(),
            subuids=with_owners_named(parse_subids(self._content("etc/subuid")), accounts),
            subgids=with_owners_named(parse_subids(self._content("etc/subgid")), accounts),
            account_uids=accounts,
            group_gids=parse_groups(self._content("etc/group")),
            links=self._links(),
            default_link=parse_default_link(self._content("proc/net/route")),
            sysctls=tuple(
                (name, value) for name in SYSCTLS if (value := self._word("proc/sys/" + name.replace(".", "/")))
            ),
            page_bytes=os.sysconf("SC_PAGE_SIZE"),
            lockdown=self._lockdown(),
            module_signatures=self._module_signatures(),
            kernels=installed_kernels(self._root),
            reboot_required=(self._root / "run/reboot-required").exists(),
            updates=read_updates(self._root),
            clock_synchronised=self._clock_synchronised(),
            swap_total_bytes=parse_swap_total_bytes(memory),
            maskable_paths=self._there(MASKED_PATHS),
            read_only_paths=self._there(READ_ONLY_PATHS),
            permissive_types=self._permissive() if selinux_mode == "enforcing" else None,
            cpus=parse_cpus(self._content("sys/devices/system/cpu/online")),
            tasks_max=self._tasks_max(),
            unreadable=tuple(sorted(self._unreadable)),
        )

    def _permissive(self) -> tuple[str, ...] | None:
        try:
            return self._permissive_types.read()
        except (OSError, Unreadable):
            self._unreadable.add(SELINUX_POLICY)
            return None

    def _there(self, paths: Iterable[str]) -> tuple[str, ...]:
        return tuple(path for path in paths if os.path.lexists(self._root / path.lstrip("/")))

    def _tasks_max(self) -> int | None:
        words = [self._word(f"proc/sys/kernel/{name}") for name in ("pid_max", "threads-max")]
        return min(map(int, words)) if all(word.isdecimal() for word in words) else None

    def _links(self) -> tuple[tuple[str, str], ...]:
        """Name and state of each interface that may carry others. A host has a veth pair for each bridged container."""
        try:
            names = sorted(path.name for path in (self._root / "sys/class/net").iterdir())
        except OSError:
            return ()
        links = [name for name in names if not name.startswith(PAIRED_LINKS)][:_MAX_LINKS]
        return tuple((name, state) for name in links if (state := self._word(f"sys/class/net/{name}/operstate")))

    def _lockdown(self) -> str | None:
        if (mode := parse_choice(self._content("sys/kernel/security/lockdown"))) is not None:
            return mode
        return self._without("sys/kernel/security", "lockdown")

    def _module_signatures(self) -> str | None:
        return self._word("sys/module/module/parameters/sig_enforce") or self._without(
            "sys/module", "module/parameters/sig_enforce"
        )

    def _without(self, directory: str, name: str) -> str | None:
        """`""` where the kernel shows the directory and has no such file in it, else None: nobody knows."""
        try:
            is_shown = any((self._root / directory).iterdir())
        except OSError:
            return None
        return "" if is_shown and not (self._root / directory / name).exists() else None

    def _selinux_mode(self, kernel: str) -> str | None:
        mode = self._one_of(SELINUX_ENFORCE, {"1": "enforcing", "0": "permissive"})
        # Only where the file is not there SELinux is off: one that did not answer may say anything.
        if mode is None and SELINUX_ENFORCE not in self._unreadable and self._knows_selinux(kernel):
            return "disabled"
        return mode

    def _knows_selinux(self, kernel: str) -> bool:
        # A kernel that booted without SELinux shows no trace of it: its build configuration does.
        if (self._root / "etc/selinux/config").is_file():
            return True
        if "/" in kernel:
            return False
        configurations = (f"boot/config-{kernel}", f"usr/lib/modules/{kernel}/config")
        if any(_SELINUX_BUILT_IN.search(self._content(path)) for path in configurations):
            return True
        try:
            return _SELINUX_BUILT_IN.search(gzip.decompress(self._content("proc/config.gz"))) is not None
        except (EOFError, OSError, zlib.error):
            return False

    def _cgroup_version(self) -> int | None:
        mount = self._root / "sys/fs/cgroup"
        if (mount / "cgroup.controllers").is_file():
            return 2
        try:
            return 1 if any(mount.iterdir()) else None
        except OSError:
            return None

    def _one_of(self, path: str, meanings: Mapping[str, T]) -> T | None:
        """What the file's word means; None where there is no file, or one that did not answer with such a word."""
        meaning = meanings.get(self._word(path))
        if meaning is None and path not in self._unreadable and (self._root / path).is_file():
            self._unreadable.add(path)
        return meaning

    def _word(self, path: str) -> str:
        return parse_value(self._content(path))

    def _content(self, path: str) -> bytes:
        try:
            with (self._root / path).open("rb") as file:
                return file.read(_MAX_FILE_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError:
            self._unreadable.add(path)
            return b""
