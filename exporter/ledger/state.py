"""What the ledger remembers, as rows: plain, mutable, each written to disk by its own key.

Times are microseconds of CLOCK_MONOTONIC within a boot (`_us`), so that a wall clock that jumps moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from exporter.facts.container import full_name, user_in
from exporter.facts.naming import is_of
from exporter.ledger.schema_1 import SliceOfSchema1

SEEN_LIMIT = 10_000
"""How many of each kind of event are remembered, so that none is counted when it is told again."""


NO_CONTAINER = ""
"""Holder of a claim: a process that is no container's, as its evidence says."""

NOBODY = "?"
"""Holder of a claim: nobody knows whose kill it was, it is unattributed. No container's name begins so."""

FORGOTTEN = "?forgotten"
"""Holder of a claim: a container whose total was dropped."""


@dataclass(slots=True)
class Account:
    """What one container, by its name, has met with since it is known. Only ever grows."""

    name: str
    oom_kills: int = 0
    oom_kills_outside: int = 0  # of these, kills that no book of a slice has a claim for
    oom_kills_by_limit: dict[str, int] = field(default_factory=dict)
    unlabelled: int = 0  # counted, and it is still open whose limit fired
    unlabelled_since_us: int = 0
    last_oom_kill_seconds: float | None = None  # unix time
    kills_of_no_life: list[float] = field(default_factory=list)  # unix times of kills given without a life: see `exits`
    restarts: int = 0
    recent_restarts: list[tuple[str, int]] = field(default_factory=list)  # boot, time: newest last, bounded
    starts: int = 0
    exits: dict[str, int] = field(default_factory=dict)  # by reason
    last_exit_code: int | None = None
    last_exit_seconds: float | None = None  # unix time
    avc_denials: int = 0  # SELinux
    unit: str = ""  # of its last start: what the journal says of a unit is of this container
    unseen_seconds: float = 0.0  # how long it has not been known by any source, as far as somebody watched


@dataclass(slots=True)
class SliceBook:
    """One life of a slice: it outlives its containers, so its oom_kill is the authority on how many.

    For each life: `counted` = claims with evidence + claims without + open.
    """

    path: str
    boot: str
    inode: int
    last: int = 0  # oom_kill as last read: hierarchical, as the kernel counts it
    counted: int = 0  # kills of this slice alone, and what slices below it left open when they ended
    proven: dict[str, int] = field(default_factory=dict)  # holder -> claims with evidence
    unproven: dict[str, int] = field(default_factory=dict)  # holder -> claims without evidence
    unexplained: int = 0  # claims without evidence, here and in slices below that ended, whose evidence may still come
    owner: str | None = None  # the one container that lives in it; None: several, or none ever known
    read_at_us: int = 0
    given_until_us: int = 0  # every kill of before has been claimed
    floor: int = 0  # the least that was open since `floor_since_us`
    floor_since_us: int = 0
    closed: bool = False  # another life has followed, or the boot is over

    @property
    def key(self) -> str:
        """What tells this life from all others."""
        return f"{self.boot}:{self.path}:{self.inode}"

    @property
    def open(self) -> int:
        """Kills that nobody has claimed yet; below 0 while slices below have counted kills that this one has not."""
        return self.counted - sum(self.proven.values()) - sum(self.unproven.values())


@dataclass(slots=True)
class LifeBook:
    """Evidence of kills in one container's life (by its id), or in a cgroup that is no container's (by its path)."""

    path: str  # of the innermost cgroup that was told of; "" while podman alone has reported it
    boot: str
    container_id: str = ""
    name: str | None = None  # None: not known yet; "": no container's
    called: dict[str, str] = field(default_factory=dict)  # what each podman calls its container of this id, by user
    counts: dict[str, int] = field(default_factory=dict)  # path and inode -> oom_kill as last read
    lines: int = 0  # of the kernel's log
    lines_us: list[int] = field(default_factory=list)  # when those of the last minutes were told
    limits: list[tuple[str, int]] = field(default_factory=list)  # of lines not used yet: whose limit fired, and when
    credited: int = 0  # how much of this evidence has become part of the totals
    heard_us: int = 0
    counted_at_us: int = 0  # when the reading began in which a count had risen last
    waits_since_us: int | None = None  # for a name, in the boot after its own

    @property
    def seen(self) -> int:
        """A lower bound of the kills in this life; each source of evidence may have missed some, none has invented."""
        return max(self.counted, self.lines)

    @property
    def counted(self) -> int:
        """How many its own cgroups have counted."""
        if not self.counts:
            return 0
        paths: dict[str, int] = {}
        for instance, count in self.counts.items():
            path = instance.rpartition(":")[0]
            paths[path] = paths.get(path, 0) + count
        # What lies in another holds no kill that the other does not hold.
        outer = {path: [one for one in paths if f"{one}/".startswith(f"{path}/")] for path in paths}
        inner = {one for path, within in outer.items() for one in within if one != path}
        return sum(
            max(paths[path], sum(paths[one] for one in outer[path] if one != path))
            for path in paths
            if path not in inner
        )


@dataclass(slots=True)
class Chain:
    """Restarts of one unit (or of podman's policy for one container) since its last manual start."""

    name: str = ""  # whose restarts these are
    position: int = 0
    told: int = 0  # the number that the journal told last
    told_us: int = 0  # when that was sent
    told_boot: str = ""
    filled: int = 0  # counted because NRestarts told of it: what the journal tells of that time adds nothing
    filled_us: int = 0
    filled_boot: str = ""
    doubted: int | None = None  # NRestarts as read, if it disagrees with the position
    doubted_since_us: int = 0


@dataclass(slots=True)
class PendingExit:
    """An exit whose reason may still be told."""

    container_id: str
    name: str
    unit: str
    code: int | None
    at_seconds: float
    heard_us: int
    boot: str
    died_us: int = 0  # by podman's time, as far as the clock on the wall was not moved since
    stopped: bool = False  # podman was told to stop it, or systemd its unit
    unhealthy: bool = False
    result: str = ""  # of its unit
    ran_seconds: float | None = None  # from the start that podman reported last; None: no start was heard

    @property
    def container_key(self) -> str:
        """As that of the event: ID, or USER/ID."""
        return full_name(user_in(self.name), self.container_id)


@dataclass(slots=True)
class Hint:
    """systemd saw a unit's cgroup lose a process to the OOM killer: the weakest evidence, used last."""

    name: str
    boot: str
    heard_us: int


@dataclass(slots=True)
class Orphan:
    """A restart of a unit of which nobody knows yet whether it runs a container."""

    unit: str
    boot: str
    count: int
    heard_us: int
    sent_us: int
    held_since_us: int


@dataclass(slots=True)
class PendingDenial:
    """A SELinux denial of which it is not known yet whose it is."""

    level: str  # of the process' label, as s0:c161,c724; "" without categories
    container_id: str  # "" where its cgroup is not known
    boot: str
    heard_us: int
    owner_uid: int | None = None  # of that cgroup


@dataclass(slots=True)
class HostBook:
    """The host's own sums, and what was found when."""

    boot: str = ""
    vmstat_last: int = 0
    oom_kills: int = 0  # /proc/vmstat oom_kill, summed over boots
    unattributed_oom_kills: int = 0
    unattributed_oom_kills_outside: int = 0  # of these, kills that no book of a slice has a claim for
    forgotten_containers: int = 0
    hints: list[Hint] = field(default_factory=list)
    orphans: list[Orphan] = field(default_factory=list)
    exits: list[PendingExit] = field(default_factory=list)
    denials: list[PendingDenial] = field(default_factory=list)
    unattributed_denials: int = 0
    salvaged: str = ""  # what became of a ledger that was damaged, the last time that was so; "": never
    salvaged_seconds: float | None = None  # unix time of that
    has_holes: bool = False  # it was damaged, and no count was read since: what is not known may have been counted


Row: TypeAlias = Account | SliceBook | LifeBook | Chain | HostBook


@dataclass(slots=True)
class State:
    """All rows. `touched` names those that differ from what is on disk."""

    accounts: dict[str, Account] = field(default_factory=dict)  # by name
    slices: dict[str, SliceBook] = field(default_factory=dict)  # by boot, path and inode
    lives: dict[str, LifeBook] = field(default_factory=dict)  # by boot, and container id or path
    chains: dict[str, Chain] = field(default_factory=dict)  # by unit, or podman:ID, podman:USER/ID
    host: HostBook = field(default_factory=HostBook)
    kills_seen: dict[str, int] = field(default_factory=dict)  # boot, stamp and pid -> its place: lines told before
    events_seen: dict[str, int] = field(default_factory=dict)  # stamps of podman's events: heard.py -> heard_us
    denials_seen: dict[str, int] = field(default_factory=dict)  # audit's time and serial number -> heard_us
    levels: dict[str, str] = field(default_factory=dict)  # SELinux level with categories -> whose it is, or was last
    unhealthy: dict[str, int] = field(default_factory=dict)  # by ID or USER/ID: since when (ns)
    stops: dict[str, tuple[str, int]] = field(default_factory=dict)  # unit -> boot, time of its stop job
    touched: set[tuple[str, str]] = field(default_factory=set)
    restarts_read_us: dict[str, int] = field(default_factory=dict)  # by chain; not written
    slices_of_schema_1: dict[str, SliceOfSchema1] = field(default_factory=dict)  # as read; migrated at once
    local_oom: dict[tuple[str, int], int] = field(default_factory=dict)  # path and inode -> as last read; not written

    def account(self, name: str) -> Account:
        """The container's account, opened at zero if there is none; it counts as touched."""
        self.touch("account", name)
        if name not in self.accounts:
            self.accounts[name] = Account(name)
        return self.accounts[name]

    def remember_kill(self, stamp: str) -> None:
        """Take a line of the kernel's log as heard, after all others: times of two boots have no order."""
        self.kills_seen[stamp] = next(reversed(self.kills_seen.values()), 0) + 1
        self.touch("kill", stamp)

    def order(self) -> None:
        """Have the stamps of kills in the order in which they came; the disk has them by their text."""
        self.kills_seen = dict(sorted(self.kills_seen.items(), key=lambda item: item[1]))

    def touch_book(self, book: SliceBook) -> None:
        """Have this book written at the end of the transaction."""
        self.touch("book", book.key)

    def touch(self, kind: str, key: str) -> None:
        """Have this row written at the end of the transaction."""
        self.touched.add((kind, key))

    def tables(self) -> Mapping[str, tuple[dict[str, object], type]]:
        """Kind of row -> its rows by key, and their type."""
        return {
            "account": (self.accounts, Account),  # type: ignore[dict-item]  # invariance: the store only copies
            "book": (self.slices, SliceBook),  # type: ignore[dict-item]
            "slice": (self.slices_of_schema_1, SliceOfSchema1),  # type: ignore[dict-item]
            "life": (self.lives, LifeBook),  # type: ignore[dict-item]
            "chain": (self.chains, Chain),  # type: ignore[dict-item]
            "kill": (self.kills_seen, int),  # type: ignore[dict-item]
            "event": (self.events_seen, int),  # type: ignore[dict-item]
            "denial": (self.denials_seen, int),  # type: ignore[dict-item]
            "level": (self.levels, str),  # type: ignore[dict-item]
            "unhealthy": (self.unhealthy, int),  # type: ignore[dict-item]
            "stop": (self.stops, tuple[str, int]),  # type: ignore[dict-item]
        }


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of a settlement."""

    boot: str
    us: int  # CLOCK_MONOTONIC
    seconds: float  # unix time


@dataclass(frozen=True, slots=True)
class Identities:
    """Who is who, as all sources together know it now."""

    names_by_id: Mapping[str, str] = field(default_factory=dict)  # container id -> name
    names_by_unit: Mapping[str, str] = field(default_factory=dict)  # web.service -> web
    occupants: Mapping[str, frozenset[str]] = field(default_factory=dict)  # slice path -> names of those who live there
    unidentified: frozenset[str] = frozenset()  # occupants whose name is not known yet, by their ids
    names_by_level: Mapping[str, str] = field(default_factory=dict)  # s0:c1,c2 -> name; "": of several
    slices_complete: bool = True  # False: a stopped container, and its unit, may not be known yet
    account_uids: Mapping[str, int] = field(default_factory=dict)  # of /etc/passwd

    def known(self) -> frozenset[str]:
        """Every name."""
        return frozenset(self.names_by_id.values()) | frozenset(self.names_by_unit.values())

    def name_of(self, container_id: str, owner_uid: int) -> str | None:
        """The name of the container with this id, if that is of `owner_uid`: others may name their cgroups so."""
        name = self.names_by_id.get(container_id)
        return name if name is not None and self.is_of(user_in(name), owner_uid) else None

    def is_of(self, user: str, owner_uid: int) -> bool:
        """Whether a container whose cgroup is `owner_uid`'s may be what the podman of `user` means by its id."""
        return is_of(user, owner_uid, self.account_uids)

    def with_memory(self, state: State) -> Identities:
        """The same, with units of containers that were known before and are not now."""
        remembered = {account.unit: account.name for account in state.accounts.values() if account.unit}
        return replace(self, names_by_unit=remembered | dict(self.names_by_unit))
