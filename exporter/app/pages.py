"""The pages, made of the report: what each path answers. Reads nothing but the report it is given.

A page is made once for all who ask at one moment (moment.py), plain and compressed.
"""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from exporter.app.moment import Moment
from exporter.http.pages import NOT_FOUND, Answer
from exporter.present.metrics.exposition import Exposition
from exporter.present.metrics.guard import Bounds
from exporter.present.negotiation import accepts_gzip, accepts_openmetrics
from exporter.present.page import landing_page
from exporter.report.host import Report

log = logging.getLogger("bulkhead")

_HTML = "text/html; charset=utf-8"
_GZIP_LEVEL = 6  # level 9 takes four times as long for a few per cent
_GZIP_FROM_BYTES = 1024
_BOUNDS = Bounds()


class _Page:
    """The page of one kind, plain and compressed; compressed when the first client of a moment asks for that."""

    def __init__(self, make: Callable[[], tuple[bytes, str]], clock: Callable[[], float]) -> None:
        self._made = Moment(make, clock)
        self._lock = threading.Lock()
        self._compressed: tuple[bytes, bytes] | None = None  # of which body, and what it became

    def answer(self, *, is_gzip: bool) -> Answer:
        body, content_type = self._made.answer()
        if not is_gzip or len(body) < _GZIP_FROM_BYTES:
            return Answer(body, content_type, varies=True)
        with self._lock:
            if self._compressed is None or self._compressed[0] is not body:
                self._compressed = body, gzip.compress(body, _GZIP_LEVEL, mtime=0)
            return Answer(self._compressed[1], content_type, varies=True, is_gzip=True)


class RenderedPages:
    """What each path answers. Safe to use from several threads."""

    def __init__(
        self,
        report: Callable[[], Report],
        ready: Callable[[], bool],
        max_series: int = _BOUNDS.max_series,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._ready = ready
        self._exposition = Exposition(Bounds(max_series=max_series))
        self._without_details: frozenset[str] = frozenset()
        self._one_at_a_time = threading.Lock()  # the exposition has a memory
        self._text = _Page(partial(self._metrics, None), clock)
        self._openmetrics = _Page(partial(self._metrics, "application/openmetrics-text"), clock)
        self._landing = _Page(self._landing_page, clock)

    def answer(self, path: str, accept: str | None, accept_encoding: str | None) -> Answer:
        """The page of a path. May raise anything that the report or a family raises."""
        is_gzip = accepts_gzip(accept_encoding)
        match path:
            case "/metrics" if accepts_openmetrics(accept):
                return self._openmetrics.answer(is_gzip=is_gzip)
            case "/metrics":
                return self._text.answer(is_gzip=is_gzip)
            case "/":
                return self._landing.answer(is_gzip=is_gzip)
            case _:
                return NOT_FOUND

    def state(self, path: str) -> Answer:
        """How the agent is, for one of STATES: made at once, whatever becomes of pages."""
        match path:
            case "/-/healthy":
                return Answer(b"healthy\n")
            case "/-/ready" if self._ready():
                return Answer(b"ready\n")
            case _:
                words = b"not ready: some source has not been read for the first time yet\n"
                return Answer(words, status=HTTPStatus.SERVICE_UNAVAILABLE)

    def _metrics(self, accept: str | None) -> tuple[bytes, str]:
        report = self._report()
        with self._one_at_a_time:
            page = self._exposition.render(report, accept)
            self._log_details(self._exposition.details_dropped)
            return page

    def _log_details(self, dropped: Mapping[str, int]) -> None:
        """Name each container whose details are left out, once each time that this begins."""
        for container in dropped.keys() - self._without_details:
            log.warning(
                "the page leaves out the datasets, volumes and interfaces of a container that has too many",
                extra={"container": container, "series": dropped[container]},
            )
        self._without_details = frozenset(dropped)

    def _landing_page(self) -> tuple[bytes, str]:
        return landing_page(self._report()).encode("utf-8", "replace"), _HTML
