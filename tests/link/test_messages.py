from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.link.framing import FrameError
from exporter.link.messages import (
    Accepted,
    Answer,
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
    answer_of,
    encoded,
    request_of,
)
from exporter.notify.posting import Posting

POSTING = Posting("k", {"alertname": "BulkheadOomKill"}, {"summary": "web was killed"}, 1.0, 2.0, fires=True)
REQUESTS: tuple[Request, ...] = (
    *(Page("/metrics", "text/plain", "gzip"), State("/-/ready"), Due("http://am", 64), News(20.0)),
    *(Accepted("http://am", ("a", "b")), Rejected("http://am", "a"), Failed("http://am", 3)),
)
ANSWERS: tuple[Answer, ...] = (
    *(PageAnswer(200, "text/plain", b"\x1f\x8b\x00", is_gzip=True), DueAnswer((POSTING,)), NewsAnswer(is_new=True)),
    *(Done(), Refused("no")),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: type(one).__name__)
def test_a_request_arrives_as_it_was(request_: Request) -> None:
    assert request_of(encoded(request_)) == request_


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda one: type(one).__name__)
def test_an_answer_arrives_as_it_was(answer: Answer) -> None:
    assert answer_of(encoded(answer)) == answer


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "Page"},
        {"type": "Page", "path": 7},
        {"type": "Run", "command": "reboot"},
        {"type": "Due", "peer": "http://am", "most": "all"},
        {"type": "PageAnswer", "status": 200, "content_type": "", "body": b""},
        {},
        [],
        None,
    ],
)
def test_what_is_no_request_is_refused_before_anything_is_done(odd: object) -> None:
    with pytest.raises(FrameError, match=r"same version"):
        request_of(msgspec.msgpack.encode(odd))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    for decode in (request_of, answer_of):
        with contextlib.suppress(FrameError):
            decode(raw)
