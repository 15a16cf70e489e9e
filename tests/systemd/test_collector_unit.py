"""The unit of the collector: what is left open is what it needs."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

from exporter.app import ledger as app_ledger
from exporter.app import proofs

UNIT = Path(__file__).parents[2] / "systemd" / "bulkhead-collector.service"


@pytest.fixture
def service() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def test_the_command_is_the_one_that_the_readme_installs(service: dict[str, list[str]]) -> None:
    assert service["ExecStart"] == ["/usr/bin/bulkhead collector"]


@pytest.mark.parametrize(
    "wall",
    ["NoNewPrivileges", "LockPersonality", "RestrictNamespaces", "ProtectKernelModules", "ProtectKernelTunables"],
)
def test_a_wall_that_costs_nothing_stands(service: dict[str, list[str]], wall: str) -> None:
    assert service[wall] == ["true"]


def test_it_keeps_six_capabilities_and_no_more(service: dict[str, list[str]]) -> None:
    assert service["CapabilityBoundingSet"] == [
        "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_DAC_OVERRIDE CAP_SYS_ADMIN CAP_SYSLOG CAP_NET_ADMIN"
    ]


def test_what_systemd_waits_for_is_what_the_agent_says(service: dict[str, list[str]]) -> None:
    assert service["Type"] == ["notify"]
    assert service["WatchdogSec"] == ["60s"]


def test_the_unit_says_what_the_watchdog_proves_and_how_long_each_proof_may_take() -> None:
    comment = UNIT.read_text().partition("TimeoutStartSec")[0].partition("RestartSec")[2]
    comment = comment.replace("\n# ", " ")
    assert app_ledger._SILENCE_SECONDS == 90
    assert (proofs._PAGE_SECONDS, proofs._PAUSE_SECONDS) == (30, 15)
    for words in ("in the last 90 s", "within 30 s", "15 s after the other"):
        assert words in comment


def test_the_state_of_the_clock_can_be_read_and_nothing_can_set_it(service: dict[str, list[str]]) -> None:
    assert service["SystemCallFilter"][-1] == "adjtimex clock_adjtime"
    assert "ProtectClock" not in service, "it would forbid both"
    assert "CAP_SYS_TIME" not in service["CapabilityBoundingSet"][0]


def test_whoever_asks_for_pages_takes_no_more_than_the_agent_needs(service: dict[str, list[str]]) -> None:
    assert service["CPUQuota"] == ["150%"]
    assert service["MemoryMax"] == ["512M"]
    assert service["TasksMax"] == ["256"]


def test_only_these_kinds_of_sockets_can_be_made(service: dict[str, list[str]]) -> None:
    assert service["RestrictAddressFamilies"] == ["AF_UNIX AF_NETLINK"]


@functools.cache
def groups() -> dict[str, tuple[str, ...]]:
    """What each @group of system calls names: calls, and other groups."""
    done = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, list[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line
        elif line.startswith(" ") and "#" not in line:
            found.setdefault(name, []).append(line.strip())
    return {name: tuple(calls) for name, calls in found.items()}


def calls_of(name: str) -> frozenset[str]:
    """The system calls that a name in a filter stands for: a call itself, or all of a @group's."""
    if not name.startswith("@"):
        return frozenset({name})
    return frozenset().union(*(calls_of(one) for one in groups()[name]))


@pytest.fixture
def allowed(service: dict[str, list[str]]) -> frozenset[str]:
    """The system calls that are left, as systemd.exec(5) puts the lines of a filter together."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT SHOWN: systemd-analyze is not installed")
    calls: frozenset[str] = calls_of("@default")
    for line in service["SystemCallFilter"]:
        named = frozenset().union(*(calls_of(name) for name in line.removeprefix("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    return calls


@pytest.mark.parametrize(
    "call",
    [
        *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd"),
        *("move_pages", "migrate_pages", "userfaultfd", "perf_event_open", "bpf"),
        *("mount", "umount2", "move_mount", "pivot_root", "init_module", "finit_module", "delete_module"),
        *("reboot", "kexec_load", "swapon", "settimeofday", "clock_settime", "iopl", "ioperm"),
    ],
)
def test_no_call_into_other_processes_or_the_kernel_is_left(allowed: frozenset[str], call: str) -> None:
    assert call not in allowed


# By whom each is made: what `strace -f` shows of an agent and of the programs that it starts, and what other C
# libraries use in its place.
NEEDED = {
    "children (subprocess: vfork, and clone in newer C libraries)": (
        *("vfork", "clone", "clone3", "execve", "wait4", "waitid", "kill", "pidfd_open", "pipe2", "dup2"),
        *("close_range", "setsid", "setpriority", "prlimit64", "setrlimit", "getrlimit"),
    ),
    "the keeper": ("eventfd2", "epoll_create1", "epoll_ctl", "epoll_wait", "inotify_init1", "inotify_add_watch"),
    "the ledger": ("fsync", "fdatasync", "pread64", "pwrite64", "fcntl", "flock", "ftruncate", "unlink", "fallocate"),
    "cgroups, /proc and volumes": ("openat", "readlinkat", "statfs", "fstatfs", "statx", "getdents64", "newfstatat"),
    "/dev/kmsg and /dev/zfs": ("read", "lseek", "ioctl", "poll", "ppoll"),
    "podman, D-Bus, systemd, pages, nft": (
        *("socket", "connect", "bind", "listen", "accept4", "sendto", "sendmsg", "recvfrom", "recvmsg", "shutdown"),
        *("getsockname", "setsockopt", "getsockopt", "socketpair"),
    ),
    "threads and signals": ("futex", "rt_sigaction", "rt_sigprocmask", "tgkill", "set_robust_list", "rseq", "prctl"),
    "the state of the clock": ("adjtimex", "clock_adjtime"),
    "pyzfs and PyGObject": ("mmap", "mprotect", "madvise", "mremap", "memfd_create", "sched_setattr"),
}


@pytest.mark.parametrize("need", NEEDED)
def test_what_the_agent_and_its_programs_need_is_left(allowed: frozenset[str], need: str) -> None:
    assert allowed.issuperset(NEEDED[need])
