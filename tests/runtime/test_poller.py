from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from exporter.facts.reading import NOT_YET, Absent, Failed, NotHere, Read, Reading, Unreadable
from exporter.runtime.poller import Clock, Poller, no_problems, read_once, start_reading

NEVER: Reading[int] = NOT_YET
OFTEN = Clock(interval_seconds=0.001, deadline_seconds=5)
RARELY = Clock(interval_seconds=3600, deadline_seconds=5)
PATIENCE_SECONDS = 10


def raising(error: Exception) -> int:
    raise error


def test_an_answer_is_read() -> None:
    reading = read_once(lambda: 7, no_problems, NEVER)
    assert isinstance(reading, Read)
    assert reading.value == 7


def test_a_thing_that_is_not_here_is_absent() -> None:
    assert isinstance(read_once(lambda: raising(NotHere("no ZFS")), no_problems, NEVER), Absent)


def test_a_read_that_hangs_is_left_behind() -> None:
    never = threading.Event()
    assert start_reading(0.01, never.wait)() == Failed("no answer within 0.01 s", 0.01)
    never.set()
    assert isinstance(start_reading(5, lambda: 3)(), Read)


def test_a_refusal_keeps_the_last_answer() -> None:
    before = read_once(lambda: 7, no_problems, NEVER)
    reading = read_once(lambda: raising(Unreadable("denied")), no_problems, before)
    again = read_once(lambda: raising(Unreadable("denied")), no_problems, reading)
    assert isinstance(again, Failed)
    assert (again.reason, again.last) == ("denied", before)


def test_a_bug_in_a_source_is_that_sources_failure() -> None:
    reading = read_once(lambda: raising(KeyError("x")), no_problems, NEVER)
    assert isinstance(reading, Failed)
    assert "unexpected KeyError" in reading.reason


def test_problems_ride_with_the_answer() -> None:
    reading = read_once(lambda: 7, lambda: ("one socket is silent",), NEVER)
    assert isinstance(reading, Read)
    assert reading.problems == ("one socket is silent",)


def test_a_poller_asks_at_once_and_again_when_poked() -> None:
    asked = threading.Semaphore(0)
    poller = Poller("test", asked.release, RARELY)
    poller.start()
    try:
        assert asked.acquire(timeout=PATIENCE_SECONDS)
        poller.poke()
        assert asked.acquire(timeout=PATIENCE_SECONDS)
    finally:
        poller.stop()


def test_a_poller_asks_again_after_its_interval() -> None:
    asked = threading.Semaphore(0)
    poller = Poller("test", asked.release, OFTEN)
    poller.start()
    try:
        for _ in range(3):
            assert asked.acquire(timeout=PATIENCE_SECONDS)
    finally:
        poller.stop()


def test_a_poller_asks_again_soon_while_what_it_read_is_not_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.runtime.poller._SOON_SECONDS", 0.001)
    answers = iter((1, 2, 3, 4))
    read = threading.Event()

    def ask() -> int:
        answer = next(answers)
        if answer == 3:
            read.set()
        return answer

    poller = Poller("test", ask, RARELY, is_unfinished=lambda answer: answer < 3)
    poller.start()
    try:
        assert read.wait(PATIENCE_SECONDS)
        time.sleep(0.05)
        assert next(answers) == 4, "the third answer is finished: nobody asks before the interval is over"
    finally:
        poller.stop()


def test_a_poller_asks_a_source_that_failed_again_soon_and_then_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.runtime.poller._SOON_SECONDS", 0.001)
    asked = threading.Semaphore(0)

    def ask() -> int:
        asked.release()
        return raising(Unreadable("the bus is starting anew"))

    poller = Poller("test", ask, RARELY)
    poller.start()
    try:
        for _ in range(5):
            assert asked.acquire(timeout=PATIENCE_SECONDS)
    finally:
        poller.stop()
    pauses = [poller._pause_seconds(Failed("down", 0.0), failures) for failures in (1, 2, 3, 4)]
    assert pauses == [0.001, 0.002, 0.004, 0.008]
    monkeypatch.setattr("exporter.runtime.poller._SOON_SECONDS", 1)
    assert poller._pause_seconds(Failed("down", 0.0), 10_000) == 1024
    assert Poller("test", ask, Clock(15, 5))._pause_seconds(Failed("down", 0.0), 10_000) == 15


def test_a_read_that_hangs_is_a_failure_while_it_lasts_and_stops_nobody() -> None:
    hang, entered = threading.Event(), threading.Event()

    def read() -> int:
        entered.set()
        hang.wait(PATIENCE_SECONDS)
        return 7

    poller = Poller("test", read, Clock(interval_seconds=3600, deadline_seconds=0))
    poller.start()
    try:
        assert entered.wait(PATIENCE_SECONDS)
        reading = poller.reading()
        assert isinstance(reading, Failed)
        assert "no answer for" in reading.reason
        hang.set()
        assert poller.answered(PATIENCE_SECONDS)
        assert poller.value() == 7
    finally:
        hang.set()
        poller.stop()


def test_trouble_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    answers: Iterator[int | Exception] = iter([1, Unreadable("denied"), Unreadable("denied"), 2, 3])
    done = threading.Event()

    def read() -> int:
        answer = next(answers, None)
        if answer is None or answer == 3:
            done.set()
        if isinstance(answer, Exception):
            raise answer
        return answer or 0

    poller = Poller("test", read, OFTEN)
    with caplog.at_level("INFO", logger="bulkhead"):
        poller.start()
        assert done.wait(PATIENCE_SECONDS)
        poller.stop()
    told = [record.message for record in caplog.records]
    assert told == ["source cannot be read", "source answers again"]
