from __future__ import annotations

from dataclasses import replace

from exporter.facts.evidence import Evidence, KernelKill, KillCount, KillCounts, UnitOutOfMemory
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from exporter.ledger.patience import EVIDENCE_US, HINT_US

SHARED = "/system.slice"
MAIL_ID, DNS_ID = "c" * 64, "d" * 64
IDENTITIES = Identities(
    {MAIL_ID: "mail", DNS_ID: "dns"},
    {"mail.service": "mail", "dns.service": "dns"},
    {SHARED: frozenset({"mail", "dns", ""})},
)
BEGAN_US = 10_000_000_000


def hint(name: str, us: int) -> UnitOutOfMemory:
    return UnitOutOfMemory("boot1", us, f"{name}.service")


def line(name: str, container_id: str, us: int) -> KernelKill:
    cgroup = f"{SHARED}/{name}.service/libpod-payload-{container_id}"
    return KernelKill("boot1", us, us, 7, cgroup, cgroup, 1.8e9)


class Shared:
    """Two containers in one slice, of which only the slice's count is read after they were killed."""

    def __init__(self) -> None:
        self.ledger = Ledger(Store(None))
        self.us = BEGAN_US
        lives = ((4, "mail", MAIL_ID), (5, "dns", DNS_ID))
        self.alive = tuple(
            KillCount(f"{SHARED}/{name}.service", inode, 0, 0, container_id) for inode, name, container_id in lives
        )
        self.settle(0)

    def settle(
        self, kills: int, *told: Evidence, after_us: int = 1_000_000, identities: Identities = IDENTITIES
    ) -> None:
        self.us += after_us
        counts = KillCounts((KillCount(SHARED, 1, kills, 0), *self.alive))
        self.ledger.settle(Batch(told, counts, identities=identities), Now("boot1", self.us, 1.8e9))

    def wait(self, kills: int) -> None:
        """Until nothing better than a hint will come."""
        for _ in range(2):
            self.settle(kills, after_us=EVIDENCE_US)

    @property
    def kills(self) -> tuple[int, int, int]:
        """Of mail, of dns, and of nobody."""
        counted = {one.name: one.oom_kills for one in self.ledger.totals().containers}
        return counted["mail"], counted["dns"], self.ledger.totals().unattributed_oom_kills


def test_what_systemd_saw_tells_of_a_kill_in_a_shared_slice_that_nothing_else_tells_of() -> None:
    shared = Shared()
    shared.settle(1, hint("mail", shared.us + 1))
    shared.wait(1)
    assert shared.kills == (1, 0, 0)


def test_what_systemd_saw_is_not_counted_beside_the_kernels_line_of_it() -> None:
    shared = Shared()
    shared.settle(2, line("mail", MAIL_ID, shared.us), hint("mail", shared.us + 1))
    shared.wait(2)
    assert shared.kills == (1, 0, 1)


def test_a_line_that_came_long_before_does_not_stand_for_what_systemd_saw_later() -> None:
    shared = Shared()
    shared.settle(1, line("mail", MAIL_ID, shared.us))
    shared.settle(2, hint("mail", shared.us + 2 * EVIDENCE_US), after_us=2 * EVIDENCE_US)
    shared.wait(2)
    assert shared.kills == (2, 0, 0)


def test_each_of_two_containers_is_given_the_kill_that_systemd_saw_of_it() -> None:
    shared = Shared()
    shared.settle(2, hint("mail", shared.us + 1), hint("dns", shared.us + 2))
    shared.wait(2)
    assert shared.kills == (1, 1, 0)


def test_a_hint_without_a_kill_that_waits_is_forgotten() -> None:
    shared = Shared()
    shared.settle(0, hint("mail", shared.us + 1))
    shared.settle(0, after_us=HINT_US)
    shared.settle(1)
    shared.wait(1)
    assert shared.kills == (0, 0, 1)


def test_who_seems_to_be_alone_while_not_everybody_is_known_gets_no_kill_of_a_neighbour() -> None:
    # The agent has just started, systemd has not told yet, and dns is between two lives.
    shared = Shared()
    half = Identities(occupants={SHARED: frozenset({"mail"})}, slices_complete=False)
    shared.settle(1, identities=half)
    shared.settle(1, identities=half, after_us=3 * EVIDENCE_US)
    assert shared.kills == (0, 0, 0)
    shared.settle(1, line("dns", DNS_ID, shared.us - EVIDENCE_US))
    assert shared.kills == (0, 1, 0)


def test_who_was_alone_is_alone_while_nobody_else_is_known() -> None:
    shared = Shared()
    alone = Identities(occupants={SHARED: frozenset({"mail"})})
    shared.settle(1, identities=alone)
    shared.settle(2, identities=replace(alone, slices_complete=False))
    assert shared.kills == (2, 0, 0)
    both = Identities(occupants={SHARED: frozenset({"mail", "dns"})}, slices_complete=False)
    shared.settle(3, identities=both)
    assert shared.kills == (2, 0, 0)
