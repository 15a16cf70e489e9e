"""The front: pages and alerts that the collector has finished, at the other end of the link.

It sees nothing of the host. While the collector does not answer, a page is an honest 503 that says why: the last page
would show a host that may be gone. Alerts wait in the collector's outbox; whatever the front could not confirm is given
to it again, and Alertmanager makes one of both.
"""

from __future__ import annotations

import logging
import pwd
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from exporter.app.moment import Moment
from exporter.app.web import Web, web_settings
from exporter.config import Config
from exporter.http import Gate, Server
from exporter.http.pages import NOT_FOUND, PATHS, Answer
from exporter.link.client import Link, NoAnswer
from exporter.link.messages import (
    Accepted,
    Done,
    Due,
    DueAnswer,
    Failed,
    News,
    NewsAnswer,
    Page,
    PageAnswer,
    Rejected,
    State,
)
from exporter.link.messages import Answer as LinkAnswer
from exporter.notify.couriers import Couriers
from exporter.notify.posting import Posting
from exporter.present.negotiation import accepts_gzip, accepts_openmetrics

A = TypeVar("A", bound=LinkAnswer)

NEWS_SECONDS = 20.0
_PAUSE_SECONDS = 1.0
_PAGES_AT_ONCE, _STATES_AT_ONCE, _STATE_SECONDS = 8, 4, 5.0
_OPENMETRICS, _GZIP = "application/openmetrics-text", "gzip"
log = logging.getLogger("bulkhead")


class UnknownAccount(Exception):
    """There is no such account. The message is one sentence."""


class Delivery:
    """The couriers and their news, as work that is started and stopped."""

    def __init__(self, link: Link, couriers: Couriers | None) -> None:
        self._link = link
        self._couriers = couriers
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to deliver."""
        if self._couriers is None:
            return
        threading.Thread(target=self._couriers.run, args=(self._stop,), name="couriers", daemon=True).start()
        threading.Thread(
            target=following_news, args=(self._link, self._couriers, self._stop), name="news", daemon=True
        ).start()

    def stop(self) -> None:
        """Deliver no more. Returns at once."""
        self._stop.set()


def built_front(
    config: Config, listeners: Sequence[socket.socket], socket_path: Path, collector_user: str
) -> tuple[Delivery, Server, Web]:
    """The front of the collector at that socket, ready to serve on `listeners`.

    Raises ServeError, TlsError, UnknownAccount.
    """
    try:
        uid = pwd.getpwnam(collector_user).pw_uid
    except KeyError:
        raise UnknownAccount(
            f"there is no account {collector_user} that a collector could have: name another with --collector-user"
        ) from None
    uids, peers = frozenset({uid}), config.alertmanagers
    # Links of their own, together below what the collector takes: no client of the network is before an alert.
    link = Link(socket_path, uids=uids, connections=len(peers) + 1)
    pages = Link(socket_path, uids=uids, connections=_PAGES_AT_ONCE)
    states = Link(socket_path, _STATE_SECONDS, uids, connections=_STATES_AT_ONCE)
    couriers = Couriers(RemoteOutgoing(link), peers, config.alerts.resend_seconds) if peers else None
    gate = Gate(web_settings(config))
    web = Web(config, gate, listeners)
    server = Server(listeners, RemotePages(pages, states, web.is_exposed), gate=gate, hosts=config.web.hosts)
    return Delivery(link, couriers), server, web


class RemotePages:
    """The pages of the collector. `states` is a link of its own: what asks for health does not wait behind pages.

    `is_exposed` is asked for each page, which has it as a series.
    """

    def __init__(self, pages: Link, states: Link, is_exposed: Callable[[], bool]) -> None:
        self._states = states
        self._is_exposed = is_exposed
        # Every kind of page is there once, for all clients of a moment, whatever their headers say in detail.
        self._kinds = {
            (path, accept, encoding): Moment(
                partial(self._asked_for_page, pages, path, accept, encoding), is_failure=_is_no_answer
            )
            for path in PATHS
            for accept in (None, _OPENMETRICS)
            for encoding in (None, _GZIP)
        }

    def answer(self, path: str, accept: str | None, accept_encoding: str | None) -> Answer:
        """The page of a path as the collector has made it; 503 while it does not answer."""
        if path not in PATHS:
            return NOT_FOUND
        openmetrics = _OPENMETRICS if path == "/metrics" and accepts_openmetrics(accept) else None
        return self._kinds[path, openmetrics, _GZIP if accepts_gzip(accept_encoding) else None].answer()

    def _asked_for_page(self, pages: Link, path: str, accept: str | None, encoding: str | None) -> Answer:
        return _asked(pages, Page(path, accept, encoding, self._is_exposed()))

    def state(self, path: str) -> Answer:
        """Healthy is the front itself; ready is the collector."""
        if path == "/-/healthy":
            return Answer(b"healthy\n")
        return _asked(self._states, State(path))


def _is_no_answer(answer: Answer) -> bool:
    return answer.status == HTTPStatus.SERVICE_UNAVAILABLE


def _asked(link: Link, request: Page | State) -> Answer:
    try:
        made = link.ask(request, PageAnswer)
    except NoAnswer as error:
        return Answer(f"{error}\n".encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
    return Answer(made.body, made.content_type, HTTPStatus(made.status), made.varies, made.is_gzip)


class RemoteOutgoing:
    """What is due of the collector's outbox. While the collector does not answer, nothing is due."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._troubled: set[str] = set()  # peers that the collector does not answer about

    def postings(self, peer: str, most: int) -> tuple[Posting, ...]:
        """What this peer is to be sent now: first what is new to it."""
        answer = self._asked(Due(peer, most), DueAnswer)
        return answer.postings if answer else ()

    def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
        """The peer has taken these."""
        self._asked(Accepted(peer, tuple(posting.key for posting in sent)), Done)

    def note_rejected(self, peer: str, sent: Posting) -> None:
        """The peer does not take this one."""
        self._asked(Rejected(peer, sent.key), Done)

    def note_failed(self, peer: str, count: int) -> None:
        """The peer did not take them this time."""
        self._asked(Failed(peer, count), Done)

    def _asked(self, request: Due | Accepted | Rejected | Failed, kind: type[A]) -> A | None:
        extra = {"alertmanager": request.peer}
        try:
            answer = self._link.ask(request, kind)
        except NoAnswer as error:
            if request.peer not in self._troubled:
                reason = {"reason": str(error)}
                log.warning("the collector gives no alerts: nothing is sent to this Alertmanager", extra=extra | reason)
            self._troubled.add(request.peer)
            return None
        if request.peer in self._troubled:
            log.info("the collector gives alerts again", extra=extra)
            self._troubled.discard(request.peer)
        return answer


def following_news(link: Link, couriers: Couriers, stop: threading.Event) -> None:
    """Wake the couriers whenever the collector has something new to send, until `stop` is set."""
    while not stop.is_set():
        try:
            is_new = link.ask(News(NEWS_SECONDS), NewsAnswer, more_seconds=NEWS_SECONDS).is_new
        except NoAnswer:
            stop.wait(_PAUSE_SECONDS)
            is_new = True  # whatever came meanwhile
        if is_new:
            couriers.wake()
