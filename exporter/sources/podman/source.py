"""Every podman of the host: root's, and those of the users whose sockets were named.

Each is read in a thread of its own, so that one that hangs, or a user's own that answers a byte a minute, holds up no
other. Root's word counts: a container that root's podman lists is not taken from a user's. Two users' podmans may list
one id: whose container it is, the cgroup tree says (facts/naming.py).

Looks again: every socket is tried at each read (`podman_seconds`, and at each event), but for one that has not answered
the read before; `service` says when each container is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from exporter.facts.container import Container
from exporter.facts.evidence import ContainerEvent
from exporter.facts.podman import PodmanSocket
from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.deadline import begin, ended_within
from exporter.sources.podman.api import Api
from exporter.sources.podman.events import FIRST_DELAY_SECONDS, EventStream
from exporter.sources.podman.replies import Event
from exporter.sources.podman.service import Podman

ROOT_TIMEOUTS = 6  # the list, the inspects together, the networks, and one to spare
USER_TIMEOUTS = 2  # what comes later is taken at the next round
SLASH = Path("/")

Answer = Future[tuple[Container, ...]]


class PodmanSource:
    """The containers of every podman in `sockets`; root's stands first whatever its place.

    `timeout_seconds` is the deadline of one request. `root` is where the host's files stand (config.json).
    `hear` is called, from several threads, with each event of a container.
    """

    def __init__(
        self,
        sockets: tuple[PodmanSocket, ...],
        timeout_seconds: float = 10,
        *,
        root: Path = SLASH,
        hear: Callable[[ContainerEvent], None] = lambda _: None,
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
    ) -> None:
        self._hear = hear
        ordered = sorted(dict.fromkeys(sockets), key=lambda one: one.user != "")
        self._timeout_seconds = timeout_seconds
        self._podmans = tuple(Podman(where, timeout_seconds, root) for where in ordered)
        self._streams = tuple(
            EventStream(
                Api(podman.where, timeout_seconds),
                podman.is_news,
                hear=partial(self._tell, podman.where.user),
                miss=podman.miss,
                first_delay_seconds=first_delay_seconds,
            )
            for podman in self._podmans
        )
        self._answers: dict[PodmanSocket, Answer] = {}
        self._late: set[PodmanSocket] = set()
        self._problems: tuple[str, ...] = ()

    @property
    def events(self) -> int:
        """Events that came since the start, of all sockets."""
        return sum(stream.events for stream in self._streams)

    @property
    def events_lost(self) -> int:
        """Gaps in the events that were noticed since the start, of all sockets."""
        return sum(stream.events_lost for stream in self._streams)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was amiss the last time, beside what was read: a sentence each. Empty when all is well."""
        streams = zip(self._podmans, self._streams, strict=True)
        return self._problems + tuple(
            f"podman at {podman.where.place}: {stream.problem}" for podman, stream in streams if stream.problem
        )

    def close(self) -> None:
        """Give all connections back."""
        for podman, stream in zip(self._podmans, self._streams, strict=True):
            podman.close()
            stream.close()

    def read(self) -> tuple[Container, ...]:
        """Every container of every podman that answers; the others are in `problems`.

        Raises NotHere if no socket is there, Unreadable if none that is there answers.
        """
        if not self._podmans:
            raise NotHere("no podman socket is configured; name one with --podman-socket")
        for podman in self._podmans:
            if podman.where not in self._late:
                self._answers[podman.where] = begin(podman.read, "podman-read")
        began = time.monotonic()
        containers: list[Container] = []
        ids_of_root: frozenset[str] = frozenset()
        problems: list[str] = []
        failures: list[SourceError] = []
        for podman in self._podmans:
            try:
                answer = self._answer(podman.where, began)
            except SourceError as error:
                failures.append(error)
                continue
            problems += podman.problems
            twice = [one for one in answer if one.id in ids_of_root]
            if twice:
                problems.append(
                    f"podman at {podman.where.place}: {len(twice)} containers are another's, such as {twice[0].id}"
                )
            containers += [one for one in answer if one.id not in ids_of_root]
            if not podman.where.user:
                ids_of_root = frozenset(one.id for one in answer)
        if len(failures) == len(self._podmans):
            self._problems = ()
            kind = NotHere if all(isinstance(failure, NotHere) for failure in failures) else Unreadable
            raise kind("; ".join(str(failure) for failure in failures))
        self._problems = (*(str(failure) for failure in failures), *problems)
        return tuple(containers)

    @property
    def heard_until_seconds(self) -> float | None:
        """Unix time until which all events of all sockets that were ever there were told."""
        told = [until for stream in self._streams if (until := stream.heard_until_seconds) is not None]
        return min(told, default=None)

    def resume(self, since_seconds: float) -> None:
        """Have the streams begin with the events since that unix time. Call it before `follow`."""
        for stream in self._streams:
            stream.resume(since_seconds)

    def _tell(self, user: str, event: Event) -> None:
        told = event.told(user)
        if told is not None:
            self._hear(told)

    def follow(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Follow the events of every podman until `stop` is set; calls `on_change`, from several threads, on news."""
        threads = [
            threading.Thread(target=stream.follow, args=(on_change, stop), name="podman-events", daemon=True)
            for stream in self._streams
        ]
        for thread in threads:
            thread.start()
        stop.wait()
        for stream in self._streams:
            stream.hang_up()
        for thread in threads:
            thread.join(self._timeout_seconds)

    def _answer(self, where: PodmanSocket, began: float) -> tuple[Container, ...]:
        """What the podman at `where` said. One that was too late is not waited for again, only looked at."""
        answer = self._answers[where]
        patience = self._timeout_seconds * (USER_TIMEOUTS if where.user else ROOT_TIMEOUTS)
        if not ended_within(answer, 0 if where in self._late else began + patience - time.monotonic()):
            self._late.add(where)
            raise Unreadable(
                f"podman at {where.place} did not finish within {patience:g} s; see: journalctl -u podman.service"
            )
        self._late.discard(where)
        del self._answers[where]  # an error would keep all that led to it
        return answer.result()
