from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from exporter.assess.kernel_counts import restart_loop
from exporter.facts.evidence import KillCount, KillCounts, RestartScheduled
from exporter.ledger import Batch, Identities, Ledger, Now, RestartCount, Store
from exporter.report.thresholds import Thresholds

UNIT, SLICE = "web.service", "/services.slice/services-web.slice"
IDENTITIES = Identities({"a" * 64: "web"}, {UNIT: "web"}, {SLICE: frozenset({"web"})})
NOW = Now("boot1", 10_000_000_000, 1.8e9)


def at(seconds: float, *, wall: float = 0.0, boot: str = "boot1") -> Now:
    return Now(boot, NOW.us + int(seconds * 1e6), NOW.seconds + seconds + wall)


def restarts(*times: Now, first: int = 1) -> tuple[RestartScheduled, ...]:
    return tuple(
        RestartScheduled(now.boot, now.us, now.us, UNIT, number) for number, now in enumerate(times, start=first)
    )


def test_everybody_who_is_known_is_counted_from_zero() -> None:
    ledger = Ledger(Store(None))
    totals = ledger.settle(Batch(identities=IDENTITIES), NOW)
    (web,) = totals.containers
    assert (web.name, web.oom_kills, web.restarts, web.starts) == ("web", 0, 0, 0)
    assert {count for _, count in web.oom_kills_by_limit + web.exits} == {0}


def test_totals_of_before_are_told_before_the_first_settlement(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path))
    ledger.settle(Batch(restarts(NOW), identities=IDENTITIES), NOW)
    ledger.close()
    (web,) = Ledger(Store(tmp_path), at(5)).totals().containers
    assert web.restarts == 1
    assert web.recent_restarts_us == (NOW.us,)


def test_a_loop_is_told_and_clears_itself_whatever_the_clock_on_the_wall_says() -> None:
    limits = replace(Thresholds(), restart_loop_window_seconds=600, restart_loop_restarts=3)
    for wall in (-3600.0, 0.0, 3600.0):
        ledger = Ledger(Store(None))
        ledger.settle(Batch(identities=IDENTITIES), NOW)
        looping = []
        for seconds in (1, 2, 3):
            batch = Batch(restarts(at(seconds), first=seconds), identities=IDENTITIES)
            totals = ledger.settle(batch, at(seconds, wall=wall * (seconds > 1)))
            looping.append(restart_loop(totals.containers[0], None, totals, limits))
        totals = ledger.settle(Batch(identities=IDENTITIES), at(700, wall=wall))
        looping.append(restart_loop(totals.containers[0], None, totals, limits))
        assert looping == [False, False, True, False]
        assert totals.containers[0].restarts == 3


def test_restarts_of_before_the_start_are_no_loop_of_now() -> None:
    limits = replace(Thresholds(), restart_loop_window_seconds=600, restart_loop_restarts=3)
    ledger = Ledger(Store(None))
    for count, seconds in ((2, 0), (9, 7200)):
        readings = (RestartCount(UNIT, "web", count, at(seconds).seconds),)
        batch = Batch(restarts=readings, identities=IDENTITIES, journal_tells=False)
        totals = ledger.settle(batch, at(seconds))
    assert totals.containers[0].restarts == 9
    assert restart_loop(totals.containers[0], None, totals, limits) is False


def test_a_reboot_clears_a_loop_and_keeps_the_count() -> None:
    limits = replace(Thresholds(), restart_loop_window_seconds=600, restart_loop_restarts=3)
    ledger = Ledger(Store(None))
    ledger.settle(Batch(restarts(at(1), at(2), at(3)), identities=IDENTITIES), at(3))
    totals = ledger.settle(Batch(identities=IDENTITIES), at(4, boot="boot2"))
    assert restart_loop(totals.containers[0], None, totals, limits) is False
    assert totals.containers[0].restarts == 3


def test_the_hosts_kills_are_summed_over_boots() -> None:
    ledger = Ledger(Store(None))
    told = [
        ledger.settle(Batch(vmstat_oom_kills=count), replace(NOW, boot=boot)).host_oom_kills
        for boot, count in (("a", 3), ("a", 5), ("b", 0), ("b", 2), ("b", None), ("b", 2), ("c", 7))
    ]
    assert told == [3, 5, 5, 7, None, 7, 14]


def test_podmans_own_restarts_count_once_however_long_podman_is_silent(tmp_path: Path) -> None:
    ledger = Ledger(Store(tmp_path))
    known = Identities({"a" * 64: "web"})
    reading = RestartCount(f"podman:{'a' * 64}", "web", 5, NOW.seconds)
    ledger.settle(Batch(restarts=(reading,), identities=known), NOW)
    ledger.settle(Batch(identities=Identities({"b" * 64: "db"})), at(10))
    for seconds in (20, 60):  # podman's events may tell of it in between
        again = replace(reading, count=6, read_at_seconds=at(seconds).seconds)
        ledger.settle(Batch(restarts=(again,), identities=known), at(seconds))
    assert {one.name: one.restarts for one in ledger.totals().containers} == {"db": 0, "web": 6}
    ledger.close()


def test_a_thousand_containers_are_settled_in_a_moment() -> None:
    ledger = Ledger(Store(None))
    ids = [f"{number:064x}" for number in range(1000)]
    paths = [f"/services.slice/services-c{number}.slice" for number in range(1000)]
    identities = Identities(
        {one: f"c{number}" for number, one in enumerate(ids)},
        {f"c{number}.service": f"c{number}" for number in range(1000)},
        {path: frozenset({f"c{number}"}) for number, path in enumerate(paths)},
    )
    best = float("inf")
    for kills in range(4):
        counts = [
            KillCount(f"{path}/c{number}.service", number + 5000, kills, 0, ids[number])
            for number, path in enumerate(paths)
        ]
        counts += [KillCount(path, number, kills, 0) for number, path in enumerate(paths)]
        counts.append(KillCount("/services.slice", 9000, kills * 1000, 0))
        began = time.process_time()
        totals = ledger.settle(Batch(counts=KillCounts(tuple(counts)), identities=identities), at(kills))
        best = min(best, time.process_time() - began)
    assert {one.oom_kills for one in totals.containers} == {3}
    assert best < 0.5  # 30 ms on an idle machine; what grows with the square of them takes seconds
