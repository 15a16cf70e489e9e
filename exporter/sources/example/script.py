"""What happens on the example host: who is killed, who loops, what fills, which wall falls for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level
from exporter.facts.container import Container
from exporter.facts.counts import EXIT_REASONS, OOM_LIMITS, Counts, Totals
from exporter.facts.host import Host
from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.reading import Absent, Read, Reading
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.facts.unit import Unit
from exporter.facts.volume import Volume
from exporter.sources.example.motion import Life, dying, filled, id_in_life, intruded, life_at, swinging
from exporter.sources.example.recording import Recording

T = TypeVar("T")

KILLED = "slice-binds"
LOOPING = "bad-restart-always-fast"
INTRUDED = "good01"
FILLING = "objects02"

_FILL_SECONDS = 1200
_INTRUSION_EVERY_SECONDS = 600
_INTRUSION_SECONDS = 180
_EVENTS_A_LIFE = 5  # create, init, start, died, remove


class ExampleHost:
    """A recorded host whose clock starts when it is made."""

    def __init__(self, recording: Recording, began_at_seconds: float) -> None:
        self._recording = recording
        self._began_at_seconds = began_at_seconds

    def snapshot(self, now_seconds: float) -> Snapshot:
        """All that the host says at this moment."""
        elapsed = max(0.0, now_seconds - self._began_at_seconds)
        lives = {
            KILLED: life_at(elapsed, up_seconds=75, down_seconds=10),
            LOOPING: life_at(elapsed, up_seconds=25, down_seconds=10),
        }
        recording = self._recording
        names = {container.id: container.name for container in recording.podman}
        deaths = sum(life.generation for life in lives.values())
        filling = (elapsed % _FILL_SECONDS) / _FILL_SECONDS
        mounted = _mounted_by(recording, FILLING)
        datasets = tuple(
            filled(one, 0.4 + 0.58 * filling) if one.name in mounted else one for one in recording.zfs.datasets
        )
        # A quick source answers often, a slow one not: their ages on the page are those of a real host.
        return Snapshot(
            taken_at_seconds=now_seconds,
            podman=Read(self._containers(lives, now_seconds), now_seconds - elapsed % 60, 0.031),
            cgroup=Read(_trees(recording, names, lives, elapsed), now_seconds, 0.004),
            process=Read(_processes(recording, names, lives, elapsed), now_seconds - elapsed % 15, 0.048),
            systemd=Read(_units(recording, lives), now_seconds - elapsed % 15, 0.052),
            quadlet=Read(recording.quadlet, now_seconds - elapsed % 60, 0.006),
            quadlet_file=Read((), now_seconds - elapsed % 60, 0.004),
            zfs=Read(replace(recording.zfs, datasets=datasets), now_seconds - elapsed % 120, 0.110),
            zfs_mounted=Read(datasets, now_seconds - elapsed % 15, 0.020),
            host=Read(_host(recording, lives[KILLED]), now_seconds - elapsed % 30, 0.002),
            events=(
                EventCount("podman", len(recording.podman) * 3 + deaths * _EVENTS_A_LIFE, 0),
                EventCount("systemd", deaths * 20, 0),
            ),
            totals=_totals(recording, lives, now_seconds, elapsed),
            empty_slices=_left_behind(recording, names, lives[KILLED]),
            volume=_volumes(recording, names, lives, now_seconds - elapsed % 30),
            firewall=_recorded("firewall", recording.firewall, now_seconds - elapsed % 60, 0.015),
            traffic=_recorded("traffic", recording.traffic, now_seconds - elapsed % 5, 0.012),
            lives={},  # every answer is of this moment, whatever its age on the page: nobody is seen half made
        )

    def _containers(self, lives: dict[str, Life], now_seconds: float) -> tuple[Container, ...]:
        recorded_at = self._recording.recorded_at_seconds
        living = []
        for container in self._recording.podman:
            life = lives.get(container.name)
            if life is None:
                # The host has been up for as long as it had been when it was recorded.
                started = container.started_at_seconds
                up = None if started is None else self._began_at_seconds - (recorded_at - started)
                living.append(replace(container, started_at_seconds=up))
            elif life.is_up:
                started_at = self._began_at_seconds + life.started_at_seconds
                living.append(
                    replace(
                        container,
                        id=id_in_life(container.id, life.generation),
                        started_at_seconds=min(started_at, now_seconds),
                    )
                )
        return tuple(living)


def _mounted_by(recording: Recording, name: str) -> frozenset[str]:
    ids = {container.id for container in recording.podman if container.name == name}
    return frozenset(
        mount.source
        for processes in recording.process.containers
        if processes.container_id in ids
        for mount in processes.mounts
        if mount.filesystem == "zfs"
    )


def _trees(
    recording: Recording, names: dict[str, str], lives: dict[str, Life], elapsed: float
) -> tuple[ContainerCgroups, ...]:
    trees = []
    for tree in recording.cgroup:
        name = names.get(tree.container_id, tree.container_id)
        life = lives.get(name)
        if life is None:
            trees.append(swinging(tree, name, elapsed))
        elif life.is_up:
            trees.append(dying(tree, life) if name == KILLED else _exiting(tree, life))
    return tuple(trees)


def _left_behind(recording: Recording, names: dict[str, str], life: Life) -> tuple[CgroupLevel, ...]:
    """The slice of the killed container while it is away: it remembers."""
    if life.is_up:
        return ()
    killed = (tree for tree in recording.cgroup if names.get(tree.container_id) == KILLED)
    return tuple(level for tree in killed for level in dying(tree, life).levels if level.level is Level.SLICE)


def _exiting(tree: ContainerCgroups, life: Life) -> ContainerCgroups:
    """A container that exits with an error: a new id each time, and no kill."""
    container_id = id_in_life(tree.container_id, life.generation)
    levels = tuple(replace(one, path=one.path.replace(tree.container_id, container_id)) for one in tree.levels)
    return replace(tree, container_id=container_id, levels=levels)


def _processes(recording: Recording, names: dict[str, str], lives: dict[str, Life], elapsed: float) -> ProcessTable:
    intruder_is_in = _INTRUSION_EVERY_SECONDS - elapsed % _INTRUSION_EVERY_SECONDS <= _INTRUSION_SECONDS
    containers: list[ContainerProcesses] = []
    for processes in recording.process.containers:
        name = names.get(processes.container_id, "")
        life = lives.get(name)
        if name == INTRUDED and intruder_is_in and processes.processes:
            containers.append(intruded(processes))
        elif life is None:
            containers.append(processes)
        elif life.is_up:
            containers.append(replace(processes, container_id=id_in_life(processes.container_id, life.generation)))
    return replace(recording.process, containers=tuple(containers))


def _units(recording: Recording, lives: dict[str, Life]) -> tuple[Unit, ...]:
    units = []
    for unit in recording.systemd:
        life = lives.get(unit.name.removesuffix(".service"))
        if life is None or unit.restarts is None:
            units.append(unit)
            continue
        active, sub = ("active", "running") if life.is_up else ("activating", "auto-restart")
        units.append(
            replace(unit, active_state=active, sub_state=sub, restarts=life.generation - (0 if life.is_up else 1))
        )
    return tuple(units)


def _recorded(name: str, value: T | None, read_at_seconds: float, duration_seconds: float) -> Reading[T]:
    if value is None:
        return Absent(f"the {name} of the example host was not recorded")
    return Read(value, read_at_seconds, duration_seconds)


def _volumes(
    recording: Recording, names: dict[str, str], lives: dict[str, Life], read_at_seconds: float
) -> Reading[tuple[Volume, ...]]:
    if recording.volume is None:
        return Absent("the volumes of the example host were not recorded")
    volumes = []
    for volume in recording.volume:
        life = lives.get(names.get(volume.container_id, ""))
        if life is None:
            volumes.append(volume)
        elif life.is_up:
            volumes.append(replace(volume, container_id=id_in_life(volume.container_id, life.generation)))
    return Read(tuple(volumes), read_at_seconds, 0.030)


def _host(recording: Recording, killed: Life) -> Host:
    kills = recording.host.oom_kills
    return replace(recording.host, oom_kills=None if kills is None else kills + killed.generation)


def _totals(recording: Recording, lives: dict[str, Life], now_seconds: float, elapsed: float) -> Totals:
    """What the ledger would have counted: the one is killed again and again, the other ends with an error."""
    began = now_seconds - elapsed
    names = {container.name for container in recording.podman} | {quadlet.container for quadlet in recording.quadlet}
    counts = [_counts(name, lives.get(name), began) for name in sorted(names)]
    host = _host(recording, lives[KILLED])
    return Totals(int(elapsed * 1e6), tuple(counts), host_oom_kills=host.oom_kills)


def _counts(name: str, life: Life | None, began: float) -> Counts:
    deaths = life.generation if life else 0
    kills = deaths if name == KILLED else 0
    cycle = life.started_at_seconds / max(1, deaths) if life and deaths else 0.0
    ended = [began + number * cycle for number in range(1, deaths + 1)]
    return Counts(
        name=name,
        oom_kills=kills,
        oom_kills_by_limit=tuple((limit, kills if limit == "slice" else 0) for limit in OOM_LIMITS),
        last_oom_kill_seconds=ended[-1] if kills else None,
        restarts=deaths - (0 if life is None or life.is_up else 1),
        recent_restarts_us=tuple(int((at - began) * 1e6) for at in ended[-64:]),
        starts=1 + deaths - (0 if life is None or life.is_up else 1),
        exits=tuple((reason, deaths if reason == ("oom" if kills else "error") else 0) for reason in EXIT_REASONS),
        last_exit_code=(137 if kills else 1) if deaths else None,
        last_exit_seconds=ended[-1] if deaths else None,
    )
