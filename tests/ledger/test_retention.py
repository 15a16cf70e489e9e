"""What the ledger forgets, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.facts.evidence import ContainerEvent, KernelKill, KillCount, KillCounts, RestartScheduled
from exporter.ledger import Batch, Identities, Ledger, Now, RestartCount, Store

UNIT = "web.service"
IDENTITIES = Identities({"a" * 64: "web"}, {UNIT: "web"})
NOW = Now("boot1", 10_000_000_000, 1.8e9)
RESTART = RestartScheduled(NOW.boot, NOW.us, NOW.us, UNIT, 1)


def at(seconds: float) -> Now:
    return Now(NOW.boot, NOW.us + int(seconds * 1e6), NOW.seconds + seconds)


def test_what_is_gone_for_long_is_forgotten_with_its_restarts() -> None:
    ledger = Ledger(Store(None), forget_seconds=100)
    ledger.settle(Batch((RESTART,), identities=IDENTITIES), NOW)
    ledger.settle(Batch(), at(60))
    assert len(ledger.totals().containers) == 1
    totals = ledger.settle(Batch(), at(170))
    assert (totals.containers, totals.forgotten_containers) == ((), 1)
    assert not ledger._state.chains


def test_time_in_which_nobody_watched_makes_nobody_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path), forget_seconds=100)
    ledger.settle(Batch(identities=IDENTITIES), NOW)
    ledger.close()
    ledger = Ledger(Store(tmp_path), forget_seconds=100)
    totals = ledger.settle(Batch(), at(10_000))
    assert len(totals.containers) == 1
    ledger.close()


def test_of_too_many_the_longest_gone_is_forgotten_and_nobody_who_is_here() -> None:
    ledger = Ledger(Store(None), max_containers=2)
    for number, name in enumerate(("old", "new", "here")):
        ledger.settle(Batch(identities=Identities({"a" * 64: name})), at(number))
    assert [one.name for one in ledger.totals().containers] == ["here", "new"]
    everyone = Identities({f"{number:064x}": f"c{number}" for number in range(5)})
    totals = ledger.settle(Batch(identities=everyone), at(10))
    assert len(totals.containers) == 5


def test_thousands_of_containers_under_random_names_leave_little_behind(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path), max_containers=10)
    for number in range(500):
        container_id, name = f"{number:064x}", f"random{number}"
        path = f"/system.slice/libpod-{container_id}.scope"
        batch = Batch(
            (ContainerEvent(number, container_id, name, "start"),),
            KillCounts((KillCount(path, number, 0, 0, container_id), KillCount("/system.slice", 1, 0, 0))),
            (RestartCount(f"podman:{container_id}", name, 1, at(number).seconds),),
            identities=Identities({container_id: name}),
        )
        ledger.settle(batch, at(100 * number))
    state = ledger._state
    assert len(state.accounts) == 10
    assert len(state.chains) <= 10
    assert len(state.lives) < 100
    assert len(state.restarts_read_us) <= 10
    ledger.close()


def test_of_too_many_slices_that_have_ended_those_below_others_go_first_and_no_total_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.ledger.retention._CLOSED_LIMIT", 1)
    top, web = "/services.slice", "/services.slice/services-web.slice"
    identities = Identities({"a" * 64: "web"}, occupants={web: frozenset({"web"})})
    ledger = Ledger(Store(None))
    readings: tuple[dict[str, tuple[int, int]], ...] = (
        {top: (1, 0)},
        {top: (1, 2), web: (2, 2)},
        {top: (3, 0), web: (4, 0)},  # both were made anew
    )
    for second, slices in enumerate(readings):
        counts = KillCounts(tuple(KillCount(path, inode, kills, 0) for path, (inode, kills) in slices.items()))
        ledger.settle(Batch(counts=counts, identities=identities), at(second))
    assert [(book.path, book.inode) for book in ledger._state.slices.values() if book.closed] == [(top, 1)]
    assert ledger.totals().containers[0].oom_kills == 2


def test_of_too_many_kills_that_were_heard_the_oldest_is_forgotten_over_boots_and_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.ledger.retention.SEEN_LIMIT", 3)
    # By their text, the stamps of the first boot would be the last.
    lines = [KernelKill("z", 900, 900, 9, "", "", 1.0), KernelKill("z", 1000, 1000, 9, "", "", 2.0)]
    lines += [KernelKill("a", us, us, 9, "", "", us * 1.0) for us in (5, 6, 10)]
    for boot, heard in (("z", lines[:2]), ("a", lines[2:4]), ("a", lines[4:])):
        ledger = Ledger(Store(tmp_path))
        ledger.settle(Batch(tuple(heard)), Now(boot, 2000, 10.0))
        kept = list(ledger._state.kills_seen)
        ledger.close()
    assert kept == ["a:5:9", "a:6:9", "a:10:9"]
