"""The kernel's line on a kill for want of memory, wherever it was read.

mm/oom_kill.c prints two lines a kill. The first names the cgroups and is rate-limited to 10 in 5 s; the second is
not, and names the process alone:

    oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=libpod-payload-d8bb...,mems_allowed=0,
    oom_memcg=/services.slice/.../libpod-payload-d8bb...,task_memcg=/services.slice/...,task=tail,pid=1856,uid=-2147454977
    Memory cgroup out of memory: Killed process 1856 (tail) total-vm:33044kB, ...

The order of names is the kernel's; a cgroup's name may hold commas and equals signs, a task's name anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The first ",task=", and the last ",pid=": a task may call itself anything, what follows is the kernel's.
_KILL = re.compile(
    r"^oom-kill:constraint=(?P<constraint>CONSTRAINT_\w+),.*?(?:,oom_memcg=(?P<limit>/.*?)|,global_oom)"
    r",task_memcg=(?P<victim>/.*?),task=.*,pid=(?P<pid>\d+),uid=-?\d+$",
    re.DOTALL,
)
_KILLED = re.compile(r"^(?:Memory cgroup out of memory|Out of memory)[^:]*: Killed process (?P<pid>\d+) ")


@dataclass(frozen=True, slots=True)
class Victim:
    """What a line tells of a kill. None: it does not tell."""

    pid: int
    victim_cgroup: str | None
    limit_cgroup: str = ""  # "" when the whole host was out of memory


def parse_kill(text: str) -> Victim | None:
    """What a line of the kernel's log, without its stamp, tells of a kill; None for every other line."""
    if found := _KILL.match(text):
        return Victim(int(found["pid"]), found["victim"], found["limit"] or "")
    if found := _KILLED.match(text):
        return Victim(int(found["pid"]), None)
    return None
