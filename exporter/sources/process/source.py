"""The processes of every container, with the walls that the kernel has in force around each.

Looks again: all of it is read anew at each read (`process_seconds`, when a cgroup comes or goes, and each second while
a container's first process is still the runtime's); nothing is kept but which processes are conmons, see `conmon`.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from exporter.facts.life import RUNTIME_SECONDS_MAX
from exporter.facts.process import ContainerProcesses, MountPoint, Process, ProcessTable
from exporter.facts.reading import NotHere, Unreadable, words_of
from exporter.facts.runtime import is_runtimes
from exporter.sources.process.conmon import ConmonFinder
from exporter.sources.process.directory import Gone, ProcessDirectory, age_seconds
from exporter.sources.process.entering import is_entering
from exporter.sources.process.parse import (
    parse_has_ended,
    parse_has_executed,
    parse_id_map,
    parse_interfaces,
    parse_mountinfo,
    parse_namespace,
    parse_security_label,
    parse_start_ticks,
    parse_status,
)
from exporter.sources.process.threads import THREADS_MAX, differing_threads, rarest_first, seen_of

T = TypeVar("T")
Namespaces: TypeAlias = tuple[tuple[str, int], ...]
Mounts: TypeAlias = tuple[MountPoint, ...]

# A fork bomb below pids.max must not hold up the other containers.
PROCESSES_MAX = 512
MOUNT_NAMESPACES_MAX = 8  # of one container: each may hold 100,000 mounts
_INTERFACES_MAX = 256
_PROBLEMS_MAX = 5
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


class ProcessSource:
    """The processes of the containers that `members` names (id to pids), read below `proc`.

    A 0 among the pids stands for processes that cannot be named. One thread at a time reads.
    """

    def __init__(self, proc: Path, members: Callable[[], Mapping[str, tuple[int, ...]]]) -> None:
        self._proc = str(proc)
        self._members = members
        self._conmons = ConmonFinder(self._proc)
        self._left_out: dict[str, str] = {}  # by container, what of it was not looked at first
        self._problems: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each container that had more than is read, of the first five, the last time."""
        return self._problems

    def read(self) -> ProcessTable:
        """All containers with a process, and all conmons. Raises NotHere, Unreadable, and what `members` raises."""
        try:
            conmons = self._conmons.read()
        except FileNotFoundError as error:
            raise NotHere(f"no process file system at {self._proc}: mount proc there") from error
        except OSError as error:
            raise Unreadable(f"{self._proc} cannot be listed: {error.strerror}; run as root") from error
        namespaces, mounts = self._host()
        self._left_out = {}
        containers = [self._container(container_id, pids, namespaces) for container_id, pids in self._members().items()]
        self._problems = _sentences(self._left_out)
        # A container whose processes have all ended has no walls to judge.
        return ProcessTable(
            tuple(found for found in containers if found.processes or found.unreadable), conmons, namespaces, mounts
        )

    def _host(self) -> tuple[Namespaces, Mounts]:
        """Namespaces and mounts of pid 1, which are the host's own; what may not be seen is left empty."""
        denied: list[str] = []
        try:
            with ProcessDirectory(self._proc, 1) as directory:
                return _namespaces(directory, denied), _value(directory, "mountinfo", parse_mountinfo, denied) or ()
        except (Gone, OSError):
            return (), ()

    def _container(self, container_id: str, pids: tuple[int, ...], host: Namespaces) -> ContainerProcesses:
        unreadable: list[str] = []
        named = [pid for pid in pids if pid > 0]
        if len(named) < len(pids):
            unreadable.append(
                self._leave_out(container_id, "others: in a foreign pid namespace, or in too many nested cgroups")
            )
        if len(named) > PROCESSES_MAX:
            beyond = f"{len(named) - PROCESSES_MAX} more: only {PROCESSES_MAX} are read, the rarest first"
            unreadable.append(self._leave_out(container_id, beyond))
            named = rarest_first(self._proc, named)
        processes: list[Process] = []
        threads_left = THREADS_MAX
        for pid in named[:PROCESSES_MAX]:
            denied: list[str] = []
            try:
                found, threads = self._process_and_threads(pid, container_id, threads_left, denied)
                processes += found
                threads_left -= threads
            except Gone:
                continue
            except (OSError, Unreadable) as error:
                denied = [words_of(error)]
            unreadable.extend(f"{pid}: {why}" for why in denied)
        # By age, not by pid: pids wrap around.
        processes.sort(key=lambda process: (process.start_ticks, process.pid))
        oldest_seconds = age_seconds(processes[0].start_ticks) if processes else 0.0
        started_at_seconds = time.time() - oldest_seconds if processes else None
        if oldest_seconds < RUNTIME_SECONDS_MAX and is_runtimes(processes, unreadable, host):
            # The runtime still sees the host's mounts and interfaces: they are not the container's.
            return ContainerProcesses(
                container_id, tuple(processes), (), started_at_seconds=started_at_seconds, is_runtimes=True
            )
        # The first one has begun the container, whatever it looks like by now.
        entering = [one for one in processes[1:] if is_entering(self._proc, one, container_id, dict(host))]
        processes = [one for one in processes if one not in entering]
        mounts, *other_mounts = self._mounts(processes, container_id, host, unreadable)
        interfaces = self._first_answer(processes, _interfaces, unreadable) or ()
        return ContainerProcesses(
            container_id,
            tuple(processes),
            mounts,
            tuple(unreadable),
            interfaces[:_INTERFACES_MAX],
            started_at_seconds,
            other_mounts=tuple(other_mounts),
        )

    def _leave_out(self, container_id: str, words: str) -> str:
        self._left_out.setdefault(container_id, words)
        return words

    def _process_and_threads(
        self, pid: int, container_id: str, threads_left: int, denied: list[str]
    ) -> tuple[list[Process], int]:
        """A process, each thread of it with walls of its own, and how many threads were looked at."""
        with ProcessDirectory(self._proc, pid) as directory:
            status = parse_status(directory.text("status"))
            has_threads = status.threads > 1
            # A first thread that has ended alone has no walls any more; the others have.
            has_ended = has_threads and parse_has_ended(directory.text("stat"))
            found = [] if has_ended else [_process(directory, pid, container_id, denied)]
            if not has_threads:
                return found, 0
            first = None if has_ended else seen_of(status.walls, found[0].security_label, found[0].namespaces)
            different, looked_at, beyond = differing_threads(directory, pid, first, threads_left)
        if beyond:
            denied.append(self._leave_out(container_id, f"{beyond} more threads: too many to be looked at"))
        # The kernel marks each thread as a copy that has executed nothing: what the process has done says it.
        has_executed = found[0].has_executed if found else True
        for number in different:
            try:
                with ProcessDirectory(f"{self._proc}/{pid}/task", number) as directory:
                    thread = _process(directory, number, container_id, denied)
            except Gone:
                continue
            except (OSError, Unreadable) as error:
                denied.append(f"thread {number}: {words_of(error)}")
                continue
            found.append(replace(thread, has_executed=has_executed))
        return found, looked_at

    def _mounts(
        self, processes: list[Process], container_id: str, host: Namespaces, unreadable: list[str]
    ) -> list[Mounts]:
        """All mounts of each mount namespace, the oldest process's first; () for one of which they are not known."""
        hosts = dict(host).get("mnt")
        members: dict[int | None, list[Process]] = {}
        for process in processes:
            namespace = dict(process.namespaces).get("mnt")
            if members and namespace is None:
                continue  # it has ended, or `unreadable` says why
            # A `podman exec` begins in the host's: what it sees there for a moment is not the container's.
            if members and namespace == hosts and age_seconds(process.start_ticks) < RUNTIME_SECONDS_MAX:
                continue
            members.setdefault(namespace, []).append(process)
        found = []
        for some in list(members.values())[:MOUNT_NAMESPACES_MAX]:
            mounts = self._first_answer(some, _all_mounts, unreadable)
            # Who has no root any more has ended.
            if mounts is not None or self._first_answer(some, _root, []) is not None:
                found.append(mounts or ())
        if len(members) > MOUNT_NAMESPACES_MAX:
            self._leave_out(container_id, f"{len(members) - MOUNT_NAMESPACES_MAX} more mount namespaces")
        # A process that could not be read, or not whole, may be in a namespace of its own.
        is_whole = found and len(members) <= MOUNT_NAMESPACES_MAX and not unreadable
        return found if is_whole else [*found, ()]

    def _first_answer(
        self,
        processes: list[Process],
        read: Callable[[ProcessDirectory, list[str]], T | None],
        unreadable: list[str],
    ) -> T | None:
        """What the first process that lives, and can be asked, says."""
        for process in processes:
            denied: list[str] = []
            try:
                with ProcessDirectory(self._proc, process.pid) as directory:
                    if parse_start_ticks(directory.text("stat")) != process.start_ticks:
                        continue
                    found = read(directory, denied)
            except (Gone, OSError, Unreadable):
                continue
            unreadable.extend(f"{process.pid}: {why}" for why in denied)
            if found is not None or denied:
                return found
        return None


def _sentences(left_out: Mapping[str, str]) -> tuple[str, ...]:
    found = [
        f"container {container_id[:12]} has more than is looked at, and no check of its processes passes: {words}"
        for container_id, words in list(left_out.items())[:_PROBLEMS_MAX]
    ]
    more = len(left_out) - len(found)
    return (*found, f"{more} more containers") if more else tuple(found)


def _process(directory: ProcessDirectory, pid: int, container_id: str, denied: list[str]) -> Process:
    stat = directory.text("stat")
    start_ticks, has_executed = parse_start_ticks(stat), parse_has_executed(stat)
    # The pid may be another process's since the cgroup named it.
    if container_id.encode() not in directory.text("cgroup"):
        raise Gone
    status = parse_status(directory.text("status"))
    process = Process(
        pid=pid,
        start_ticks=start_ticks,
        comm=status.comm,
        inheritable_capabilities=status.inheritable_capabilities,
        permitted_capabilities=status.permitted_capabilities,
        effective_capabilities=status.effective_capabilities,
        bounding_capabilities=status.bounding_capabilities,
        ambient_capabilities=status.ambient_capabilities,
        no_new_privileges=status.no_new_privileges,
        seccomp_mode=status.seccomp_mode,
        uid_map=parse_id_map(directory.text("uid_map")),
        gid_map=parse_id_map(directory.text("gid_map")),
        security_label=_value(directory, "attr/current", parse_security_label, denied),
        namespaces=_namespaces(directory, denied),
        has_executed=has_executed,
    )
    if parse_start_ticks(directory.text("stat")) != start_ticks:
        raise Gone
    return process


def _root(directory: ProcessDirectory, denied: list[str]) -> str | None:
    try:
        return directory.target("root")
    except Gone:
        return None
    except OSError as error:
        denied.append(f"root: {words_of(error)}")
        return None


def _all_mounts(directory: ProcessDirectory, denied: list[str]) -> Mounts | None:
    # After a chroot(2) mountinfo shows only what lies below the new root: such a process is no witness.
    root = _root(directory, denied)
    return _value(directory, "mountinfo", parse_mountinfo, denied) if root in {"/", None} and not denied else None


def _interfaces(directory: ProcessDirectory, denied: list[str]) -> tuple[str, ...] | None:
    return _value(directory, "net/dev", parse_interfaces, denied)


def _value(directory: ProcessDirectory, name: str, parse: Callable[[bytes], T], denied: list[str]) -> T | None:
    try:
        return parse(directory.text(name))
    except Gone:
        return None
    except OSError as error:
        # EINVAL: attr/current where no LSM answers, mountinfo of a process that is ending.
        if error.errno != errno.EINVAL:
            denied.append(f"{name}: {words_of(error)}")
    except Unreadable as error:
        denied.append(f"{name}: {error}")
    return None


def _namespaces(directory: ProcessDirectory, denied: list[str]) -> tuple[tuple[str, int], ...]:
    namespaces = []
    for kind in _NAMESPACES:
        try:
            namespaces.append((kind, parse_namespace(directory.target(f"ns/{kind}"))))
        except Gone:
            continue  # the kernel has no such kind
        except (OSError, Unreadable) as error:
            denied.append(f"ns/{kind}: {words_of(error)}")
            break  # who may not see one may see none
    return tuple(namespaces)
