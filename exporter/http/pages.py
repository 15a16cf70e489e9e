"""What is asked of whoever makes the pages: this process, or the collector at the other end of the link."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

STATES = ("/-/healthy", "/-/ready")
"""The paths that say how the agent is, and nothing of the host."""
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it is sent."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    varies: bool = False  # depends on what the client accepts
    is_gzip: bool = False


class Pages(Protocol):
    """What each path answers. Asked from several threads."""

    def answer(self, path: str, accept: str | None, accept_encoding: str | None) -> Answer:
        """The page of a path, for a client that takes this. May raise anything: that is 500."""

    def state(self, path: str) -> Answer:
        """How the agent is, for one of STATES: at once, whatever becomes of pages."""
