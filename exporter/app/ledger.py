"""Composition of the ledger: its keeper and its streams on this host, and the answers by which it knows who is who."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from exporter.app.collectors import Ground
from exporter.config import Config
from exporter.facts.cgroup import path_of_slice
from exporter.facts.container import Container, full_name
from exporter.facts.counts import Totals
from exporter.facts.evidence import ContainerEvent, JournalEvent
from exporter.facts.host import Host
from exporter.facts.process import ProcessTable
from exporter.facts.reading import NOT_YET, Absent, Failed, NotHere, Read, Reading, SourceError
from exporter.facts.snapshot import EventCount
from exporter.facts.unit import Quadlet, Unit
from exporter.ledger import Identities, Ledger, Now, RestartCount, Store
from exporter.ledger.identity import (
    Answers,
    Waiting,
    are_slices_complete,
    can_identify,
    identify,
    waiting_after,
)
from exporter.ledger.keeper import Keeper, Surroundings, nothing_more
from exporter.ledger.patience import ANSWERS_US
from exporter.runtime.poller import Poller
from exporter.sources.cgroup.kill_counts import KillCountSource
from exporter.sources.host import parse_oom_kills
from exporter.sources.log import AuditLogSource, JournaldSource, JournalSource, KernelLogSource, located

_JOURNAL, _KMSG, _PODMAN, _AUDIT = "journal", "kmsg", "podman", "audit_log"  # names of cursors

# The keeper settles every five seconds at least, once all sources have answered or were waited for.
_SILENCE_SECONDS = ANSWERS_US / 1e6 + 30.0

_SALVAGED_SECONDS = 3600.0
"""How long the collector `ledger` reports that the ledger was damaged: it works again, and its disk may be failing."""


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


class AnsweringPollers(NamedTuple):
    """The pollers that know who is who."""

    podman: Poller[tuple[Container, ...]]
    process: Poller[ProcessTable]
    systemd: Poller[tuple[Unit, ...]]
    quadlet: Poller[tuple[Quadlet, ...]]
    host: Poller[Host]
    tree: Poller[None]

    @classmethod
    def of(cls, pollers: Mapping[str, Poller[Any]]) -> AnsweringPollers:
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
        pollers: AnsweringPollers,
        on_totals: Callable[[Totals], None] = nothing_more,
    ) -> None:
        self._root = root
        self._cgroup = sources.cgroup
        self._podman = sources.podman
        self._pollers = pollers
        self._waiting = Waiting(time.monotonic_ns() // 1000)
        self._known: tuple[tuple[object, ...], Identities] | None = None  # what it was made of, and who is who
        self.ledger = opened.ledger
        self.counter = KillCountSource(root / "sys/fs/cgroup", sources.cgroup.found, self._slices)
        self._kernel_log = self._open_kernel_log(opened.boot_id)
        self.keeper = Keeper(
            self.ledger,
            opened.boot_id,
            self.counter,
            self._kernel_log,
            Surroundings(
                identities=self.identities,
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
        self._journald = JournaldSource(root)
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
        """Whether the journal is being followed, up to when it was heard, and which evidence it does not keep."""
        reading = _reading_of(self.journal.read, self.journal.well_at_seconds)
        problem = self._journald.problem() if isinstance(reading, Read) else ""
        return replace(reading, problems=(problem,)) if isinstance(reading, Read) and problem else reading

    def audit_log_reading(self) -> Reading[None]:
        """Whether auditd's log is being followed, and when it was last read to its end."""
        return _reading_of(self.audit_log.read, self.audit_log.well_at_seconds)

    def kernel_log_reading(self) -> Reading[None]:
        """Whether the kernel's log is being read, and when it was last read to its end."""
        return _reading_of(self._kernel_log.check, self._kernel_log.well_at_seconds)

    def ledger_reading(self) -> Reading[None]:
        """Whether the totals are kept on disk, and when they were last settled."""
        settled: Read[None] = Read(None, time.time() - self.keeper.unsettled_seconds, 0.0)
        totals = self.ledger.totals()
        problem = self.silence() or totals.problem or _salvaged_lately(totals)
        return Failed(problem, 0.0, settled) if problem else settled

    def silence(self) -> str:
        """That nothing is counted, in words; "" while the keeper settles."""
        silent_seconds = self.keeper.silent_seconds
        if silent_seconds <= _SILENCE_SECONDS:
            return ""
        return f"nothing was counted for {silent_seconds:.0f} s; see the log, and report it"

    def event_counts(self) -> tuple[EventCount, ...]:
        """What came over the two streams."""
        return (
            EventCount("journal", self.journal.events, self.journal.events_lost),
            EventCount("audit_log", self.audit_log.events, self.audit_log.events_lost),
            EventCount("kernel_log", self._kernel_log.events, self._kernel_log.events_lost),
        )

    def identities(self) -> Identities | None:
        """Who is who now; None until the sources that know it have answered, or were silent for too long."""
        near, now_us = self._pollers, time.monotonic_ns() // 1000
        answers = Answers(
            podman=near.podman.reading(),
            process=near.process.reading(),
            systemd=near.systemd.reading(),
            quadlet=near.quadlet.reading(),
            host=near.host.reading(),
            payloads=self._cgroup.payloads(),
            have_all_answered=all(poller.answered() for poller in near),
        )
        self._waiting = waiting_after(self._waiting, answers)
        if not can_identify(answers, self._waiting, now_us):
            return None
        # A settlement may be made many times a second, and answers are seldom new.
        pollers = (near.podman, near.process, near.systemd, near.quadlet, near.host)
        is_complete = are_slices_complete(self._waiting, now_us)
        known_by = (*(poller.value() for poller in pollers), answers.payloads, is_complete, self.ledger.units())
        if self._known is None or any(one is not other for one, other in zip(self._known[0], known_by, strict=True)):
            identities, self._waiting = identify(answers, self._waiting, self.ledger.units(), now_us)
            self._known = (known_by, identities)
        return self._known[1]

    def restarts(self) -> tuple[RestartCount, ...]:
        """NRestarts of every container's unit, and podman's RestartCount of those without one."""
        counts: list[RestartCount] = []
        units, podman = self._pollers.systemd.reading(), self._pollers.podman.reading()
        names = self._known[1].names_by_unit if self._known else {}
        if isinstance(units, Read):
            counts += [
                RestartCount(unit.name, names[unit.name], unit.restarts, units.read_at_seconds)
                for unit in units.value
                if unit.restarts is not None and unit.name in names
            ]
        if isinstance(podman, Read) and self._known:
            for container in podman.value:
                # A user's podman may list any id: what is known by it is another's then, with another name.
                is_known = self._known[1].names_by_id.get(container.id) == container.name
                # A label may name a unit that runs another container.
                has_unit = bool(container.unit) and names.get(container.unit, container.name) == container.name
                if container.restarts is not None and not has_unit and is_known:
                    key = f"podman:{full_name(container.user, container.id)}"
                    counts.append(RestartCount(key, container.name, container.restarts, podman.read_at_seconds))
        return tuple(counts)

    def vmstat_oom_kills(self) -> int | None:
        """oom_kill of /proc/vmstat."""
        with contextlib.suppress(OSError):
            return parse_oom_kills((self._root / "proc/vmstat").read_bytes())
        return None

    def _slices(self) -> frozenset[str]:
        """Slices of units whose container may not be alive now, and those that the ledger knows."""
        units = self._pollers.systemd.value() or ()
        of_units = frozenset(path for unit in units if unit.slice and (path := path_of_slice(unit.slice)))
        return of_units | self.ledger.slice_paths()

    def _podman_answered_seconds(self) -> float | None:
        reading = self._pollers.podman.reading()
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


def _salvaged_lately(totals: Totals) -> str:
    """What became of a ledger that was damaged, long enough for somebody to see it."""
    is_late = totals.salvaged_seconds is not None and time.time() - totals.salvaged_seconds < _SALVAGED_SECONDS
    return totals.salvaged if is_late else ""


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
