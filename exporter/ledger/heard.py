"""Which of podman's events were heard, so that none is counted twice, and what they say of each container's lives.

    1795624726523000000:ID:died            the stamp of one event: its time, its container and what happened
    1795624726523000000:USER/ID:died       the same of a user's podman

A user's podman can report any container id at any time, as often as it likes. So its events are remembered apart from
all others: the newest 10,000 of each podman. They say something of this user's containers alone.

Pure: made from the state, after each load of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from exporter.facts.container import user_in
from exporter.facts.evidence import ContainerEvent
from exporter.ledger.state import SEEN_LIMIT, Now, State

_SECOND_NS = 1_000_000_000


class HeardEvents:
    """The stamps in `state`, by podman and by container; what is added here is added there."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_user: dict[str, dict[str, None]] = {}  # stamps, the oldest first
        self._by_container: dict[str, list[tuple[int, str]]] = {}  # when and what, by ID or USER/ID
        self._is_ordered = False
        for stamp in state.events_seen:
            self._index(stamp)

    def order(self, now: Now) -> None:
        """Take what was kept of the future for the oldest, once after each load, where stamps are sorted by time.

        It was heard while the clock was wrong, or came from a user's podman. It is not forgotten at once: on a host
        without a clock of its own, after a boot, all that was kept is of the future.
        """
        if self._is_ordered:
            return
        self._is_ordered = True
        for user, stamps in self._by_user.items():
            ahead_first = sorted(stamps, key=lambda stamp: not _is_ahead(_parts(stamp)[0], now))
            self._by_user[user] = dict.fromkeys(ahead_first)

    def is_known(self, event: ContainerEvent, now: Now) -> bool:
        """Whether it was counted before; also of one that is older than all that is remembered of its podman."""
        if any(_stamp(event, key) in self._state.events_seen for key in _keys(event)):
            return True
        stamps = self._by_user.get(event.user, {})
        if len(stamps) < SEEN_LIMIT:
            return False
        oldest = _parts(next(iter(stamps)))[0]
        return event.time_nanoseconds < oldest and not _is_ahead(oldest, now)

    def remember(self, event: ContainerEvent, now: Now) -> None:
        """Take this event as heard."""
        stamp = _stamp(event, event.container_key)
        self._state.events_seen[stamp] = now.us
        self._state.touch("event", stamp)
        self._index(stamp)

    def drop_oldest(self) -> None:
        """Forget the oldest of too many, of each podman."""
        for stamps in self._by_user.values():
            for stamp in list(itertools.islice(stamps, max(0, len(stamps) - SEEN_LIMIT))):
                del stamps[stamp]
                self._forget(stamp)

    def has_ended_since(self, event: ContainerEvent, now: Now) -> bool:
        """Whether this is of a life that is over: podman's events of the last seconds come again after a start."""
        ends = (at for at, action in self._of(event) if action == "died")
        return any(at > event.time_nanoseconds and not _is_ahead(at, now) for at in ends)

    def ran_seconds(self, end: ContainerEvent) -> float | None:
        """How long a container that ended had run, by podman's own times; None if its start was not heard."""
        starts = [at for at, action in self._of(end) if action == "start" and at < end.time_nanoseconds]
        return (end.time_nanoseconds - max(starts)) / _SECOND_NS if starts else None

    def since_start(self, event: ContainerEvent) -> list[tuple[int, str]]:
        """When (ns) and what podman reported of the same container before, back to its last start, newest first."""
        heard = sorted(self._of(event), reverse=True)
        before = ((at, action) for at, action in heard if at < event.time_nanoseconds)
        return list(itertools.takewhile(lambda one: one[1] != "start", before))

    def _of(self, event: ContainerEvent) -> Iterable[tuple[int, str]]:
        return itertools.chain.from_iterable(self._by_container.get(key, ()) for key in _keys(event))

    def _index(self, stamp: str) -> None:
        at, key, action = _parts(stamp)
        self._by_user.setdefault(user_in(key), {})[stamp] = None
        self._by_container.setdefault(key, []).append((at, action))

    def _forget(self, stamp: str) -> None:
        at, key, action = _parts(stamp)
        del self._state.events_seen[stamp]
        self._state.touch("event", stamp)
        heard = self._by_container[key]
        heard.remove((at, action))
        if not heard:
            del self._by_container[key]


def _is_ahead(time_nanoseconds: int, now: Now) -> bool:
    """Whether this is of the future: it says nothing of the order in which events came."""
    return time_nanoseconds > now.seconds * _SECOND_NS


def _keys(event: ContainerEvent) -> tuple[str, ...]:
    """Its container's key; for a user's, also the bare id, under which a ledger of before has all stamps.

    A user's podman that reports an id of root's has its own events judged by root's, and no other way round.
    """
    return (event.container_key, event.container_id) if event.user else (event.container_key,)


def _stamp(event: ContainerEvent, key: str) -> str:
    return f"{event.time_nanoseconds}:{key}:{event.action}"


def _parts(stamp: str) -> tuple[int, str, str]:
    at, key, action = stamp.split(":", 2)
    return int(at), key, action
