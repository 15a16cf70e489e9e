"""Whether a process of a container is still the runtime's that `podman exec` has put there, a health check say.

crun clones itself into the container's cgroup; until the clone executes what was asked for it has crun's own walls: no
seccomp filter, every capability, for some milliseconds. It is not the container's yet, and no verdict rests on it:

    conmon        outside the container's cgroup, executed for this session
     `- crun      outside; ends once all is set up, and leaves its clone to conmon
         `- crun  in the cgroup, has executed nothing (PF_FORKNOEXEC)

A container can fork processes that execute nothing as often as it likes; the parent of each is in the container, unless
it is cloned as a sibling by what was executed for a session, or orphaned in the host's pid namespace: then it is a
conmon's. So both have to be young, process and parent. That hides a process for as long at most as one hides anyway
that ends before the next look, and each such time begins with an exec that is made from outside.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.facts.process import Process
from exporter.facts.reading import Unreadable
from exporter.facts.runtime import looks_like_the_runtime
from exporter.sources.process.directory import Gone, ProcessDirectory, age_seconds
from exporter.sources.process.parse import parse_parent, parse_start_ticks

ENTERING_SECONDS_MAX = 5.0
"""How long conmon and crun may take to begin a session: on an idle host it is 0.1 s."""


def is_entering(proc: str, process: Process, container_id: str, host_namespaces: Mapping[str, int]) -> bool:
    """Whether the process is the runtime's still; of what cannot be read it is the container's."""
    if not looks_like_the_runtime(process, host_namespaces) or not _is_young(process.start_ticks):
        return False
    try:
        with ProcessDirectory(proc, process.pid) as directory:
            stat = directory.text("stat")
        with ProcessDirectory(proc, parse_parent(stat)) as parent:
            is_young = _is_young(parse_start_ticks(parent.text("stat")))
            return is_young and container_id.encode() not in parent.text("cgroup")
    except (Gone, OSError, Unreadable):
        return False


def _is_young(start_ticks: int) -> bool:
    return age_seconds(start_ticks) < ENTERING_SECONDS_MAX
