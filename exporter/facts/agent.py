"""What the kernel says of the agent's own processes: stat, limits and fd below /proc/PID, proc(5)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A process of the agent, its threads together; the programs that it starts are not in it."""

    name: str  # agent: the only process; otherwise collector or front
    cpu_seconds: float  # utime and stime of stat
    resident_memory_bytes: int  # rss of stat
    virtual_memory_bytes: int  # vsize of stat
    start_time_seconds: float  # unix time: starttime of stat after btime of /proc/stat
    open_files: int  # entries of /proc/self/fd
    open_files_max: int | None  # the soft limit of limits; None: there is none
