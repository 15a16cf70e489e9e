"""The kernel's line on a kill for want of memory, wherever it was read.

mm/oom_kill.c prints two lines a kill. The first names the cgroups and is rate-limited to 10 in 5 s; the second is
not, and names the process alone:

    oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=libpod-payload-d8bb...,mems_allowed=0,
    oom_memcg=/services.slice/.../libpod-payload-d8bb...,task_memcg=/services.slice/...,task=tail,pid=1856,uid=-2147454977
    Memory cgroup out of memory: Killed process 1856 (tail) total-vm:33044kB, ...

The order of names is the kernel's; a cgroup's name may hold commas and equals signs, a task's name anything. So a
container that makes cgroups can write `,task_memcg=/another/container,task=z` into the line. Every reading of a line
is tried, and the victim has to live at or below the cgroup whose limit fired. What the kernel meant is always among
the readings: where they all name one container, it is that one; where they do not, the line is of no use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from exporter.facts.cgroup import container_id_of

# What comes before the first path is the kernel's, but for the name of a cpuset, which has no slash.
_PATHS = re.compile(r"(?:,oom_memcg=|(?P<host>,global_oom,task_memcg=))(?=/)")
_VICTIM = re.compile(r",task_memcg=(?=/)")
_TASK = re.compile(r",task=")
_PID = re.compile(r",pid=([0-9]+),uid=-?[0-9]+$")
_KILLED = re.compile(r"^(?:Memory cgroup out of memory|Out of memory)[^:]*: Killed process ([0-9]+) ")
_LINE_CHARACTERS = 2048  # the kernel ends a record at 1,024: PRINTKRB_RECORD_MAX


@dataclass(frozen=True, slots=True)
class Victim:
    """What a line tells of a kill. None: it does not tell."""

    pid: int
    victim_cgroup: str | None
    limit_cgroup: str = ""  # "" when the whole host was out of memory


def parse_kill(text: str) -> Victim | None:
    """What a line of the kernel's log, without its stamp, tells of a kill.

    None for every other line, and for a first line that may be of two containers: as if it had been rate-limited.
    """
    if len(text) > _LINE_CHARACTERS:
        return None
    if found := _KILLED.match(text):
        return Victim(int(found[1]), None)
    begin, pid = _PATHS.search(text), _PID.search(text)
    if not text.startswith("oom-kill:constraint=CONSTRAINT_") or begin is None or pid is None:
        return None
    paths = text[begin.end() : pid.start()]
    readings = tuple(_on_the_host(paths) if begin["host"] else _under_a_limit(paths))
    if not readings or len({_lives_in(victim) for _, victim in readings}) > 1:
        return None
    # The first, with the shortest paths: what it leaves out lies inside the container.
    limit, victim = readings[0]
    return Victim(int(pid[1]), victim, limit)


def _under_a_limit(paths: str) -> Iterator[tuple[str, str]]:
    """The readings of `/LIMIT,task_memcg=/VICTIM,task=NAME` in which the victim lives at or below the limit."""
    ends = _ends_of_victim(paths)
    for split in _VICTIM.finditer(paths):
        limit, begin = paths[: split.start()], split.end()
        if not paths.startswith(limit, begin):
            continue
        below = begin + len(limit)
        for end in ends:
            if end == below or (end > below and paths[below] == "/"):
                yield limit, paths[begin:end]


def _on_the_host(paths: str) -> Iterator[tuple[str, str]]:
    """The readings of `/VICTIM,task=NAME`: no limit fired that could settle them."""
    return (("", paths[:end]) for end in _ends_of_victim(paths))


def _ends_of_victim(paths: str) -> list[int]:
    return [found.start() for found in _TASK.finditer(paths)]


def _lives_in(victim: str) -> str:
    """The id of the outermost container on the path, the path itself if there is none."""
    return next((found for part in victim.split("/") if (found := container_id_of(part))), victim)
