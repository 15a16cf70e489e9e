"""What is asked of whoever makes the pages: this process, or the collector at the other end of the link."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

STATES = ("/-/healthy", "/-/ready")
"""The paths that say how the agent is, and nothing of the host."""
PATHS = ("/", "/metrics")
"""The paths of pages."""
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as it is sent."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    varies: bool = False  # depends on what the client accepts
    is_gzip: bool = False


NOT_FOUND = Answer(b"not found: there are /, /metrics, /-/healthy and /-/ready\n", status=HTTPStatus.NOT_FOUND)
"""The answer to every path that is not one of PATHS or STATES."""


class Pages(Protocol):
    """What each path answers. Asked from several threads."""

    def answer(self, path: str, accept: str | None, accept_encoding: str | None) -> Answer:
        """The page of a path, for a client that takes this. May raise anything: that is 500."""

    def state(self, path: str) -> Answer:
        """How the agent is, for one of STATES: at once, whatever becomes of pages."""
