from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.facts.evidence import ContainerEvent, Evidence, KernelKill, KillCount, KillCounts, RestartScheduled
from exporter.ledger import Batch, Identities, Ledger, Now, RestartCount, Store
from exporter.ledger import keeper as module
from exporter.ledger.keeper import Keeper, Surroundings, rest_seconds
from exporter.rows import Rows, Unavailable

ID, UNIT = "a" * 64, "web.service"
SLICE = "/services.slice/services-web.slice"
IDENTITIES = Identities({ID: "web"}, {UNIT: "web"}, {SLICE: frozenset({"web"})})


class Counter:
    def __init__(self) -> None:
        self.kills = 0
        self.order: list[str] = []
        self.drain: Callable[[], None] = lambda: None
        self.waits = threading.Event()

    def read(self) -> KillCounts:
        self.order.append("counts")
        return KillCounts((KillCount(SLICE, 1, self.kills, 0),))

    def wait(self, timeout_seconds: float) -> bool:
        self.waits.set()
        time.sleep(min(timeout_seconds, 0.01))
        return False

    def wake_on(self, descriptor: int, drain: Callable[[], None]) -> None:
        self.drain = drain
        self.descriptor = descriptor


class Lines:
    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self.sequence = 0
        self.next: list[KernelKill] = []

    def read(self) -> tuple[KernelKill, ...]:
        self.counter.order.append("lines")
        lines, self.next = tuple(self.next), []
        self.sequence += len(lines)
        return lines


class Host:
    def __init__(self, directory: Path | None = None) -> None:
        self.store = Store(directory)
        self.ledger = Ledger(self.store)
        self.counter = Counter()
        self.lines = Lines(self.counter)
        self.identities: Identities | None = IDENTITIES
        self.restarts: tuple[RestartCount, ...] = ()
        self.answered: float | None = None
        around = Surroundings(
            identities=lambda: self.identities,
            restarts=lambda: self.restarts,
            vmstat_oom_kills=lambda: 0,
            journal_tells=lambda: True,
            podman_answered_seconds=lambda: self.answered,
        )
        self.keeper = Keeper(self.ledger, "boot1", self.counter, self.lines, around)

    @property
    def web(self) -> tuple[int, int, int]:
        web = self.ledger.totals().containers[0]
        return web.oom_kills, web.restarts, web.starts


def restart(count: int) -> RestartScheduled:
    return RestartScheduled("boot1", count, count, UNIT, count)


def start(number: int = 1) -> ContainerEvent:
    return ContainerEvent(number, ID, "web", "start", UNIT)


def fail_once(monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """The settlement breaks after all was taken in."""
    real, left = Ledger._drop_old, [None] * times

    def drop_old(ledger: Ledger, identities: Identities, now: Now, *, heard_all: bool) -> None:
        if left:
            left.pop()
            raise ZeroDivisionError
        real(ledger, identities, now, heard_all=heard_all)

    monkeypatch.setattr(Ledger, "_drop_old", drop_old)


def test_nothing_is_taken_until_it_is_known_who_is_who(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.identities = None
    host.keeper.hear((restart(1),), "journal", "c1")
    host.keeper.settle()
    assert host.ledger.cursor("journal") == ""
    host.identities = IDENTITIES
    host.keeper.settle()
    assert host.web == (0, 1, 0)
    assert host.ledger.cursor("journal") == "c1"


def test_lines_are_read_before_counts() -> None:
    host = Host()
    host.keeper.settle()
    assert host.counter.order == ["lines", "counts"]


def test_what_is_heard_while_it_settles_waits_with_its_cursor(tmp_path: Path) -> None:
    host = Host(tmp_path)
    real = host.counter.read

    def read() -> KillCounts:
        host.keeper.hear((restart(2),), "journal", "c2")
        return real()

    host.keeper.hear((restart(1),), "journal", "c1")
    host.counter.read = read  # type: ignore[method-assign]
    host.keeper.settle()
    assert host.web[1] == 1
    assert host.ledger.cursor("journal") == "c1"


def test_a_settlement_that_fails_is_done_again_and_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    fail_once(monkeypatch)
    host.counter.kills = 1
    host.keeper.hear((restart(1), start()), "journal", "c1")
    with pytest.raises(ZeroDivisionError):
        host.keeper.settle()
    assert host.web == (0, 0, 0)
    assert host.ledger.cursor("journal") == ""
    host.keeper.settle()
    assert host.web == (1, 1, 1)
    assert host.ledger.cursor("journal") == "c1"


def test_evidence_that_cannot_be_settled_is_left_out_that_the_rest_be_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    fail_once(monkeypatch, times=2)
    host.keeper.hear((restart(1),))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            host.keeper.settle()
    assert host.keeper._heard == []
    host.counter.kills = 2
    host.keeper.settle()
    assert host.web == (2, 0, 0)


def make_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: Rows) -> Iterator[tuple[str, str, bytes]]:
        raise Unavailable("disk I/O error")

    monkeypatch.setattr(Rows, "read", read)


def test_evidence_and_readings_that_the_ledger_refuses_are_heard_again_until_it_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    fail_once(monkeypatch)
    taken: list[tuple[RestartCount, ...]] = []
    real = Ledger._settle

    def settle(ledger: Ledger, batch: Batch, now: Now) -> None:
        taken.append(batch.restarts)
        real(ledger, batch, now)

    monkeypatch.setattr(Ledger, "_settle", settle)
    with monkeypatch.context() as patch:
        make_unreadable(patch)
        host.keeper.hear((start(1),), "journal", "c1")
        with pytest.raises(ZeroDivisionError):
            host.keeper.settle()
        host.keeper.hear((start(2),), "journal", "c2")
        host.restarts = (RestartCount(UNIT, "web", 5, 20.0),)
        for _ in range(3):
            host.keeper.settle()
        assert host.web == (0, 0, 0)
        assert host.ledger.cursor("journal") == ""
    host.keeper.settle()
    assert (host.web[2], host.ledger.cursor("journal")) == (2, "c2")
    assert taken == [(), host.restarts]


def test_a_ledger_that_refuses_is_unsettled_and_no_silent_keeper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    fail_once(monkeypatch)
    make_unreadable(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        host.keeper.settle()
    hours_later_us = time.monotonic_ns() // 1000 + 10_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: hours_later_us * 1000)
    assert host.keeper.silent_seconds >= 10_000
    host.keeper.settle()
    assert host.keeper.silent_seconds == 0
    assert host.keeper.unsettled_seconds >= 10_000


def test_the_cursor_of_the_kernels_log_moves_with_lines_that_were_settled_at_the_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    fail_once(monkeypatch)
    host.lines.next = [KernelKill("boot1", 5, 5, 7, f"{SLICE}/web.service", SLICE, 1.8e9)]
    with pytest.raises(ZeroDivisionError):
        host.keeper.settle()
    assert host.ledger.cursor("kmsg") == ""
    host.keeper.settle()
    assert host.ledger.cursor("kmsg") == "boot1:1"


def test_the_cursor_of_the_kernels_log_moves_with_its_lines(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.keeper.settle()
    assert host.ledger.cursor("kmsg") == ""
    host.lines.next = [KernelKill("boot1", 5, 5, 7, f"{SLICE}/web.service", SLICE, 1.8e9)]
    host.keeper.settle()
    assert host.ledger.cursor("kmsg") == "boot1:1"


def test_podmans_cursor_lies_behind_its_last_answer_and_is_not_written_each_time(tmp_path: Path) -> None:
    host = Host(tmp_path)
    cursors = []
    for host.answered in (1000.0, 1010.0, 1040.0, None, 500.0):
        host.keeper.settle()
        cursors.append(host.ledger.cursor("podman"))
    assert cursors == ["970", "970", "1010", "1010", "470"]


def test_a_number_of_restarts_is_taken_once_and_old_ones_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()
    taken: list[tuple[RestartCount, ...]] = []
    real = Ledger.settle

    def settle(ledger: Ledger, batch: Batch, now: Now) -> object:
        taken.append(batch.restarts)
        return real(ledger, batch, now)

    monkeypatch.setattr(Ledger, "settle", settle)
    one = RestartCount(UNIT, "web", 1, 10.0)
    for host.restarts in ((one,), (one,), (RestartCount(UNIT, "web", 1, 20.0),), ()):
        host.keeper.settle()
    assert [len(restarts) for restarts in taken] == [1, 0, 1, 0]
    assert not host.keeper._restarts_read_at


def test_all_that_several_threads_tell_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    host, stop = Host(tmp_path), threading.Event()
    runner = threading.Thread(target=host.keeper.run, args=(stop,))
    runner.start()

    def tell(first: int) -> None:
        for number in range(first, first + 100):
            host.keeper.hear((start(number),))

    tellers = [threading.Thread(target=tell, args=(1000 * number,)) for number in range(4)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    ends_at = time.monotonic() + 10
    while not host.ledger.totals().containers or host.web[2] < 400:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    stop.set()
    runner.join()
    assert host.web[2] == 400


def test_an_exception_ends_no_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    host, stop = Host(), threading.Event()
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    fail_once(monkeypatch)
    runner = threading.Thread(target=host.keeper.run, args=(stop,))
    runner.start()
    ends_at = time.monotonic() + 10
    while not host.ledger.totals().containers:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    stop.set()
    runner.join()
    assert host.keeper.silent_seconds < 5


def test_evidence_is_of_the_kinds_that_the_ledger_knows() -> None:
    heard: tuple[Evidence, ...] = (restart(1), start())
    host = Host()
    host.keeper.hear(heard)
    host.keeper.settle()
    assert host.web == (0, 1, 1)


class Restless(Counter):
    """A container changes its counts as fast as it can."""

    def wait(self, timeout_seconds: float) -> bool:
        return timeout_seconds > 0


class Costly(Keeper):
    """Each settlement takes 20 ms of a CPU; after the sixth it is stopped."""

    settlements = 0
    stop = threading.Event()

    def settle(self) -> None:
        super().settle()
        ends = time.thread_time() + 0.02
        while time.thread_time() < ends:
            pass
        self.settlements += 1
        if self.settlements == 6:
            self.stop.set()


def test_a_container_that_changes_its_counts_without_end_costs_a_tenth_of_a_cpu() -> None:
    """The share is of this thread's own CPU time: how busy the machine is makes no difference."""
    around = Surroundings(lambda: IDENTITIES, tuple, lambda: 0, lambda: True, lambda: None)
    keeper = Costly(Ledger(Store(None)), "boot1", Restless(), None, around)
    shares: list[float] = []

    def measured_run() -> None:
        began, busy = time.monotonic(), time.thread_time()
        keeper.run(keeper.stop)
        shares.append((time.thread_time() - busy) / (time.monotonic() - began))

    thread = threading.Thread(target=measured_run)
    thread.start()
    thread.join(30)
    assert keeper.settlements == 6
    assert shares[0] < 0.1 * 6 / 5 + 0.01  # the last has no rest after it


@pytest.mark.parametrize(("busy_seconds", "rest"), [(0.0, 0.05), (0.001, 0.05), (0.02, 0.18), (60.0, 5.0)])
def test_the_keeper_rests_as_long_as_its_work_asks_for_and_settles_every_five_seconds(
    busy_seconds: float, rest: float
) -> None:
    assert rest_seconds(busy_seconds) == pytest.approx(rest)
