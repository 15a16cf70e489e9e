r"""The monitors of containers: each conmon names its container, also where no podman is asked.

/proc/PID/comm is `conmon`, /proc/PID/exe `/usr/bin/conmon` (or `/usr/bin/conmon (deleted)` after an update of it),
/proc/PID/cmdline

    /usr/bin/conmon\0--api-version\01\0-c\0ID\0-u\0ID\0-r\0/usr/bin/crun\0...\0-n\0NAME\0--exit-dir\0...

with -u another id for `podman exec`. A process in a container can call itself conmon and say
anything: those below a payload's cgroup are not believed. A host's user can, too, for ids of others: a
name holds only where `owner_uid` is that of the container's cgroup. A program that is setuid root runs
as root with the comm and the words that a user chose (`ln -s /usr/bin/su conmon`): exe is the kernel's.

Looks again: a process that is no conmon is asked again at each read while it may still become a conmon, which is until
it has executed a program, for a minute at most: podman forks, and the fork executes conmon a moment later.
"""

from __future__ import annotations

import itertools
import os
import re

from exporter.facts.cgroup import container_id_of
from exporter.facts.process import Conmon
from exporter.facts.reading import Unreadable
from exporter.sources.process.directory import Gone, ProcessDirectory, age_seconds
from exporter.sources.process.parse import parse_has_executed, parse_start_ticks

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_NAME_LENGTH_MAX = 253
_BECOMES_SECONDS = 60.0  # daemons fork workers that never execute anything, and kernel threads never do
_OPTIONS = {b"-c": "id", b"--cid": "id", b"-n": "name", b"--name": "name", b"-u": "session", b"--cuuid": "session"}


def parse_command_line(raw: bytes) -> tuple[str, str] | None:
    """Container id and name from a conmon's command line; None when it is not a container's own monitor."""
    words = raw.split(b"\0")
    values: dict[str, str] = {}
    for word, following in itertools.pairwise(words):
        if (option := _OPTIONS.get(word)) is not None:
            # The first of each counts: podman's own stand before --exit-command-arg's.
            values.setdefault(option, following.decode("utf-8", "replace"))
    container_id, name = values.get("id", ""), values.get("name", "")
    if not _CONTAINER_ID.fullmatch(container_id) or not name or values.get("session", container_id) != container_id:
        return None
    return container_id, name[:_NAME_LENGTH_MAX]


def in_container(cgroup: bytes) -> bool:
    """Whether /proc/PID/cgroup puts the process into a container."""
    return any(container_id_of(part) for part in cgroup.decode("utf-8", "replace").strip().split("/"))


def is_conmon(executable: str) -> bool:
    """Whether /proc/PID/exe names conmon, wherever it is installed."""
    return executable.removesuffix(" (deleted)").rpartition("/")[2] == "conmon"


def _executes_conmon(directory: ProcessDirectory) -> bool:
    try:
        return is_conmon(directory.target("exe"))
    except PermissionError:
        # An agent without CAP_SYS_PTRACE sees no executable of another account: it has comm alone to go by, and names
        # containers that it can judge little of.
        return True


class _NotYet(Exception):
    """The process may still execute conmon."""


class ConmonFinder:
    """Finds the conmons below `proc`; asks each process once, when it is what it stays. Not thread-safe."""

    def __init__(self, proc: str) -> None:
        self._proc = proc
        # The kernel makes a new inode for each process, and lists it with the name: no file is opened to know it.
        self._seen: dict[tuple[int, int], Conmon | None] = {}

    def read(self) -> tuple[Conmon, ...]:
        """Every conmon, by pid. Raises OSError when there is no `proc`."""
        with os.scandir(self._proc) as entries:
            alive = [(int(entry.name), entry.inode()) for entry in entries if entry.name.isdecimal()]
        seen = {}
        for process in alive:
            try:
                seen[process] = self._seen[process] if process in self._seen else self._ask(process[0])
            except (Gone, OSError, Unreadable, _NotYet):
                continue  # it has ended, or is asked again next time
        self._seen = seen
        return tuple(conmon for _, conmon in sorted(seen.items()) if conmon is not None)

    def _ask(self, pid: int) -> Conmon | None:
        """The conmon that this process is; None if it is none. Raises _NotYet, Gone, OSError, Unreadable."""
        with ProcessDirectory(self._proc, pid) as directory:
            if directory.text("comm").strip() != b"conmon":
                stat = directory.text("stat")
                if not parse_has_executed(stat) and age_seconds(parse_start_ticks(stat)) < _BECOMES_SECONDS:
                    raise _NotYet
                return None
            if not _executes_conmon(directory) or in_container(directory.text("cgroup")):
                return None
            named = parse_command_line(directory.text("cmdline"))
            if named is None:
                return None
            return Conmon(container_id=named[0], name=named[1], pid=pid, owner_uid=directory.owner_uid())
