"""What the agent remembers of one life of a container, from one report to the next.

A life is a container id and the cgroup named after it: podman starts the same id again without `--rm`, and each start
makes a new cgroup with another inode.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

START_SECONDS_MAX = 60.0
"""How long a container may be starting. A runtime needs less than a second, and podman, systemd and the volumes answer
within some seconds; the slowest clock of a source that the judgement waits for is a minute. A container that is
not finished by then is judged as it is: otherwise one that imitates a runtime would never be judged."""
RUNTIME_SECONDS_MAX = 50.0
"""How long what looks like the runtime is taken for it, and its mounts for the host's. It is shorter than the time
above, so that the mounts have been read when the container is judged."""


class Phase(StrEnum):
    """Where in its life a container is, as the cgroup tree, /proc and podman show it."""

    CREATED = "created"  # no cgroup, and podman does not report it as running
    LOST = "lost"  # podman reports it as running, and it has no cgroup: not found yet, or gone already
    EMPTY = "empty"  # its cgroup has no process: not in it yet, or gone already
    ALIVE = "alive"
    ENDED = "ended"  # podman reports its end, or has removed it


@dataclass(frozen=True, slots=True)
class Life:
    """One life, as far as it has been followed."""

    inode: int | None  # of the cgroup that is, or was, named after the container; None: none was found
    phase: Phase
    began_seconds: float = float("-inf")  # unix time of the oldest sign of this phase; never moved to a later time
    found_seconds: float = float("-inf")  # unix time of the first look at the container; never moved to a later time
    leader: tuple[int, int] | None = None  # pid and start of its first process, once its processes were read
    former_leader: tuple[int, int] | None = None  # the same of the life before it
    payload_seen_seconds: float | None = None  # when its first process was no longer the runtime's
    left_seconds: float | None = None  # when it was no longer seen alive for the first time
    is_listed: bool = False  # podman has reported it once
    lacks: str = ""  # what has to be known before it can be judged, in words; "": it has begun

    def is_starting(self, now_seconds: float) -> bool:
        """Whether it is not judged yet. A wall clock that was set back makes no start longer than the bound."""
        since_seconds = (self.began_seconds, self.found_seconds)
        return bool(self.lacks) and any(abs(now_seconds - since) < START_SECONDS_MAX for since in since_seconds)
