from __future__ import annotations

from exporter.facts.evidence import Evidence, KernelKill, KillCount, KillCounts, UnitOutOfMemory
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from exporter.ledger.patience import EVIDENCE_US

TOP = "/services.slice"
WEB, DB = f"{TOP}/services-web.slice", f"{TOP}/services-db.slice"
WEB_ID, DB_ID = "a" * 64, "b" * 64
IDENTITIES = Identities(
    {WEB_ID: "web", DB_ID: "db"},
    {"web.service": "web", "db.service": "db"},
    {WEB: frozenset({"web"}), DB: frozenset({"db"}), TOP: frozenset({"web", "db", ""})},
)
BEGAN_US = 10_000_000_000


def line(name: str, container_id: str, number: int, us: int) -> KernelKill:
    home = f"{TOP}/services-{name}.slice/{name}.service"
    payload = f"{home}/libpod-payload-{container_id}"
    return KernelKill("boot1", us, us, 1000 + number, payload, home, 1.8e9)


def counts(
    top: int, web: int | None, db: int | None, payload: int | None = None, absent: frozenset[str] = frozenset()
) -> KillCounts:
    """One reading; None: the slice is not there."""
    read = [KillCount(TOP, 1, top, 0)]
    read += [KillCount(WEB, 2, web, 0)] if web is not None else []
    read += [KillCount(DB, 3, db, 0)] if db is not None else []
    read += [KillCount(f"{WEB}/web.service", 4, payload, 0, WEB_ID)] if payload is not None else []
    return KillCounts(tuple(read), absent=absent)


class Told:
    """A ledger that is told of the same three slices again and again."""

    def __init__(self) -> None:
        self.ledger = Ledger(Store(None))
        self.us = BEGAN_US

    def settle(self, read: KillCounts, *told: Evidence, after_us: int = 1_000_000, journal: bool = True) -> None:
        self.us += after_us
        batch = Batch(told, read, identities=IDENTITIES, journal_tells=journal)
        self.ledger.settle(batch, Now("boot1", self.us, 1.8e9))

    @property
    def kills(self) -> tuple[int, int, int]:
        """Of web, of db, and of nobody."""
        counted = {one.name: one.oom_kills for one in self.ledger.totals().containers}
        return counted.get("web", 0), counted.get("db", 0), self.ledger.totals().unattributed_oom_kills


def test_what_a_stopped_slice_left_to_its_parent_is_not_given_to_a_neighbour() -> None:
    told = Told()
    told.settle(counts(0, 0, 0, 0))
    told.settle(counts(1, 1, 0, 1))
    told.settle(counts(1, 1, 0, 1), line("web", WEB_ID, 1, told.us))  # late: the count has told of it
    unread = tuple(line("db", DB_ID, number, told.us + number) for number in range(5))
    told.settle(counts(6, 1, None, 1, frozenset({DB})), journal=False)  # 5 kills of db's, and its slice was stopped
    told.settle(counts(6, 1, None, 2, frozenset({DB})), after_us=20_000_000, journal=False)  # web's, while it was read
    told.settle(counts(7, 2, None, 2, frozenset({DB})), journal=False)
    told.settle(counts(7, 2, None, 2, frozenset({DB})), after_us=2 * EVIDENCE_US, journal=False)
    assert told.kills == (2, 0, 0)
    told.settle(counts(7, 2, None, 2, frozenset({DB})), *unread, after_us=20_000_000)
    assert told.kills == (2, 5, 0)


def test_what_a_stopped_slice_left_to_its_parent_is_no_neighbours_for_what_systemd_said_of_it() -> None:
    # Seen in the lab: kills of db's were not read before its slice was stopped, and web lost workers all the time.
    told = Told()
    told.settle(counts(0, 0, 0, 0))
    told.settle(counts(1, 1, 0, 1), UnitOutOfMemory("boot1", told.us + 1, "web.service"))
    told.settle(counts(2, 1, None, 1, frozenset({DB})), after_us=20_000_000)
    told.settle(counts(3, 2, None, 2, frozenset({DB})), after_us=EVIDENCE_US)
    told.settle(counts(3, 2, None, 2, frozenset({DB})), after_us=EVIDENCE_US)
    assert told.kills == (2, 0, 1)


def test_a_line_waits_until_somebody_has_looked_for_the_slice_that_it_names() -> None:
    told = Told()
    told.settle(counts(0, 0, None))
    read = counts(3, 0, None)
    lines = tuple(line("db", DB_ID, number, told.us + number) for number in range(3))
    told.settle(read, *lines, after_us=20_000_000)
    assert told.kills == (0, 0, 0)
    assert DB in told.ledger.slice_paths()
    told.settle(counts(3, 0, 3))
    told.settle(counts(3, 0, 3), after_us=2 * EVIDENCE_US)
    assert told.kills == (0, 3, 0)


def test_a_slice_that_came_and_went_unseen_has_its_kills_from_the_slice_above() -> None:
    told = Told()
    told.settle(counts(0, 0, None))
    lines = tuple(line("db", DB_ID, number, told.us + number) for number in range(3))
    told.settle(counts(3, 0, None), *lines, after_us=20_000_000)
    told.settle(counts(3, 0, None, absent=frozenset({DB})))
    assert told.kills == (0, 3, 0)


def test_nothing_is_nobodys_while_the_journal_may_still_tell_whose_it_was() -> None:
    told = Told()
    told.settle(counts(0, 0, None))
    told.settle(counts(2, 0, None), journal=False)
    told.settle(counts(2, 0, None), after_us=2 * EVIDENCE_US, journal=False)
    assert told.kills == (0, 0, 0)
    for _ in range(3):  # nobody waits for ever for a journal that is silent
        told.settle(counts(2, 0, None), after_us=200_000_000, journal=False)
    assert told.kills == (0, 0, 2)


def test_a_line_that_comes_after_the_count_says_whose_limit_it_was() -> None:
    told = Told()
    told.settle(counts(0, 0, 0, 0))
    told.settle(counts(1, 1, 0, 1))
    told.settle(counts(1, 1, 0, 1), line("web", WEB_ID, 1, told.us))
    web = next(one for one in told.ledger.totals().containers if one.name == "web")
    assert {limit: count for limit, count in web.oom_kills_by_limit if count} == {"service": 1}


def test_a_slice_inside_a_container_is_not_the_containers_home() -> None:
    told = Told()
    told.settle(counts(0, 0, None, 0))
    inner = f"{WEB}/web.service/libpod-payload-{WEB_ID}/system.slice/cron.service"
    told.settle(counts(0, 0, None, 0), KernelKill("boot1", told.us, told.us, 7, inner, inner, 1.8e9))
    assert told.ledger.slice_paths() == {TOP, WEB}
