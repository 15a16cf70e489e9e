"""What the collector answers to the front: finished pages, and alerts that are due. Nothing else can be asked.

Whatever the front says of alerts is believed only of those that it was given, and of each once: a front that is taken
over can leave alerts unsent, as whoever has the network could, and can neither make an alert nor count one twice.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from exporter.app.agent import build_agent
from exporter.app.alerts import Delivery, outbox_of
from exporter.app.example import build_example_agent
from exporter.app.pages import RenderedPages
from exporter.app.proofs import proofs_of
from exporter.app.reload import Standards
from exporter.config import Config
from exporter.http.pages import Pages
from exporter.link.messages import (
    KEYS_MAX,
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
)
from exporter.link.peer import Peer
from exporter.link.server import LinkServer, listening
from exporter.notify.couriers import Outgoing
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.posting import Posting
from exporter.runtime.agent import Agent
from exporter.runtime.watchdog import Proof
from exporter.sources.agent import AgentSource, FrontProcess

NEWS_SECONDS_MAX = 30.0
"""How long a request for news may wait: it holds a connection."""


class Front:
    """What is known of the front: its process by the kernel, and by itself whether others reach the pages."""

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self._process: FrontProcess | None = None
        self._is_exposed: bool | None = None

    def meet(self, peer: Peer) -> None:
        """It has connected; or root has, who may ask too."""
        if peer.uid == self._uid:
            self._process = FrontProcess(peer.pid, peer.uid)

    def process(self) -> FrontProcess | None:
        """The process that has connected last; None: none has."""
        return self._process

    def say_exposed(self, *, is_exposed: bool) -> None:
        """Take what it says of its pages."""
        self._is_exposed = is_exposed

    def is_exposed(self) -> bool | None:
        """Whether others reach the pages; None: it has not said."""
        return self._is_exposed


class Answering:
    """Answers each request. Called from several threads.

    `peers` are the Alertmanagers of the configuration; `new` is set when there is something new to send to them.
    """

    def __init__(
        self, pages: Pages, outgoing: Outgoing | None, peers: Collection[str], new: threading.Event, front: Front
    ) -> None:
        self._pages = pages
        self._front = front
        self._outgoing = outgoing
        self._peers = frozenset(peers)
        self._lock = threading.Lock()
        self._given: dict[str, dict[str, Posting]] = {}  # by peer and key on the link: what the front was given last
        self._new = new

    def answer(self, request: Request) -> Answer:
        """The answer to a request of the front."""
        match request:
            case Page():
                if request.is_exposed is not None:
                    self._front.say_exposed(is_exposed=request.is_exposed)
                made = self._pages.answer(request.path, request.accept, request.accept_encoding)
                return PageAnswer(made.status, made.content_type, made.body, made.varies, made.is_gzip)
            case State():
                made = self._pages.state(request.path)
                return PageAnswer(made.status, made.content_type, made.body, made.varies, made.is_gzip)
            case News():
                if is_new := self._new.wait(min(max(request.seconds, 0.0), NEWS_SECONDS_MAX)):
                    self._new.clear()  # not after a wait in vain: news that came since would be lost
                return NewsAnswer(is_new)
            case Due() | Accepted() | Rejected() | Failed():
                return self._about_alerts(request)
            case _:
                assert_never(request)

    def _about_alerts(self, request: Due | Accepted | Rejected | Failed) -> Answer:
        peer = request.peer
        if self._outgoing is None or peer not in self._peers:
            return Refused("no such Alertmanager is configured here: restart both services after a change")
        match request:
            case Due():
                postings = self._outgoing.postings(peer, min(max(request.most, 0), KEYS_MAX))
                given = {_link_key(posting): posting for posting in postings}
                with self._lock:
                    self._given[peer] = given
                return DueAnswer(tuple(replace(posting, key=key) for key, posting in given.items()))
            case Accepted():
                if sent := self._taken_back(peer, request.keys):
                    self._outgoing.note_accepted(peer, sent)
            case Rejected():
                for posting in self._taken_back(peer, (request.key,)):
                    self._outgoing.note_rejected(peer, posting)
            case Failed():
                with self._lock:
                    count = min(max(request.count, 0), len(self._given.pop(peer, {})))
                if count:
                    self._outgoing.note_failed(peer, count)
            case _:
                assert_never(request)
        return Done()

    def _taken_back(self, peer: str, keys: tuple[str, ...]) -> tuple[Posting, ...]:
        with self._lock:
            given = self._given.get(peer, {})
            return tuple(given.pop(key) for key in dict.fromkeys(keys) if key in given)


def _link_key(posting: Posting) -> str:
    # An alert's own key is all of its labels: 64 of them would not fit into the frame that confirms them.
    return hashlib.sha256(posting.key.encode("utf-8", "surrogatepass")).hexdigest()


class LinkService:
    """The collector's end of the link, as a server that is run and closed."""

    def __init__(
        self, listener: socket.socket, front_uids: frozenset[int], answering: Answering, meet: Callable[[Peer], None]
    ) -> None:
        self._server = LinkServer(listener, front_uids, answering.answer, meet=meet)
        self._stop = threading.Event()

    def serve_forever(self) -> None:
        """Answer the front until closed."""
        self._server.run(self._stop)

    def close(self) -> None:
        """End `serve_forever` soon."""
        self._stop.set()


def built_collector(
    config: Config, standards: Standards, path: Path, front_uid: int, *, is_example: bool
) -> tuple[Agent, LinkService, Mapping[str, Proof]]:
    """The agent of this host, the socket that it is asked at, and what proves that it works. Raises LinkError.

    Root is answered like the front's account: for it the collector hides nothing.
    """
    listener = listening(path)
    new, peers = threading.Event(), tuple(peer.url for peer in config.alertmanagers)
    outbox = outbox_of(config, standards) if peers and not is_example else None

    def delivery(_config: Config, _standards: Standards) -> Delivery | None:
        return Delivery(Notifier(outbox, new.set), None) if outbox is not None else None

    front = Front(front_uid)
    itself = AgentSource(Path("/proc"), "collector", front.process)
    if is_example:
        agent = build_example_agent(config, standards, front.is_exposed, itself)
    else:
        agent = build_agent(config, standards, is_web_exposed=front.is_exposed, make_delivery=delivery, itself=itself)
    pages = RenderedPages(agent.report, agent.ready, config.series.max_series)
    answering = Answering(pages, OutgoingNow(outbox) if outbox is not None else None, peers, new, front)
    service = LinkService(listener, frozenset({0, front_uid}), answering, front.meet)
    return agent, service, proofs_of(agent, pages)
