"""One example for each guard of `kills` and `slices`: without the guard, the kill of the example is counted wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.facts.counts import Counts
from exporter.facts.evidence import Evidence, KernelKill, KillCount, KillCounts
from exporter.ledger import Batch, Identities, Ledger, Now, Store

SHARED, TOP = "/system.slice", "/services.slice"
WEB, DB = f"{TOP}/services-web.slice", f"{TOP}/services-db.slice"
IDS = {name: letter * 64 for name, letter in (("web", "a"), ("db", "b"), ("mail", "c"), ("dns", "d"))}
HOMES = {"web": WEB, "db": DB, "mail": SHARED, "dns": SHARED}
OCCUPANTS = {
    WEB: frozenset({"web"}),
    DB: frozenset({"db"}),
    TOP: frozenset({"web", "db"}),
    SHARED: frozenset({"mail", "dns"}),
}
IDENTITIES = Identities(
    {container_id: name for name, container_id in IDS.items()}, {f"{name}.service": name for name in IDS}, OCCUPANTS
)
# All are there, and who web is has not been found out yet.
WEB_UNKNOWN = Identities(
    {container_id: name for name, container_id in IDS.items() if name != "web"},
    {f"{name}.service": name for name in IDS if name != "web"},
    OCCUPANTS | {WEB: frozenset({"?web"}), TOP: frozenset({"?web", "db"})},
    frozenset({"?web"}),
)
SECONDS = 1_000_000
LONG = 100  # seconds after which nothing waits for better evidence any more


@dataclass(frozen=True)
class Slice:
    """A slice as it is read."""

    kills: int
    inode: int = 1


class Host:
    """A ledger that settles what a host shows of slices, of containers' own cgroups, and of the kernel's log."""

    def __init__(self) -> None:
        self.ledger = Ledger(Store(None))
        self.boot = "boot1"
        self.us = 10_000 * SECONDS

    def reboot(self) -> None:
        self.boot, self.us = "boot2", 10 * SECONDS

    def settle(
        self,
        slices: Mapping[str, Slice],
        *told: Evidence,
        own: Mapping[str, int] | None = None,
        after: int = 1,
        identities: Identities = IDENTITIES,
        unreadable: frozenset[str] = frozenset(),
    ) -> None:
        """`own`: what the cgroup of a container has counted, by its name; `after`: seconds since the last one."""
        self.us += after * SECONDS
        counts = [KillCount(path, read.inode, read.kills, 0) for path, read in slices.items()]
        counts += [
            KillCount(f"{HOMES[name]}/{name}.service", 50, kills, 0, IDS[name]) for name, kills in (own or {}).items()
        ]
        batch = Batch(told, KillCounts(tuple(counts), unreadable), identities=identities)
        self.ledger.settle(batch, Now(self.boot, self.us, 1.8e9 + self.us / SECONDS))

    def line(self, name: str, ago: int = 0) -> KernelKill:
        """The kernel's line on a kill so many seconds before the next settlement, which is a second from now."""
        us = self.us + (1 - ago) * SECONDS
        cgroup = f"{HOMES[name]}/{name}.service/libpod-payload-{IDS[name]}"
        return KernelKill(self.boot, us, us, 7, cgroup, cgroup, 1.8e9)

    def of(self, name: str) -> Counts:
        return next(one for one in self.ledger.totals().containers if one.name == name)

    @property
    def kills(self) -> dict[str, int]:
        """Who has lost how many; "" is nobody."""
        totals = self.ledger.totals()
        counted = {one.name: one.oom_kills for one in totals.containers} | {"": totals.unattributed_oom_kills}
        return {name: count for name, count in counted.items() if count}


def test_a_line_of_a_kill_after_one_that_was_called_nobodys_is_of_a_kill_of_its_own() -> None:
    host = Host()
    host.settle({SHARED: Slice(0)})
    host.settle({SHARED: Slice(1)})
    host.settle({SHARED: Slice(1)}, after=LONG)
    assert host.kills == {"": 1}
    host.settle({SHARED: Slice(2)}, host.line("mail"))
    host.settle({SHARED: Slice(2)}, after=LONG)
    assert host.kills == {"mail": 1, "": 1}


def test_a_kill_that_was_called_nobodys_is_not_counted_again_when_its_slice_is_found() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)})
    host.settle({TOP: Slice(3), WEB: Slice(0)})
    host.settle({TOP: Slice(3), WEB: Slice(0)}, after=LONG)
    assert host.kills == {"": 3}
    host.settle({TOP: Slice(3), WEB: Slice(0), DB: Slice(3)})
    assert host.kills == {"": 3}


def test_a_kill_that_a_new_slice_counts_before_the_one_above_it_does_is_not_taken_for_nobodys() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)})
    host.settle({TOP: Slice(0), WEB: Slice(0), DB: Slice(1)})  # killed after TOP was read
    host.settle({TOP: Slice(1), WEB: Slice(0), DB: Slice(1)})
    host.settle({TOP: Slice(1), WEB: Slice(0), DB: Slice(1)}, after=LONG)
    assert host.kills == {"db": 1}


def test_a_line_that_is_printed_before_its_kill_is_counted_takes_no_kill_of_a_neighbour() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0), DB: Slice(0)})
    host.settle({TOP: Slice(0), WEB: Slice(0, inode=2), DB: Slice(0)})  # web's slice was made anew
    host.settle({TOP: Slice(1), WEB: Slice(0, inode=2)})  # db was killed, and its slice stopped before it was read
    host.settle({TOP: Slice(1), WEB: Slice(0, inode=2)}, host.line("web"))
    host.settle({TOP: Slice(2), WEB: Slice(1, inode=2)})
    assert host.kills == {"web": 1}
    host.settle({TOP: Slice(2), WEB: Slice(1, inode=2)}, host.line("db", ago=4))
    host.settle({TOP: Slice(2), WEB: Slice(1, inode=2)}, after=LONG)
    assert host.kills == {"web": 1, "db": 1}


def test_of_what_a_shared_slice_counted_before_it_was_known_its_containers_still_tell_their_part() -> None:
    host = Host()
    host.settle({SHARED: Slice(7)}, own={"mail": 2, "dns": 0})
    host.settle({SHARED: Slice(7)}, own={"mail": 2, "dns": 0}, after=LONG)
    assert host.kills == {"mail": 2}


def test_what_a_slice_counted_before_it_was_known_is_counted_and_has_no_time() -> None:
    host = Host()
    host.settle({TOP: Slice(3), WEB: Slice(3)})
    assert host.kills == {"web": 3}
    assert host.of("web").last_oom_kill_seconds is None
    host.settle({TOP: Slice(4), WEB: Slice(4)})
    assert host.of("web").last_oom_kill_seconds == 1.8e9 + host.us / SECONDS


def test_a_line_of_before_a_reboot_waits_for_the_name_of_its_container() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, identities=WEB_UNKNOWN)
    told = host.line("web")
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=20)
    assert host.kills == {"web": 1}


def test_a_line_of_before_a_reboot_whose_container_nobody_names_is_nobodys() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, identities=WEB_UNKNOWN)
    told = host.line("web")
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, identities=WEB_UNKNOWN, after=LONG)
    assert host.kills == {"": 1}


def test_a_kill_that_its_slice_left_to_the_one_above_is_named_after_a_reboot() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, own={"web": 0}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(1), WEB: Slice(1)}, own={"web": 1}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(1)}, identities=WEB_UNKNOWN)  # its slice was stopped before its name was known
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)})
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=LONG)
    assert host.kills == {"web": 1}


def test_a_kill_of_a_moment_ago_is_not_nobodys_together_with_one_that_has_waited_long() -> None:
    host = Host()
    host.settle({SHARED: Slice(0)})
    host.settle({SHARED: Slice(1)})
    host.settle({SHARED: Slice(2)}, after=25)
    host.settle({SHARED: Slice(2)}, after=10)
    assert host.kills == {"": 1}
    host.settle({SHARED: Slice(2)}, host.line("mail", ago=11))
    host.settle({SHARED: Slice(2)}, after=LONG)
    assert host.kills == {"mail": 1, "": 1}


def test_a_line_of_after_the_last_reading_before_a_reboot_is_of_a_kill_that_nobody_counted() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, own={"web": 0})
    host.settle({TOP: Slice(1), WEB: Slice(1)}, own={"web": 1})  # of this one the kernel printed no line
    assert host.kills == {"web": 1}
    told = host.line("web")
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told)
    assert host.kills == {"web": 2}


def test_a_kill_whose_slice_cannot_be_read_waits_until_its_slice_is_read() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, own={"web": 0})
    host.settle({TOP: Slice(1)}, own={"web": 1}, unreadable=frozenset({WEB}))
    assert host.kills == {}
    host.settle({TOP: Slice(1), WEB: Slice(1)}, own={"web": 1})
    host.settle({TOP: Slice(1), WEB: Slice(1)}, own={"web": 1}, after=LONG)
    assert host.kills == {"web": 1}


def test_a_slice_that_is_read_after_those_below_it_counts_none_of_their_kills_again() -> None:
    inner = f"{WEB}/services-web-inner.slice"
    occupants = {inner: frozenset({"web"}), WEB: frozenset({"web", "db"}), TOP: frozenset({"web", "db"})}
    identities = Identities({IDS["web"]: "web"}, occupants=occupants)
    host = Host()
    host.settle({TOP: Slice(0)}, identities=identities)
    host.settle({TOP: Slice(2), inner: Slice(2)}, identities=identities, unreadable=frozenset({WEB}))
    assert host.kills == {"web": 2}
    host.settle({TOP: Slice(2), WEB: Slice(2), inner: Slice(2)}, identities=identities)
    host.settle({TOP: Slice(2), WEB: Slice(2), inner: Slice(2)}, identities=identities, after=LONG)
    assert host.kills == {"web": 2}


def test_a_kill_that_was_called_nobodys_is_left_to_one_slice_that_is_found_and_to_no_other() -> None:
    host = Host()
    host.settle({TOP: Slice(0)})
    host.settle({TOP: Slice(1)})
    host.settle({TOP: Slice(1)}, after=LONG)
    host.settle({TOP: Slice(1), DB: Slice(1)})
    assert host.kills == {"": 1}
    host.settle({TOP: Slice(1), DB: Slice(1), WEB: Slice(1)})  # killed after TOP was read
    host.settle({TOP: Slice(2), DB: Slice(1), WEB: Slice(1)})
    host.settle({TOP: Slice(2), DB: Slice(1), WEB: Slice(1)}, after=LONG)
    assert host.kills == {"": 1, "web": 1}


def test_a_late_line_of_a_slice_that_was_stopped_takes_no_kill_of_a_neighbour() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0), DB: Slice(0)})
    host.settle({TOP: Slice(1), WEB: Slice(1), DB: Slice(0)})  # of web, which lives there alone
    host.settle({TOP: Slice(2)})  # both slices were stopped, and db was killed before
    host.settle({TOP: Slice(2)}, host.line("web", ago=3))
    host.settle({TOP: Slice(2)}, host.line("db", ago=3))
    assert host.kills == {"web": 1, "db": 1}


def test_a_line_of_before_a_reboot_is_not_counted_beside_what_its_slice_left_to_the_one_above() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)})
    told = host.line("web")
    host.settle({TOP: Slice(1)}, after=2)  # web was killed, and its slice stopped before it was read
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=LONG)
    assert host.kills == {"": 1}


def test_a_line_of_before_a_reboot_of_a_kill_that_was_counted_takes_no_kill_of_a_neighbour() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0), DB: Slice(0)})
    told = host.line("web")
    host.settle({TOP: Slice(1), WEB: Slice(1), DB: Slice(0)}, after=2)  # of web, which lives there alone
    host.settle({TOP: Slice(2)})  # both slices were stopped, and db was killed before
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=LONG)
    assert host.kills == {"web": 1, "": 1}


def test_a_kill_that_its_container_counts_after_its_slice_takes_none_of_a_neighbour_after_a_reboot() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0), DB: Slice(0)})
    host.settle({TOP: Slice(1), WEB: Slice(1), DB: Slice(0)})  # of web, whose own cgroup could not be read
    host.settle({TOP: Slice(2), WEB: Slice(1)}, own={"web": 1})  # db was killed, and its slice stopped
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)})
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=LONG)
    assert host.kills == {"web": 1, "": 1}


def test_a_line_on_a_kill_that_its_slice_left_out_takes_no_kill_of_a_neighbour() -> None:
    host = Host()
    host.settle({TOP: Slice(1), WEB: Slice(1), DB: Slice(0)}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(2), WEB: Slice(1)})  # db was killed, and its slice stopped before it was read
    host.settle({TOP: Slice(2), WEB: Slice(1)}, host.line("web", ago=20))  # of before the agent began
    host.settle({TOP: Slice(2), WEB: Slice(1)}, host.line("db", ago=3))
    host.settle({TOP: Slice(2), WEB: Slice(1)}, after=LONG)
    assert host.kills == {"db": 1}


def test_a_line_that_is_read_a_minute_late_is_of_the_kill_that_was_called_nobodys_meanwhile() -> None:
    host = Host()
    host.settle({SHARED: Slice(0)})
    host.settle({SHARED: Slice(1)})
    host.settle({SHARED: Slice(1)}, after=40)
    assert host.kills == {"": 1}
    host.settle({SHARED: Slice(2)}, after=70)  # of dns
    host.settle({SHARED: Slice(2)}, host.line("mail", ago=65))  # journald gave it its time long after the kill
    host.settle({SHARED: Slice(2)}, host.line("dns", ago=2))
    assert host.kills == {"": 1, "dns": 1}


def test_a_kill_while_all_is_read_for_the_first_time_is_counted_in_its_slice_and_not_in_the_one_above_too() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(1)})  # killed after TOP was read
    assert host.kills == {"web": 1}
    host.settle({TOP: Slice(1), WEB: Slice(1)})
    host.settle({TOP: Slice(1), WEB: Slice(1)}, after=LONG)
    assert host.kills == {"web": 1}


def test_a_line_that_is_printed_before_its_kill_is_counted_is_no_kill_of_before_the_first_reading() -> None:
    host = Host()
    host.settle({SHARED: Slice(0)}, host.line("mail"))
    host.settle({SHARED: Slice(1)})
    host.settle({SHARED: Slice(1)}, after=LONG)
    assert host.kills == {"mail": 1}


def test_a_kill_that_its_container_counts_after_the_first_reading_of_its_slice_is_counted_once() -> None:
    host = Host()
    host.settle({SHARED: Slice(0)}, own={"mail": 1})
    host.settle({SHARED: Slice(1)}, own={"mail": 1})
    host.settle({SHARED: Slice(1)}, own={"mail": 1}, after=LONG)
    assert host.kills == {"mail": 1}


def test_a_kill_in_a_slice_that_is_found_late_is_no_kill_that_was_called_nobodys_before_it() -> None:
    host = Host()
    host.settle({TOP: Slice(0)})
    host.settle({TOP: Slice(1)})
    host.settle({TOP: Slice(1)}, after=LONG)
    host.settle({TOP: Slice(2), DB: Slice(1)})
    host.settle({TOP: Slice(2), DB: Slice(1)}, after=LONG)
    assert host.kills == {"": 1, "db": 1}


def test_a_line_of_before_a_reboot_waits_for_a_name_that_comes_after_several_settlements() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, identities=WEB_UNKNOWN)
    told = host.line("web")
    host.reboot()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, told, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=20, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(0), WEB: Slice(0)}, after=20)
    assert host.kills == {"web": 1}


def test_a_kill_that_is_open_in_a_slice_when_it_ends_is_claimed_by_its_line_in_the_slice_above() -> None:
    host = Host()
    host.settle({TOP: Slice(0), WEB: Slice(0)}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(1), WEB: Slice(1)}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(1)}, identities=WEB_UNKNOWN)
    host.settle({TOP: Slice(1)}, host.line("web", ago=2), after=20)
    host.settle({TOP: Slice(1)}, after=LONG)
    assert host.kills == {"web": 1}


def test_a_kill_that_was_called_nobodys_is_counted_again_by_no_slice_however_deep_it_is_found() -> None:
    inner = f"{DB}/services-db-inner.slice"
    host = Host()
    host.settle({TOP: Slice(0)})
    host.settle({TOP: Slice(1)})
    host.settle({TOP: Slice(1)}, after=LONG)
    identities = Identities(occupants={inner: frozenset({"db"}), DB: frozenset({"db", "web"})})
    host.settle({TOP: Slice(1), DB: Slice(1)}, identities=identities)
    host.settle({TOP: Slice(1), DB: Slice(1), inner: Slice(1)}, identities=identities)
    host.settle({TOP: Slice(1), DB: Slice(1), inner: Slice(1)}, identities=identities, after=LONG)
    assert host.kills == {"": 1}
