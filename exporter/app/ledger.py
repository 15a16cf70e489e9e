"""Composition of the ledger: its sources on this host, and who is who among the containers."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exporter.app.collectors import Ground
from exporter.assess.inventory import KnownContainer, known_containers
from exporter.assess.isolation.selinux import names_by_level
from exporter.config import Config
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, PayloadUse, path_of_slice
from exporter.facts.container import Container, full_name
from exporter.facts.counts import Totals
from exporter.facts.evidence import ContainerEvent, JournalEvent
from exporter.facts.host import Host
from exporter.facts.process import ProcessTable
from exporter.facts.reading import NOT_YET, Absent, Failed, NotHere, Read, Reading, SourceError, last_read, latest
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.facts.unit import Quadlet, Unit
from exporter.ledger import Household, Ledger, Now, RestartCount, Store
from exporter.ledger.household import Member, household_of
from exporter.ledger.keeper import Keeper, Surroundings, nothing_more
from exporter.runtime.poller import Poller
from exporter.sources.cgroup.kill_counts import KillCountSource
from exporter.sources.host import parse_oom_kills
from exporter.sources.log import AuditLogSource, JournalSource, KernelLogSource, located

_JOURNAL, _KMSG, _PODMAN, _AUDIT = "journal", "kmsg", "podman", "audit_log"  # names of cursors

# A source that has not answered by then (a podman that hangs) is no reason to count nothing.
_PATIENCE_SECONDS = 60.0
# And one that does not answer for so long is no reason to leave kills without a name, or without a word.
_HOMES_PATIENCE_SECONDS = 600.0
_SILENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """The ledger as it was kept, and the boot that it is opened in."""

    ledger: Ledger
    boot_id: str


def open_ledger(config: Config, root: Path) -> OpenLedger:
    """The ledger of this host, as it was kept in the state directory."""
    boot_id = (root / "proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    ledger = Ledger(
        Store(config.state_dir),
        Now(boot_id, time.monotonic_ns() // 1000, time.time()),
        forget_seconds=config.ledger.forget_days * 86_400,
        max_containers=config.ledger.max_containers,
    )
    return OpenLedger(ledger, boot_id)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The pollers that know who is who."""

    podman: Poller[tuple[Container, ...]]
    process: Poller[ProcessTable]
    systemd: Poller[tuple[Unit, ...]]
    quadlet: Poller[tuple[Quadlet, ...]]
    host: Poller[Host]
    tree: Poller[None]

    @classmethod
    def of(cls, pollers: Mapping[str, Poller[Any]]) -> Neighbours:
        """These pollers, by the names of their collectors; the clock of the cgroup collector walks the tree."""
        names = ("podman", "process", "systemd", "quadlet", "host", "cgroup")
        return cls(*(pollers[name] for name in names))


class HostLedger:
    """The ledger of this host with its keeper, journal and kernel log, ready to be followed."""

    def __init__(
        self,
        opened: OpenLedger,
        root: Path,
        sources: Ground,
        neighbours: Neighbours,
        on_totals: Callable[[Totals], None] = nothing_more,
    ) -> None:
        self._root = root
        self._cgroup = sources.cgroup
        self._podman = sources.podman
        self._neighbours = neighbours
        self._began = time.monotonic()
        self._first_seen: dict[str, float] = {}  # of containers whose name is not known
        self._known: tuple[tuple[object, ...], Household] | None = None
        self._quadlet_units: frozenset[str] = frozenset()
        self._quadlets_since: float | None = None  # when one of those was told of for the first time
        self._knows_homes = False
        self.ledger = opened.ledger
        self.counter = KillCountSource(root / "sys/fs/cgroup", sources.cgroup.found, self._slices)
        self._kernel_log = self._open_kernel_log(opened.boot_id)
        self.keeper = Keeper(
            self.ledger,
            opened.boot_id,
            self.counter,
            self._kernel_log,
            Surroundings(
                household=self.household,
                restarts=self.restarts,
                vmstat_oom_kills=self.vmstat_oom_kills,
                journal_tells=lambda: self.journal.has_caught_up,
                podman_answered_seconds=self._podman_answered_seconds,
            ),
            on_totals=on_totals,
        )
        self.journal = JournalSource(
            self.ledger.cursor(_JOURNAL), lambda events, cursor: self._hear_log(events, _JOURNAL, cursor)
        )
        self.audit_log = AuditLogSource(
            self.ledger.cursor(_AUDIT),
            lambda denials, cursor: self._hear_log(denials, _AUDIT, cursor),
            root / "var/log/audit",
        )
        if since := self.ledger.cursor(_PODMAN):
            sources.podman.resume(float(since))
        self.followers: tuple[Callable[[threading.Event], None], ...] = (
            self.journal.follow,
            self.audit_log.follow,
            self.keeper.run,
        )

    def journal_reading(self) -> Reading[None]:
        """Whether the journal is being followed, and up to when it was heard."""
        return _reading_of(self.journal.read, self.journal.well_at_seconds)

    def audit_log_reading(self) -> Reading[None]:
        """Whether auditd's log is being followed, and when it was last read to its end."""
        return _reading_of(self.audit_log.read, self.audit_log.well_at_seconds)

    def kernel_log_reading(self) -> Reading[None]:
        """Whether the kernel's log is being read, and when it was last read to its end."""
        return _reading_of(self._kernel_log.check, self._kernel_log.well_at_seconds)

    def ledger_reading(self) -> Reading[None]:
        """Whether the totals are kept on disk, and when they were last settled."""
        silent_seconds = self.keeper.silent_seconds
        settled: Read[None] = Read(None, time.time() - silent_seconds, 0.0)
        problem = self.ledger.totals().problem
        if silent_seconds > _PATIENCE_SECONDS + _SILENCE_SECONDS:
            problem = f"nothing was counted for {silent_seconds:.0f} s; see the log, and report it"
        return Failed(problem, 0.0, settled) if problem else settled

    def event_counts(self) -> tuple[EventCount, ...]:
        """What came over the two streams."""
        return (
            EventCount("journal", self.journal.events, self.journal.events_lost),
            EventCount("audit_log", self.audit_log.events, self.audit_log.events_lost),
            EventCount("kernel_log", self._kernel_log.events, self._kernel_log.events_lost),
        )

    def household(self) -> Household | None:
        """Who is who now; None until those who know have spoken, or have been silent for too long."""
        near = self._neighbours
        knowing = (near.podman, near.process, near.systemd, near.quadlet, near.host, near.tree)
        waited_seconds = time.monotonic() - self._began
        self._see_quadlets()
        self._knows_homes = self._knows_homes or self._can_know_homes()
        has_answers = self._knows_homes and all(poller.answered() for poller in knowing)
        if not has_answers and waited_seconds < _PATIENCE_SECONDS:
            return None
        is_whole = self._knows_homes or waited_seconds > _HOMES_PATIENCE_SECONDS
        found = self._cgroup.found()
        values = (near.podman.value(), near.process.value(), near.systemd.value(), near.quadlet.value())
        readings = (*values, found, is_whole, self.ledger.units())
        if self._known is None or any(one is not other for one, other in zip(self._known[0], readings, strict=True)):
            self._known = (readings, replace(self._household(), is_whole=is_whole))
        return self._known[1]

    def _see_quadlets(self) -> None:
        read = last_read(self._neighbours.quadlet.reading())
        if read is None:
            return
        units = frozenset(quadlet.unit for quadlet in read.value)
        if self._quadlets_since is None or not units <= self._quadlet_units:
            self._quadlet_units, self._quadlets_since = units, read.read_at_seconds
            self._knows_homes = False

    def _can_know_homes(self) -> bool:
        """Whether systemd has been asked for the units of all quadlets.

        A container between two lives lives where its unit says. Until that is known its neighbour seems to be alone.
        """
        quadlets, units = self._neighbours.quadlet.reading(), self._neighbours.systemd.reading()
        match units:
            case Absent():
                return True  # nothing has a unit
            case Failed():
                return False
            case Read():
                began_seconds = units.read_at_seconds - units.duration_seconds
                since = 0.0 if isinstance(quadlets, Absent) else self._quadlets_since
                return since is not None and began_seconds >= since

    def restarts(self) -> tuple[RestartCount, ...]:
        """NRestarts of every container's unit, and podman's RestartCount of those without one."""
        counts: list[RestartCount] = []
        units, podman = self._neighbours.systemd.reading(), self._neighbours.podman.reading()
        names = self._known[1].names_by_unit if self._known else {}
        if isinstance(units, Read):
            counts += [
                RestartCount(unit.name, names[unit.name], unit.restarts, units.read_at_seconds)
                for unit in units.value
                if unit.restarts is not None and unit.name in names
            ]
        if isinstance(podman, Read) and self._known:
            for container in podman.value:
                name = self._known[1].names_by_id.get(container.id)
                if container.restarts is not None and not container.unit and name is not None:
                    key = f"podman:{container.id}"
                    counts.append(RestartCount(key, name, container.restarts, podman.read_at_seconds))
        return tuple(counts)

    def vmstat_oom_kills(self) -> int | None:
        """oom_kill of /proc/vmstat."""
        with contextlib.suppress(OSError):
            return parse_oom_kills((self._root / "proc/vmstat").read_bytes())
        return None

    def _household(self) -> Household:
        near = self._neighbours
        trees = tuple(
            ContainerCgroups(
                one.container_id,
                one.owner_uid,
                PayloadUse(),
                tuple(CgroupLevel(place.path, place.inode, level) for place, level in one.places),
            )
            for one in self._cgroup.found()
        )
        nothing: Absent = Absent("not asked")
        everyone = known_containers(
            Snapshot(
                taken_at_seconds=0.0,
                podman=near.podman.reading(),
                cgroup=Read(trees, 0.0, 0.0),
                process=near.process.reading(),
                systemd=near.systemd.reading(),
                quadlet=near.quadlet.reading(),
                zfs=nothing,
                zfs_mounted=nothing,
                host=near.host.reading(),
            )
        )
        paths = {tree.container_id: tree.levels[0].path for tree in trees if tree.levels}
        # Until podman or conmon has told its name, a container's kills wait: its id is nobody's name.
        # A new container of a quadlet's unit can be nobody but the quadlet's.
        promised = {quadlet.unit: quadlet.container for quadlet in near.quadlet.value() or ()}
        everyone = tuple(
            replace(one, name=promised.get(one.unit.name, one.name)) if one.container is None and one.unit else one
            for one in everyone
        )
        strangers = {one.id for one in everyone if self._is_stranger(one)}
        self._first_seen = {each: at for each, at in self._first_seen.items() if each in paths}
        everyone = tuple(one for one in everyone if not one.id or one.id not in strangers)
        members = [Member(one.name, one.id, paths.get(one.id, ""), one.unit) for one in everyone]
        # A quadlet that is not started now may have been killed before, and will be known when it is.
        units = {unit.name: unit for unit in near.systemd.value() or ()}
        here = {one.name for one in everyone}
        members += [
            Member(quadlet.container, "", "", units.get(quadlet.unit))
            for quadlet in near.quadlet.value() or ()
            if quadlet.container not in here
        ]
        members += _remembered(members, units, self.ledger.units())
        known = {one.id for one in everyone}
        # One that was listed twice, or is on its way out, still lives somewhere.
        names = {
            container.id: full_name(container.user, container.name) for container in latest(near.podman.reading()) or ()
        }
        lodgers = [(names[each], path) for each, path in paths.items() if each not in known and each in names]
        unnamed = [(each, path) for each, path in paths.items() if each not in known and each not in names]
        return replace(household_of(members, lodgers, unnamed), names_by_level=names_by_level(everyone))

    def _is_stranger(self, one: KnownContainer) -> bool:
        """Whether its name may still turn up: after a while it goes by the head of its id for good."""
        if one.container is not None or not one.id or one.name.rpartition("/")[2] != one.id[:12]:
            return False
        began = self._first_seen.setdefault(one.id, time.monotonic())
        return time.monotonic() - began < _PATIENCE_SECONDS

    def _slices(self) -> frozenset[str]:
        """Slices of units whose container may not be alive now, and those that the ledger knows."""
        units = self._neighbours.systemd.value() or ()
        of_units = frozenset(path for unit in units if unit.slice and (path := path_of_slice(unit.slice)))
        return of_units | self.ledger.slice_paths()

    def _podman_answered_seconds(self) -> float | None:
        reading = self._neighbours.podman.reading()
        heard = self._podman.heard_until_seconds
        # What happens while its stream is broken is told when it is whole again: the cursor must not pass it.
        return min(heard, reading.read_at_seconds) if heard is not None and isinstance(reading, Read) else None

    def _hear_log(self, events: tuple[JournalEvent, ...], source: str, cursor: str) -> None:
        self.keeper.hear(located(events, self._root / "proc", time.time()), source, cursor)

    def hear_podman(self, event: ContainerEvent) -> None:
        """Take an event of podman's stream as evidence."""
        self.keeper.hear((event,))

    def _open_kernel_log(self, boot_id: str) -> KernelLogSource:
        boot, _, sequence = self.ledger.cursor(_KMSG).partition(":")
        source = KernelLogSource(
            self._root / "dev/kmsg",
            self._root / "proc",
            boot_id,
            int(sequence) if boot == boot_id and sequence.isdigit() else -1,
            opened=lambda descriptor: self.counter.wake_on(descriptor, _nothing),
            closing=self.counter.wake_no_more,
        )
        with contextlib.suppress(SourceError):  # the keeper's reads try again
            source.open()
        return source


def _remembered(
    members: Iterable[Member], units: Mapping[str, Unit], units_by_name: Mapping[str, str]
) -> Iterator[Member]:
    """Those who are not alive, and that only the ledger knows: a unit that is still there may start them again."""
    here = {member.name for member in members}
    taken = {member.unit.name for member in members if member.unit is not None}
    for name, unit_name in units_by_name.items():
        unit = units.get(unit_name)
        if name not in here and unit_name not in taken and unit is not None and unit.load_state != "not-found":
            yield Member(name, "", "", unit)


def _reading_of(check: Callable[[], object], well_at_seconds: float | None) -> Reading[None]:
    """The reading of a source that is followed: its age counts from when it was last known to be well."""
    last: Read[None] | None = None if well_at_seconds is None else Read(None, well_at_seconds, 0.0)
    try:
        check()
    except NotHere as error:
        return Absent(str(error))
    except SourceError as error:
        return Failed(str(error), 0.0, last)
    return last or NOT_YET


def _nothing() -> None:
    """The keeper reads the kernel's log itself."""
