"""One answer for all who ask at one moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.app.moment import MOMENT_SECONDS, Moment

ENOUGH_SECONDS = 20


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_serves_until_its_moment_is_over() -> None:
    clock, answers = Clock(), iter("abc")
    moment = Moment(lambda: next(answers), clock)
    assert moment.answer() == "a"
    clock.now += MOMENT_SECONDS * 0.9
    assert moment.answer() == "a"
    clock.now += MOMENT_SECONDS * 0.2
    assert moment.answer() == "b"


def test_what_cannot_be_made_is_raised_and_made_anew_for_the_next_who_asks() -> None:
    results = iter([1, 0, 2])
    moment = Moment(lambda: 10 // next(results), clock := Clock())
    assert moment.answer() == 10
    clock.now += 1
    with pytest.raises(ZeroDivisionError):
        moment.answer()
    assert moment.answer() == 5


@pytest.mark.parametrize(("is_failure", "made"), [(True, 1), (False, 2)])
def test_who_waited_for_an_answer_that_failed_has_it_and_does_not_wait_again(*, is_failure: bool, made: int) -> None:
    clock, go_on, asked, calls = Clock(), threading.Event(), threading.Event(), []

    def make() -> str:
        calls.append(1)
        asked.set()
        assert go_on.wait(ENOUGH_SECONDS)
        return "no answer"

    waiting = threading.Event()

    def noted_clock() -> float:
        if asked.is_set():
            waiting.set()
        return clock()

    moment = Moment(make, noted_clock, lambda _: is_failure)
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(moment.answer)
        assert asked.wait(ENOUGH_SECONDS)
        clock.now += 10  # the second asks long after the first answer was begun, and before it is there
        second = clients.submit(moment.answer)
        assert waiting.wait(ENOUGH_SECONDS)
        clock.now += 10
        go_on.set()
        assert [first.result(ENOUGH_SECONDS), second.result(ENOUGH_SECONDS)] == ["no answer"] * 2
    assert len(calls) == made
