"""The host's own walls: kernel, mandatory access control, id ranges, hardening sysctls.

/proc/sys/kernel/kptr_restrict   1
/proc/meminfo                    MemTotal:        4005508 kB
/proc/vmstat                     oom_kill 3
/sys/fs/selinux/enforce          1           (no file: SELinux is off)
/etc/subuid                      containers:2147483647:2147483647
/etc/passwd                      alice:x:1000:1000::/home/alice:/bin/sh
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from pathlib import Path

from exporter.facts.host import Host, SubIds
from exporter.facts.reading import Unreadable

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
    "fs.protected_fifos",
    "fs.protected_hardlinks",
    "fs.protected_regular",
    "fs.protected_symlinks",
    "fs.suid_dumpable",
    "vm.mmap_min_addr",
    "vm.unprivileged_userfaultfd",
)
_MAX_VALUE_CHARACTERS = 128
_MAX_FILE_BYTES = 1 << 20
_MAX_LINES = 20_000
_MAX_NAME_CHARACTERS = 255
_SUBID_COLUMNS = 3
_PASSWD_COLUMNS = 7
_UID_COLUMN = 2
_MAX_ID = 1 << 32
_MAX_DIGITS = 20  # of 2**64
_SELINUX_BUILT_IN = re.compile(rb"^CONFIG_SECURITY_SELINUX=y$", re.MULTILINE)


class HostSource:
    """The host below a root directory."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def read(self) -> Host:
        """The host's facts; what a file does not tell is None. Raises Unreadable: there is no /proc."""
        kernel = self._word("proc/sys/kernel/osrelease")
        if not kernel:
            raise Unreadable(f"{self._root / 'proc/sys'} cannot be read: mount /proc and allow this process to read it")
        return Host(
            hostname=self._word("proc/sys/kernel/hostname"),
            boot_id=self._word("proc/sys/kernel/random/boot_id"),
            kernel=kernel,
            memory_total_bytes=parse_memory_total_bytes(self._content("proc/meminfo")),
            oom_kills=parse_oom_kills(self._content("proc/vmstat")),
            selinux_mode=self._selinux_mode(kernel),
            apparmor_enabled={"Y": True, "N": False}.get(self._word("sys/module/apparmor/parameters/enabled")),
            cgroup_version=self._cgroup_version(),
            subuids=parse_subids(self._content("etc/subuid")),
            subgids=parse_subids(self._content("etc/subgid")),
            account_uids=parse_accounts(self._content("etc/passwd")),
            sysctls=tuple(
                (name, value) for name in SYSCTLS if (value := self._word("proc/sys/" + name.replace(".", "/")))
            ),
            page_bytes=os.sysconf("SC_PAGE_SIZE"),
        )

    def _selinux_mode(self, kernel: str) -> str | None:
        mode = {"1": "enforcing", "0": "permissive"}.get(self._word("sys/fs/selinux/enforce"))
        if mode is None and self._knows_selinux(kernel):
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

    def _word(self, path: str) -> str:
        return parse_value(self._content(path))

    def _content(self, path: str) -> bytes:
        try:
            with (self._root / path).open("rb") as file:
                return file.read(_MAX_FILE_BYTES)
        except OSError:
            return b""


def parse_value(raw: bytes) -> str:
    """The first line of a one-value file, printable and bounded; "" when there is none."""
    text = raw.split(b"\n", 1)[0].decode("utf-8", "replace").strip()[:_MAX_VALUE_CHARACTERS]
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in text)


def parse_memory_total_bytes(raw: bytes) -> int | None:
    """MemTotal of /proc/meminfo, which counts in KiB."""
    for line in raw.split(b"\n"):
        match line.split():
            case [b"MemTotal:", figure, b"kB"]:
                kibibytes = _number(figure)
                return None if kibibytes is None else kibibytes * 1024
            case _:
                pass
    return None


def parse_oom_kills(raw: bytes) -> int | None:
    """The oom_kill counter of /proc/vmstat (kernel 4.13)."""
    for line in raw.split(b"\n"):
        match line.split():
            case [b"oom_kill", figure]:
                return _number(figure)
            case _:
                pass
    return None


def parse_subids(raw: bytes) -> tuple[SubIds, ...]:
    """The ranges in /etc/subuid or /etc/subgid, subuid(5); a line that makes no sense is skipped."""
    found = []
    for line in raw.split(b"\n")[:_MAX_LINES]:
        columns = line.strip().split(b":")
        if len(columns) != _SUBID_COLUMNS:
            continue
        owner, start, count = parse_value(columns[0]), _number(columns[1]), _number(columns[2])
        if owner and start is not None and count and start + count <= _MAX_ID:
            found.append(SubIds(owner, start, count))
    return tuple(found)


def parse_accounts(raw: bytes) -> tuple[tuple[str, int], ...]:
    """Name and uid of every account in /etc/passwd, passwd(5); a line that makes no sense is skipped."""
    found = []
    for line in raw.split(b"\n")[:_MAX_LINES]:
        columns = line.split(b":")
        if len(columns) != _PASSWD_COLUMNS:
            continue
        name, uid = parse_value(columns[0]), _number(columns[_UID_COLUMN])
        if name and uid is not None and uid < _MAX_ID:
            found.append((name, uid))
    return tuple(found)


def _number(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() and len(raw) <= _MAX_DIGITS else None
