"""The event stream of one podman: it says when to read the containers again, and tells of each start and end.

`GET /libpod/events?stream=true&since=SECONDS` sends one JSON object a line. After a break it is asked for everything
since the last event; if that last event is not among what comes back, some may be missing: a gap, counted as such.

Looks again: a stream that ends or cannot be opened is opened anew after a second and then less often, a minute at most.
After each new connection and each gap the containers are read again, after a gap every one is inspected.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from msgspec import json

from exporter.facts.reading import SourceError
from exporter.sources.podman.api import LINE_LIMIT_BYTES, Api
from exporter.sources.podman.replies import Event, parse_event

CONNECTIONS = ("connect", "disconnect")
"""Of a network, told under the id of the container."""
ACTIONS = (
    *(
        "create",
        "init",
        "start",
        "stop",
        "kill",
        "died",
        "cleanup",
        "remove",
        "restart",
        "pause",
        "unpause",
        "rename",
        "update",
    ),
    *("health_status", "restore", "log-rotation", "refresh"),
    *CONNECTIONS,
)
"""What changes a container, and what podman itself does to all of them (log-rotation drops the older events)."""
FILTERS = json.encode({"type": ["container", "network", "system"], "event": ACTIONS}).decode()
FIRST_DELAY_SECONDS = 1.0
LAST_DELAY_SECONDS = 60.0
SEEN_LIMIT = 2048
NANOSECONDS = 10**9
# Events are written by several processes of podman, not always in the order of their times.
OVERLAP_SECONDS = 5
# A busy podman took over half a minute to begin with what it was asked for, and an open stream says nothing of that.
BACKLOG_SECONDS = 300
LAG_SECONDS = 120

Key = tuple[int, str, str]


class EventStream:
    """The events of one podman, followed for ever. `clock` is the wall clock, in seconds.

    `hear` is called with each event, `miss` after each gap.
    """

    def __init__(
        self,
        api: Api,
        is_news: Callable[[Event], bool],
        *,
        hear: Callable[[Event], None] = lambda _: None,
        miss: Callable[[], None] = lambda: None,
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._resume_seconds = 0.0
        self.events = 0
        self.events_lost = 0
        self.problem = ""
        self._api = api
        self._is_news = is_news
        self._hear = hear
        self._miss = miss
        self._first_delay_seconds = first_delay_seconds
        self._clock = clock
        self._seen: dict[Key, None] = {}
        self._newest: Key | None = None
        self._awaited: Key | None = None
        self._channel: socket.socket | None = None
        self._since_seconds: float | None = None  # from when on everything that was told is known
        self._connected_at_seconds = float("inf")

    def resume(self, since_seconds: float) -> None:
        """Ask for the events since that unix time at the first connection, and not only for those that come."""
        self._resume_seconds = since_seconds

    def follow(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Call `on_change` after each event that is news and after each new connection, until `stop` is set."""
        delay = self._first_delay_seconds
        while not stop.is_set():
            self._connected_at_seconds = float("inf")
            try:
                self._follow_once(on_change, stop)
                self.problem = "podman ended its event stream"
            except SourceError as error:
                self.problem = f"no events: {error}"
            if time.monotonic() - self._connected_at_seconds > delay:
                delay = self._first_delay_seconds
            stop.wait(delay)
            delay = min(2 * delay, LAST_DELAY_SECONDS)

    @property
    def heard_until_seconds(self) -> float | None:
        """Unix time until which all events were told, but for the last seconds; None before the first connection.

        That is the newest event's. A stream that has been open for long is silent because nothing happens.
        """
        if self._since_seconds is None:
            return None
        now, until = self._clock(), self._since_seconds
        if self._newest is not None:
            until = max(until, self._newest[0] / NANOSECONDS)
        if self._channel is not None and time.monotonic() - self._connected_at_seconds > BACKLOG_SECONDS:
            until = max(until, now - LAG_SECONDS)
        return min(until, now)  # the clock may have been set back since

    def hang_up(self) -> None:
        """End the stream that is open. Call it after `stop` is set."""
        channel = self._channel
        if channel is not None:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connections back."""
        self._api.close()

    def _follow_once(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        parameters = {"stream": "true", "filters": FILTERS}
        self._awaited = self._newest
        now = self._clock()
        since = self._newest[0] / NANOSECONDS if self._newest else self._since_seconds or self._resume_seconds
        if since:
            # A clock that was set back since must not hide what happens now.
            parameters["since"] = str(int(min(since, now)) - OVERLAP_SECONDS)
        with self._api.stream("/events", parameters) as (chunks, channel):
            self._channel = channel
            try:
                if stop.is_set():
                    return
                self.problem = ""
                if self._since_seconds is None:
                    self._since_seconds = since or now
                self._connected_at_seconds = time.monotonic()
                on_change()
                for line in lines(chunks):
                    if self.take(line):
                        on_change()
            finally:
                self._channel = None

    def take(self, line: bytes | None) -> bool:
        """Count one line of the stream; None stands for one that was too long. Whether it is news."""
        try:
            event = parse_event(line or b"")
        except SourceError:
            self._lose()
            return True
        key = (event.time_nanoseconds, event.id, event.action)
        if key == self._awaited:
            self._awaited = None
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > SEEN_LIMIT:
            del self._seen[next(iter(self._seen))]
        if self._awaited is not None and key > self._awaited:
            self._awaited = None
            self._lose()
        if event.action == "log-rotation":
            self._lose()
        self.events += 1
        self._newest = max(self._newest or key, key)
        self._hear(event)
        return event.action in ACTIONS and self._is_news(event)

    def _lose(self) -> None:
        self.events_lost += 1
        self._miss()


def lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """The lines of `chunks`, empty ones left out; None for each that is longer than 1 MiB. A torn last one is lost."""
    line = bytearray()
    too_long = False
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            line += piece
            if too_long or len(line) > LINE_LIMIT_BYTES:
                yield None
            elif line.strip():
                yield bytes(line)
            line.clear()
            too_long = False
        line += rest
        if len(line) > LINE_LIMIT_BYTES:
            too_long = True
            line.clear()
