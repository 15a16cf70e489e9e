"""What tells of kills, restarts, starts and exits: counters of the kernel, and what was said of single events.

A counter (memory.events of a cgroup) tells how many; an event (a line of the kernel's log, an entry of
the journal, an event of podman) tells of whom. `heard_us` is CLOCK_MONOTONIC of `boot_id`, so that a
wall clock that jumps moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from exporter.facts.container import full_name, user_in


@dataclass(frozen=True, slots=True)
class KillCount:
    """memory.events of one cgroup at one moment."""

    path: str  # below the cgroup mount, starts with /
    inode: int  # another inode is another life
    oom_kill: int  # memory.events oom_kill: hierarchical
    local_oom: int  # memory.events.local oom: how often this cgroup's own limit fired
    container_id: str = ""  # of the one container that lives in it; "" for a slice
    is_outermost: bool = True  # of the container's own: what is below it, it counts too

    @property
    def is_slice(self) -> bool:
        """Whether it outlives the containers in it."""
        return not self.container_id

    @property
    def is_evidence(self) -> bool:
        """Whether its count is this container's, and no other count holds it."""
        return bool(self.container_id) and self.is_outermost


@dataclass(frozen=True, slots=True)
class KillCounts:
    """One reading of all of them: slices first, each before those below it."""

    counts: tuple[KillCount, ...] = ()
    unreadable: frozenset[str] = frozenset()  # paths of cgroups that are there and could not be read
    absent: frozenset[str] = frozenset()  # slices that were asked for and are not there
    began_us: int | None = None  # CLOCK_MONOTONIC before the first was read: what came later may not be in it


@dataclass(frozen=True, slots=True)
class KernelKill:
    """One kill in the kernel's log; kmsg and journal tell of it with the same stamp."""

    boot_id: str  # hex without dashes
    heard_us: int
    stamp_us: int  # the line's own time: with boot and pid it is the kill's identity
    pid: int
    victim_cgroup: str  # task_memcg
    limit_cgroup: str | None  # oom_memcg; "" when the whole host was out of memory; None: not told
    at_seconds: float  # unix time, as far as known


@dataclass(frozen=True, slots=True)
class RestartScheduled:
    """systemd's `Scheduled restart job, restart counter is at N`."""

    boot_id: str
    heard_us: int
    sent_us: int  # when systemd sent it, however late the journal took it: CLOCK_MONOTONIC of boot_id
    unit: str
    count: int  # N_RESTARTS: 1 after a manual start


@dataclass(frozen=True, slots=True)
class UnitOutOfMemory:
    """systemd saw oom_kill of a unit's cgroup rise; how far it does not say."""

    boot_id: str
    heard_us: int
    unit: str


@dataclass(frozen=True, slots=True)
class OomdKill:
    """systemd-oomd killed a unit's processes; the kernel's oom_kill does not count these."""

    boot_id: str
    heard_us: int
    unit: str
    processes: int
    at_seconds: float


@dataclass(frozen=True, slots=True)
class UnitFailed:
    """`Failed with result 'RESULT'`: exit-code, signal, core-dump, watchdog, timeout, oom-kill, start-limit-hit."""

    boot_id: str
    heard_us: int
    unit: str
    result: str


@dataclass(frozen=True, slots=True)
class UnitStopping:
    """A stop job of a unit has begun: somebody asked for it."""

    boot_id: str
    heard_us: int
    unit: str


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """One event of podman's."""

    time_nanoseconds: int  # unix time
    container_id: str
    name: str  # NAME, or USER/NAME
    action: str  # start, died, stop, health_status, ...
    unit: str = ""  # PODMAN_SYSTEMD_UNIT
    exit_code: int | None = None  # of died
    health: str = ""  # of health_status

    @property
    def user(self) -> str:
        """The account whose podman reports it; "" is root's."""
        return user_in(self.name)

    @property
    def container_key(self) -> str:
        """Which container this is to the podman that reports it: ID, or USER/ID. A user's may report any id."""
        return full_name(self.user, self.container_id)


@dataclass(frozen=True, slots=True)
class Denial:
    """SELinux denied a process something, or would have if it were enforcing."""

    stamp: str  # time and serial number of the kernel's audit, as 1795624726.523:73: the denial's identity
    pid: int
    context: str  # scontext: the label of the process
    cgroup: str = ""  # where the process was when this was heard; "" where that is not known


JournalEvent: TypeAlias = (
    KernelKill | RestartScheduled | UnitOutOfMemory | OomdKill | UnitFailed | UnitStopping | Denial
)
Evidence: TypeAlias = JournalEvent | ContainerEvent
