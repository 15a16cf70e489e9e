"""What each path answers. Reads nothing but the report it is given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from exporter.present.metrics.exposition import Exposition
from exporter.present.page import landing_page
from exporter.report.host import Report

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, before compression."""

    body: bytes
    content_type: str = _TEXT
    status: HTTPStatus = HTTPStatus.OK
    varies: bool = False  # depends on what the client accepts


class Pages:
    """What each path answers."""

    def __init__(self, report: Callable[[], Report], ready: Callable[[], bool], exposition: Exposition) -> None:
        self._report = report
        self._ready = ready
        self._exposition = exposition
        self._one_at_a_time = threading.Lock()

    def answer(self, path: str, accept: str | None) -> Answer:
        """The answer to a path. May raise anything that the report or a family raises."""
        match path:
            case "/metrics":
                report = self._report()
                with self._one_at_a_time:
                    body, content_type = self._exposition.render(report, accept)
                return Answer(body, content_type, varies=True)
            case "/":
                page = landing_page(self._report())
                return Answer(page.encode("utf-8", "replace"), _HTML, varies=True)
            case "/-/healthy":
                return Answer(b"healthy\n")
            case "/-/ready" if self._ready():
                return Answer(b"ready\n")
            case "/-/ready":
                words = b"not ready: some source has not been read for the first time yet\n"
                return Answer(words, status=HTTPStatus.SERVICE_UNAVAILABLE)
            case _:
                words = b"not found: there are /, /metrics, /-/healthy and /-/ready\n"
                return Answer(words, status=HTTPStatus.NOT_FOUND)
