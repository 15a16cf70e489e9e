"""What the front may ask of the collector, and what it gets: a fixed set, and data alone.

MessagePack by msgspec, strictly: a field of another type or an unknown request is refused before anything is done. The
front names alerts by keys of 64 characters that the collector has given it: it cannot make an alert.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec

from exporter.link.framing import FrameError
from exporter.notify.posting import Posting

KEYS_MAX = 64
"""How many alerts one request may be about."""


class Page(msgspec.Struct, frozen=True, tag=True):
    """The page of a path, for a client that takes this. `is_exposed`: whether other hosts reach it."""

    path: str
    accept: str | None = None
    accept_encoding: str | None = None
    is_exposed: bool | None = None


class State(msgspec.Struct, frozen=True, tag=True):
    """How the agent is: /-/healthy or /-/ready."""

    path: str


class Due(msgspec.Struct, frozen=True, tag=True):
    """The alerts that are due to an Alertmanager, by its URL."""

    peer: str
    most: int


class News(msgspec.Struct, frozen=True, tag=True):
    """Wait until there is something new to send, for so long at most."""

    seconds: float


class Accepted(msgspec.Struct, frozen=True, tag=True):
    """This Alertmanager has taken these alerts."""

    peer: str
    keys: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """This Alertmanager does not take this alert."""

    peer: str
    key: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """This Alertmanager did not take so many alerts this time."""

    peer: str
    count: int


class PageAnswer(msgspec.Struct, frozen=True, tag=True):
    """A page, ready to be sent."""

    status: int
    content_type: str
    body: bytes
    varies: bool = False
    is_gzip: bool = False


class DueAnswer(msgspec.Struct, frozen=True, tag=True):
    """Alerts, ready to be sent."""

    postings: tuple[Posting, ...]


class NewsAnswer(msgspec.Struct, frozen=True, tag=True):
    """Whether there is something new to send."""

    is_new: bool


class Done(msgspec.Struct, frozen=True, tag=True):
    """It was noted."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """It was not done."""

    reason: str


Request: TypeAlias = Page | State | Due | News | Accepted | Rejected | Failed
Answer: TypeAlias = PageAnswer | DueAnswer | NewsAnswer | Done | Refused

M = TypeVar("M")

_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_encoder = msgspec.msgpack.Encoder()


def encoded(message: Request | Answer) -> bytes:
    """The body of a frame."""
    return _encoder.encode(message)


def request_of(body: bytes) -> Request:
    """The request in a frame. Raises FrameError: it is no request."""
    return _decoded(_requests, body)


def answer_of(body: bytes) -> Answer:
    """The answer in a frame. Raises FrameError: it is no answer."""
    return _decoded(_answers, body)


def _decoded(decoder: msgspec.msgpack.Decoder[M], body: bytes) -> M:
    try:
        return decoder.decode(body)
    # Before msgspec 0.20 its errors are no ValueErrors; a string that is not UTF-8 is a UnicodeDecodeError.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(f"{error}: both ends have to be of the same version of Bulkhead") from error
