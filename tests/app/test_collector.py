"""What the collector answers, and what a front that is taken over can make of it."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from http import HTTPStatus

import pytest

from exporter.app.collector import Answering, Front
from exporter.http.pages import Answer
from exporter.link.messages import (
    KEYS_MAX,
    Accepted,
    Done,
    Due,
    DueAnswer,
    Failed,
    News,
    NewsAnswer,
    Page,
    PageAnswer,
    Refused,
    Rejected,
    Request,
    State,
)
from exporter.link.peer import Peer
from exporter.notify.posting import Posting
from exporter.sources.agent import FrontProcess

PEER = "http://alertmanager:9093"
POSTINGS = tuple(Posting(key, {"alertname": key}, {}, 1.0, 2.0, fires=True) for key in "abc")


class Pages:
    def answer(self, path: str, accept: str | None, accept_encoding: str | None) -> Answer:
        return Answer(f"{path} {accept} {accept_encoding}".encode(), "text/x", varies=True, is_gzip=True)

    def state(self, path: str) -> Answer:
        return Answer(path.encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)


class Outgoing:
    """An outbox with three alerts, that notes what it is told."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.noted: list[tuple[str, object]] = []

    def postings(self, peer: str, most: int) -> tuple[Posting, ...]:
        assert peer == PEER
        self.asked.append(most)
        return POSTINGS[:most]

    def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
        self.noted.append((peer, [posting.key for posting in sent]))

    def note_rejected(self, peer: str, sent: Posting) -> None:
        self.noted.append((peer, sent.key))

    def note_failed(self, peer: str, count: int) -> None:
        self.noted.append((peer, count))


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing()


@pytest.fixture
def collector(outgoing: Outgoing) -> Answering:
    return Answering(Pages(), outgoing, (PEER,), threading.Event(), Front(os.getuid()))


def test_what_the_front_says_of_its_pages_holds_until_it_says_something_else() -> None:
    front = Front(1000)
    collector = Answering(Pages(), None, (), threading.Event(), front)
    said = []
    for is_exposed in (None, True, None, False):
        collector.answer(Page("/metrics", is_exposed=is_exposed))
        said.append(front.is_exposed())
    assert said == [None, True, True, False]


def test_the_process_of_the_front_is_the_one_of_its_account_that_connected_last() -> None:
    front = Front(1000)
    assert front.process() is None
    front.meet(Peer(4000, 1000))
    front.meet(Peer(4001, 0))  # root asks by hand
    assert front.process() == FrontProcess(4000, 1000)


def test_a_page_is_handed_on_as_it_was_made(collector: Answering) -> None:
    page = collector.answer(Page("/metrics", "text/plain", "gzip"))
    assert page == PageAnswer(200, "text/x", b"/metrics text/plain gzip", varies=True, is_gzip=True)
    assert collector.answer(State("/-/ready")) == PageAnswer(503, "text/plain; charset=utf-8", b"/-/ready")


def given(collector: Answering) -> tuple[str, ...]:
    """The keys on the link of all three alerts, as the front is given them."""
    answer = collector.answer(Due(PEER, 3))
    assert isinstance(answer, DueAnswer)
    assert tuple(replace(posting, key=posting.labels["alertname"]) for posting in answer.postings) == POSTINGS
    return tuple(posting.key for posting in answer.postings)


def test_what_is_due_is_given_and_what_became_of_it_is_noted(collector: Answering, outgoing: Outgoing) -> None:
    first, second, third = given(collector)
    assert {len(key) for key in (first, second, third)} == {64}, "however long an alert's own key is"
    assert collector.answer(Accepted(PEER, (first, second))) == Done()
    assert collector.answer(Rejected(PEER, third)) == Done()
    assert outgoing.noted == [(PEER, ["a", "b"]), (PEER, "c")]
    collector.answer(Due(PEER, 3))
    assert collector.answer(Failed(PEER, 3)) == Done()
    assert outgoing.noted[-1] == (PEER, 3)


@pytest.mark.parametrize(
    "claim",
    [Accepted(PEER, ("z", "")), Rejected(PEER, "z"), Failed(PEER, 10**9), Failed(PEER, -5), Accepted(PEER, ())],
    ids=["accepted", "rejected", "many failed", "fewer than none failed", "none"],
)
def test_what_the_front_was_not_given_it_cannot_speak_of(
    collector: Answering, outgoing: Outgoing, claim: Request
) -> None:
    collector.answer(claim)
    assert outgoing.noted == []


def test_an_alert_is_taken_back_once(collector: Answering, outgoing: Outgoing) -> None:
    first, second, _ = given(collector)
    for _ in range(3):
        collector.answer(Accepted(PEER, (first, first)))
        collector.answer(Rejected(PEER, second))
        collector.answer(Failed(PEER, 100))
    assert outgoing.noted == [(PEER, ["a"]), (PEER, "b"), (PEER, 1)]


def test_no_more_is_given_than_one_request_may_be_about(collector: Answering, outgoing: Outgoing) -> None:
    collector.answer(Due(PEER, 10**9))
    collector.answer(Due(PEER, -1))
    assert outgoing.asked == [KEYS_MAX, 0]


@pytest.mark.parametrize(
    "request_", [Due("http://evil", 3), Accepted("http://evil", ("a",)), Rejected("x", "a"), Failed("", 1)]
)
def test_an_alertmanager_that_is_not_configured_is_refused(
    collector: Answering, outgoing: Outgoing, request_: Request
) -> None:
    assert isinstance(collector.answer(request_), Refused)
    assert (outgoing.asked, outgoing.noted) == ([], [])


def test_without_alertmanagers_there_is_nothing_to_ask() -> None:
    assert isinstance(Answering(Pages(), None, (), threading.Event(), Front(0)).answer(Due(PEER, 3)), Refused)


def test_news_come_as_soon_as_there_are_some_and_once() -> None:
    new = threading.Event()
    collector = Answering(Pages(), None, (), new, Front(0))
    assert collector.answer(News(0.0)) == NewsAnswer(is_new=False)
    threading.Timer(0.02, new.set).start()
    assert collector.answer(News(10.0)) == NewsAnswer(is_new=True)
    assert collector.answer(News(0.0)) == NewsAnswer(is_new=False)
    assert collector.answer(News(-10.0)) == NewsAnswer(is_new=False)
