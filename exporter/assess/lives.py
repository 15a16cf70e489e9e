"""Which containers are starting: what is known of a life is not yet enough to judge it.

A container is judged once it has begun:

- its first process is the payload's, and no longer the runtime's (facts/runtime.py);
- podman, asked after the life began, says that it runs, and has inspected it;
- systemd, asked after the life began, has answered for the unit and the slice above it;
- its cgroups were read after the payload was seen: the runtime sets limits before;
- each volume, its dataset and a quadlet of its name are known, or their source was asked since.

Until then it is starting: no check has a verdict, and no limit has drift. Both are absent from pages: the verdicts of
the life before say nothing of this one. Usage, limits and counts are served as always. A source that fails is not
waited for: its failure has a series of its own, and what it would decide is unknown, as for every other container. A
source that has yet to answer for the first time is waited for: the agent has just started.

A life that has begun stays so, until its id has another cgroup. A life that has not begun within START_SECONDS_MAX is
judged as it is. The bound counts from the oldest sign of the life: the start of its first process in the kernel, the
start that podman reports, or the first look at its cgroup. A container can make none of them later. A container that
the agent finds when it starts itself has the same time from then: on a busy host podman inspects not all at once.

The same holds around a life, within the same bound. A container that podman reports as running and that has no cgroup
or no process has ended, or is not found yet. A container that podman has yet to remove (`--rm`) is not a kept one. A
container that podman reports as ended or as never started, and whose processes are there, runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

from exporter.assess.inventory import KnownContainer
from exporter.assess.storage.volumes import volumes_of
from exporter.facts.cgroup import ContainerCgroups, container_id_of, slice_of, unit_of
from exporter.facts.container import Container
from exporter.facts.life import Life, Phase
from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.reading import Read, Reading, is_awaited, latest
from exporter.facts.runtime import is_runtimes
from exporter.facts.snapshot import Snapshot

T = TypeVar("T")

AWAKE_STATES = frozenset({"running", "paused", "stopping"})
_ENDED_STATES = frozenset({"exited", "dead"})
_LONG_AGO = float("-inf")


def is_running(known: KnownContainer, snapshot: Snapshot) -> bool:
    """Whether it runs: podman reports so, or /proc and the cgroup tree show it now, whatever podman reports."""
    return known.state in AWAKE_STATES or _has_processes_now(known, snapshot)


def _has_processes_now(known: KnownContainer, snapshot: Snapshot) -> bool:
    if known.processes is None or not isinstance(snapshot.process, Read):
        return False
    # Cgroups are read more often than /proc: processes whose cgroup is gone have ended since they were read.
    is_gone = isinstance(snapshot.cgroup, Read) and known.cgroups is None
    return not is_gone and bool(known.processes.processes or known.processes.unreadable)


@dataclass(frozen=True, slots=True)
class _Answers:
    """A snapshot, and what its sources have answered for."""

    snapshot: Snapshot
    units: frozenset[str]
    described: frozenset[str]  # names of containers that have a quadlet
    volumes: frozenset[tuple[str, str, int | None]]  # container id, destination, mount id
    datasets: frozenset[str]


def lives_after(
    before: Mapping[str, Life] | None, snapshot: Snapshot, containers: tuple[KnownContainer, ...]
) -> dict[str, Life]:
    """The lives of a snapshot by container id, given those of the one before it; None: nothing is remembered."""
    answers = _answers(snapshot)
    seen_seconds = None if before is None else snapshot.taken_at_seconds
    lives = {
        known.id: _life_after((before or {}).get(known.id), known, answers, seen_seconds)
        for known in containers
        if known.id
    }
    return {container_id: life for container_id, life in lives.items() if life is not None}


def _answers(snapshot: Snapshot) -> _Answers:
    storage = latest(snapshot.zfs)
    datasets = (*(storage.datasets if storage else ()), *(latest(snapshot.zfs_mounted) or ()))
    return _Answers(
        snapshot,
        units=frozenset(unit.name for unit in latest(snapshot.systemd) or ()),
        described=frozenset(quadlet.container for quadlet in latest(snapshot.quadlet) or ()),
        volumes=frozenset((one.container_id, one.destination, one.mount_id) for one in latest(snapshot.volume) or ()),
        datasets=frozenset(one.name for one in datasets),
    )


def _life_after(
    before: Life | None, known: KnownContainer, answers: _Answers, seen_seconds: float | None
) -> Life | None:
    snapshot = answers.snapshot
    if not isinstance(snapshot.cgroup, Read):
        return before  # nothing shows which life it is
    phase = _phase(before, known, snapshot)
    inode = _inode(known.cgroups) or (before.inode if before else None)
    if before is None or (before.inode, before.phase) != (inode, phase):
        life = _new_life(before, Life(inode, phase), known, seen_seconds)
    elif phase is Phase.ALIVE and not before.lacks:
        return before
    else:
        life = before
    life = replace(life, is_listed=life.is_listed or known.container is not None)
    if phase is not Phase.ALIVE:
        return replace(life, lacks=_lacks_around(phase, known, snapshot))
    life = _with_processes(life, known.processes, snapshot.process)
    return replace(life, lacks=next(_lacks(life, known, answers), ""))


def _phase(before: Life | None, known: KnownContainer, snapshot: Snapshot) -> Phase:
    if known.state in _ENDED_STATES or _is_removed(before, known, snapshot.podman):
        return Phase.ENDED
    if known.cgroups is None:
        return Phase.LOST if known.state in AWAKE_STATES else Phase.CREATED
    is_unseen = known.processes is None and isinstance(snapshot.process, Read)
    return Phase.EMPTY if is_unseen or known.cgroups.use.pids == 0 else Phase.ALIVE


def _is_removed(before: Life | None, known: KnownContainer, podman: Reading[T]) -> bool:
    """Whether podman had it and has it no more. A podman with a problem may have left it out."""
    if known.user or not isinstance(podman, Read) or podman.problems:
        return False
    if known.container is None:
        return before is not None and before.is_listed
    # Between its list and its inspect podman removes a container: the list alone still names it.
    return not known.container.inspected


def _new_life(before: Life | None, life: Life, known: KnownContainer, seen_seconds: float | None) -> Life:
    signs = [seen_seconds]
    found_seconds = _LONG_AGO if seen_seconds is None else seen_seconds
    container, processes = known.container, known.processes
    if before is not None:
        found_seconds = before.found_seconds
        is_same = before.inode in {None, life.inode}
        leader, former_leader = (before.leader, before.former_leader) if is_same else (None, before.leader)
        left_seconds = before.left_seconds if is_same else None
        if left_seconds is None and is_same and before.phase is Phase.ALIVE:
            left_seconds = seen_seconds
        # Processes that leave their cgroup and come back give no second time without judgement.
        signs += [left_seconds] if life.phase in {Phase.EMPTY, Phase.LOST} else []
        life = replace(
            life,
            leader=leader,
            former_leader=former_leader,
            left_seconds=left_seconds,
            is_listed=before.is_listed,
        )
    elif container is not None:  # of one that is known, it may be podman's word on the life before
        signs.append(_podmans_sign(life.phase, known.state, container))
    if life.phase is Phase.ALIVE and processes is not None and _is_of(life, processes):
        signs.append(processes.started_at_seconds)
    return replace(
        life,
        began_seconds=min((sign for sign in signs if sign is not None), default=_LONG_AGO),
        found_seconds=found_seconds,
    )


def _podmans_sign(phase: Phase, state: str, container: Container) -> float | None:
    """When this phase began, as podman reports it; None: podman's times are of another phase."""
    match phase:
        case Phase.CREATED | Phase.ALIVE:
            return container.started_at_seconds
        case Phase.ENDED if state in _ENDED_STATES:
            return container.exited_at_seconds
        case Phase.ENDED | Phase.LOST | Phase.EMPTY:
            return None
        case _:
            assert_never(phase)


def _with_processes(life: Life, processes: ContainerProcesses | None, reading: Reading[ProcessTable]) -> Life:
    """The life with what its processes say of it, once they were read."""
    if processes is None or not isinstance(reading, Read) or not _is_of(life, processes):
        return life
    began_seconds = life.began_seconds
    if processes.started_at_seconds is not None:
        began_seconds = min(began_seconds, processes.started_at_seconds)
    seen_seconds = life.payload_seen_seconds
    if seen_seconds is None and not _is_runtimes(processes, reading.value):
        seen_seconds = reading.read_at_seconds
    return replace(life, began_seconds=began_seconds, leader=_leader(processes), payload_seen_seconds=seen_seconds)


def _is_of(life: Life, processes: ContainerProcesses) -> bool:
    """Whether these are processes of this life, and not those of the life before it, as they were last read."""
    return life.former_leader is None or _leader(processes) != life.former_leader


def _is_runtimes(one: ContainerProcesses, table: ProcessTable) -> bool:
    return is_runtimes(one.processes, one.unreadable, table.host_namespaces)


def _leader(processes: ContainerProcesses) -> tuple[int, int] | None:
    first = processes.processes[0] if processes.processes else None
    return (first.pid, first.start_ticks) if first else None


def _inode(cgroups: ContainerCgroups | None) -> int | None:
    """Of the outermost cgroup that is named after the container: what lies below may be the container's to make."""
    named = [level for level in (cgroups.levels if cgroups else ()) if container_id_of(level.name)]
    if named:
        return named[-1].inode
    return cgroups.levels[0].inode if cgroups and cgroups.levels else None


def _lacks_around(phase: Phase, known: KnownContainer, snapshot: Snapshot) -> str:
    """What of a container that does not live is not known yet."""
    if phase is Phase.EMPTY:
        return "none of its processes was seen"
    container = known.container
    if not isinstance(snapshot.podman, Read):
        return "podman has not answered yet" if is_awaited(snapshot.podman) else ""
    if container is None:
        return "podman has removed it, and its cgroup is still there" if phase is Phase.ENDED else ""
    if not container.inspected:
        return "podman is removing it" if phase is Phase.ENDED else "podman was not asked about it yet"
    if phase is Phase.LOST:
        return "podman reports it as running, and its cgroup is not there"
    return _lacks_of_ended(container, known, snapshot) if phase is Phase.ENDED else ""


def _lacks_of_ended(container: Container, known: KnownContainer, snapshot: Snapshot) -> str:
    if container.security.auto_remove is True:
        return "podman has not removed it yet"
    is_alive = _has_processes_now(known, snapshot)
    return "podman reports its end, and its processes are still there" if is_alive else ""


def _lacks(life: Life, known: KnownContainer, answers: _Answers) -> Iterator[str]:
    """What of a living container is not known yet."""
    snapshot = answers.snapshot
    yield from _awaited(snapshot)
    if isinstance(snapshot.process, Read):
        if known.processes is None or not _is_of(life, known.processes):
            yield "its processes were not read yet"
        elif _is_runtimes(known.processes, snapshot.process.value):
            yield "its first process is still the runtime's"
    if isinstance(snapshot.podman, Read) and not _has_podman_answered(life, known, snapshot.podman):
        yield "podman does not report it as running yet"
    if not known.user:
        yield from _lacks_of_root(life, known, answers)
    if life.payload_seen_seconds is not None:
        yield from _lacks_of_payload(life.payload_seen_seconds, known, answers)


def _awaited(snapshot: Snapshot) -> Iterator[str]:
    """The sources of verdicts that have yet to answer for the first time."""
    for name in ("podman", "process", "systemd", "quadlet", "volume", "zfs_mounted"):
        if is_awaited(getattr(snapshot, name)):
            yield f"{name} has not answered yet"


def _has_podman_answered(life: Life, known: KnownContainer, podman: Read[T]) -> bool:
    if not _is_answer(podman, life.began_seconds):
        return False
    container = known.container
    if container is None:
        # A user's podman may not be asked. Root's names each container that runs, and one that has just begun soon.
        return bool(known.user)
    return container.inspected and known.state in AWAKE_STATES


def _lacks_of_root(life: Life, known: KnownContainer, answers: _Answers) -> Iterator[str]:
    """What can be asked of root's containers alone: the units and quadlets of users are not read."""
    snapshot = answers.snapshot
    if isinstance(snapshot.systemd, Read):
        path = known.cgroups.levels[0].path if known.cgroups else ""
        wanted = {name for name in (unit_of(path), slice_of(path)) if name and not name.startswith("libpod-")}
        unanswered = wanted - answers.units
        if unanswered or not _is_answer(snapshot.systemd, life.began_seconds):
            yield f"systemd has not answered for {', '.join(sorted(unanswered or wanted))} yet"
    if known.name not in answers.described and not _is_answer(snapshot.quadlet, life.began_seconds):
        yield "quadlets were not read yet"


def _lacks_of_payload(seen_seconds: float, known: KnownContainer, answers: _Answers) -> Iterator[str]:
    """What can be read only once the payload runs."""
    snapshot = answers.snapshot
    if not _is_answer(snapshot.cgroup, seen_seconds):
        yield "its cgroups were not read yet"
    mounts = volumes_of(known.container, known.processes)
    read = all((known.id, mount.mount_point, mount.mount_id) in answers.volumes for mount in mounts)
    if not read and not _is_answer(snapshot.volume, seen_seconds):
        yield "its volumes were not read yet"
    listed = all(mount.source in answers.datasets for mount in mounts if mount.filesystem == "zfs")
    if not listed and not _is_answer(snapshot.zfs_mounted, seen_seconds):
        yield "its datasets were not read yet"


def _is_answer(reading: Reading[T], since_seconds: float) -> bool:
    """Whether the source was asked since; a source that is not here or fails is not waited for."""
    return not isinstance(reading, Read) or _asked_seconds(reading) >= since_seconds


def _asked_seconds(reading: Read[T]) -> float:
    return reading.read_at_seconds - reading.duration_seconds
