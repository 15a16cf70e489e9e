"""Takes in what was read and heard, one batch a transaction, and gives out totals."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from exporter.facts.counts import Totals
from exporter.facts.evidence import (
    ContainerEvent,
    Denial,
    Evidence,
    KernelKill,
    KillCounts,
    OomdKill,
    RestartScheduled,
    UnitFailed,
    UnitOutOfMemory,
    UnitStopping,
)
from exporter.ledger.counts import CountsByName
from exporter.ledger.denials import hear_denial, settle_denials
from exporter.ledger.exits import hear_end, hear_health, hear_stop, hear_unit, settle_exits, was_asked_for
from exporter.ledger.heard import HeardEvents
from exporter.ledger.invariant import what_does_not_add_up
from exporter.ledger.kills import hear_hint, hear_kernel, hear_name, hear_oomd, settle, slices_to_ask
from exporter.ledger.patience import JOURNAL_US
from exporter.ledger.restarts import hear_podman_restart, hear_restart, hear_start, read_restarts, settle_orphans
from exporter.ledger.retention import drop_chains, drop_lives, drop_slices, drop_stamps, forget_containers
from exporter.ledger.state import Identities, Now, State
from exporter.ledger.store import Store

log = logging.getLogger("bulkhead")

_COUNTED = frozenset({"start", "died", "stop", "kill", "restart", "cleanup"})
_JOURNAL = "journal"  # the name of its cursor


class Refused(Exception):
    """A settlement was not begun, and nothing of its batch was taken: the one before was left half-way."""


@dataclass(frozen=True, slots=True)
class RestartCount:
    """NRestarts of a unit, or RestartCount of a container that podman restarts by its own policy."""

    key: str  # the unit, or podman:ID, podman:USER/ID
    name: str
    count: int
    read_at_seconds: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What came since the last one. The counts were read after all of the evidence was heard."""

    evidence: tuple[Evidence, ...] = ()
    counts: KillCounts = field(default_factory=KillCounts)
    restarts: tuple[RestartCount, ...] = ()
    vmstat_oom_kills: int | None = None
    identities: Identities = field(default_factory=Identities)
    cursors: Mapping[str, str] = field(default_factory=dict)  # what the evidence goes up to, by source
    journal_tells: bool = True  # the journal is read, and has caught up


class Ledger:
    """The only writer of the state directory. One thread settles; any thread may ask for the totals."""

    def __init__(
        self, store: Store, now: Now | None = None, *, forget_seconds: float = 7 * 86_400, max_containers: int = 2_000
    ) -> None:
        self._store = store
        self._state = store.load()
        now = now or Now("", 0, 0.0)
        self._note_salvage(now)
        self._forget_seconds = forget_seconds
        self._max_containers = max_containers
        self._heard = HeardEvents(self._state)
        self._vmstat_readable = False
        self._is_reported = False  # that kills do not add up
        self._is_half_settled = False  # and the state as of the last transaction could not be read yet
        self._settled_us: int | None = None
        self._journal_silent_since_us: int | None = None
        self._counts = CountsByName()
        # What was known before is served from the first page on: a total that came late would look like a rise.
        self._totals = self._publish(now)
        self._units = _units(self._state)

    def cursor(self, source: str) -> str:
        """Where to read on; "" for a source that was never read."""
        return self._store.cursor(source)

    def slice_paths(self) -> frozenset[str]:
        """Slices to read: those of the last settlement (one that cannot be found has ended), and homes of kills."""
        known = frozenset([book.path for book in self._state.slices.values() if not book.closed])
        return known | slices_to_ask(self._state)

    def units(self) -> Mapping[str, str]:
        """The unit of each container's last start, by the container's name; another mapping once it has changed."""
        return self._units

    def totals(self) -> Totals:
        """As of the last settlement."""
        return self._totals

    def settle(self, batch: Batch, now: Now) -> Totals:
        """Count what the batch tells, write it, and give out the new totals. All of the batch, or nothing of it.

        Raises Refused while the state of the last transaction cannot be read after a settlement that failed.
        """
        if self._is_half_settled:
            self._go_back(now)
        try:
            self._settle(batch, now)
        except Exception:
            self._counts = CountsByName()  # of a state that may be gone
            if self._store.problem:
                log.exception("a settlement failed half-way, and there is no ledger on disk to go back to")
            else:
                with contextlib.suppress(Refused):  # which the next settlement raises, if it still has to
                    self._go_back(now)
            raise
        self._report_what_does_not_add_up()
        self._totals = self._publish(now)
        if (units := _units(self._state)) != self._units:
            self._units = units
        return self._totals

    def _note_salvage(self, now: Now) -> None:
        """Keep what became of a file that was found damaged, and write what of it is whole to a new one."""
        host, salvaged = self._state.host, self._store.salvaged
        if salvaged and salvaged != host.salvaged:
            host.salvaged, host.salvaged_seconds, host.has_holes = salvaged, now.seconds, True
            self._store.save(self._state, {})

    def _go_back(self, now: Now) -> None:
        """Take the state as of the last transaction in place of one that was left half-way. Raises Refused."""
        try:
            self._state = self._store.load_again()
        except Exception as error:
            # Neither what is in memory nor an empty state may be written: what holds is on the disk alone.
            if not self._is_half_settled:
                log.exception("the ledger cannot be read again after a settlement that failed: counting waits for it")
            self._is_half_settled = True
            problem = f"the ledger cannot be read again ({error}): counting waits until it can; mend its disk"
            self._totals = replace(self._totals, durable=False, problem=problem)
            raise Refused(problem) from error
        if self._is_half_settled:
            log.warning("the ledger is read again: counting goes on")
        self._is_half_settled = False
        self._note_salvage(now)
        self._heard = HeardEvents(self._state)

    def _settle(self, batch: Batch, now: Now) -> None:
        state = self._state
        identities = batch.identities
        for name in identities.known():
            if name not in state.accounts:
                state.account(name)
        self._heard.order(now)
        for told in batch.evidence:
            if isinstance(told, ContainerEvent):
                self._hear_podman(told, identities, now)
        identities = identities.with_memory(state)
        settle_orphans(state, identities, now)
        for told in batch.evidence:
            self._hear(told, identities, now)
        for count in batch.restarts:
            read_restarts(
                state,
                count.key,
                count.name,
                count.count,
                now,
                read_us=now.us - int(max(0.0, now.seconds - count.read_at_seconds) * 1e6),
                journal_tells=batch.journal_tells or count.key.startswith("podman:"),
            )
        heard_all = self._has_heard_all(batch, now)
        settle(state, batch.counts, identities, now, may_age=heard_all)
        settle_exits(state, now, may_close=heard_all)
        settle_denials(state, identities, now)
        self._see_vmstat(batch.vmstat_oom_kills, now)
        if state.host.has_holes and batch.counts.counts:
            state.host.has_holes = False
            state.touch("host", "")
        self._drop_old(batch.identities, now, heard_all=heard_all)
        self._counts.forget(key for kind, key in state.touched if kind == "account")
        self._store.save(state, batch.cursors)

    def _report_what_does_not_add_up(self) -> None:
        """Log it once: a total that is wrong is worth a report, and no reason to stop counting."""
        if not self._is_reported and (wrong := what_does_not_add_up(self._state)):
            self._is_reported = True
            log.error("the kills in the ledger do not add up; please report this", extra={"reason": "; ".join(wrong)})

    def _drop_old(self, identities: Identities, now: Now, *, heard_all: bool) -> None:
        watched_us = max(0, now.us - self._settled_us) if self._settled_us is not None else 0
        self._settled_us = now.us
        forget_containers(
            self._state,
            identities,
            watched_seconds=watched_us / 1e6,
            forget_seconds=self._forget_seconds,
            max_containers=self._max_containers,
        )
        drop_lives(self._state, identities, now, heard_all=heard_all)
        drop_chains(self._state, identities)
        drop_slices(self._state, now)
        drop_stamps(self._state)
        self._heard.drop_oldest()

    def _has_heard_all(self, batch: Batch, now: Now) -> bool:
        """Whether the journal has told what it knows, or has been silent for so long that nobody waits for it."""
        cursor = batch.cursors.get(_JOURNAL, "")
        if batch.journal_tells:
            self._journal_silent_since_us = None
            return True
        if self._journal_silent_since_us is None or cursor != self._store.cursor(_JOURNAL):
            self._journal_silent_since_us = now.us
        return now.us - self._journal_silent_since_us > JOURNAL_US

    def close(self) -> None:
        """Give the file back."""
        self._store.close()

    def _hear(self, told: Evidence, identities: Identities, now: Now) -> None:
        match told:
            case KernelKill():
                hear_kernel(self._state, told, identities, now)
            case OomdKill():
                hear_oomd(self._state, told, identities)
            case UnitOutOfMemory():
                hear_hint(self._state, told, identities)
            case RestartScheduled():
                hear_restart(self._state, told, identities, now)
            case UnitFailed() | UnitStopping():
                hear_unit(self._state, told)
            case Denial():
                hear_denial(self._state, told, identities, now)
            case ContainerEvent():
                pass  # was heard before the others, which may need to know its name

    def _hear_podman(self, told: ContainerEvent, identities: Identities, now: Now) -> None:
        state = self._state
        if told.action in {"health_status", "remove"} and not self._heard.has_ended_since(told, now):
            hear_health(state, told)
        if told.action not in _COUNTED or self._heard.is_known(told, now):
            return
        self._heard.remember(told, now)
        hear_name(state, told, identities, now)
        before = self._heard.since_start(told)
        match told.action:
            case "start":
                hear_start(state, told)
            case "stop" | "kill" if any(action == "died" for _, action in before):
                hear_stop(state, told)
            case "restart" if before and before[0][1] == "died":
                hear_podman_restart(state, told, now)
            # podman 5.4 tells it again, later, of one whose conmon was killed before it could clean up.
            case "died" if not any(action == "died" for _, action in before):
                stopped = was_asked_for(before, told.time_nanoseconds)
                hear_end(state, told, now, stopped=stopped, ran_seconds=self._heard.ran_seconds(told))

    def _see_vmstat(self, oom_kills: int | None, now: Now) -> None:
        host = self._state.host
        self._vmstat_readable = oom_kills is not None
        if oom_kills is None:
            return
        before = host.vmstat_last if host.boot == now.boot else 0
        if host.has_holes and not host.boot:  # its last count is lost
            before = oom_kills
        if oom_kills != before or host.boot != now.boot:
            host.oom_kills += max(0, oom_kills - before)
            host.vmstat_last, host.boot = oom_kills, now.boot
            self._state.touch("host", "")

    def _publish(self, now: Now) -> Totals:
        host = self._state.host
        return Totals(
            taken_at_us=now.us,
            containers=self._counts.of(self._state.accounts, now.boot),
            host_oom_kills=host.oom_kills if self._vmstat_readable else None,
            unattributed_oom_kills=host.unattributed_oom_kills,
            unattributed_denials=host.unattributed_denials,
            forgotten_containers=host.forgotten_containers,
            durable=not self._store.problem,
            problem=self._store.problem,
            writes=self._store.writes,
            salvaged=host.salvaged,
            salvaged_seconds=host.salvaged_seconds,
        )


def _units(state: State) -> Mapping[str, str]:
    return {name: account.unit for name, account in state.accounts.items() if account.unit}
