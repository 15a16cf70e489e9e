"""Who is connected, and who gives way when all places are taken.

A place is a connection. Who connects and says nothing must not keep others out (a server that bounds connections and
waits for silent ones is stopped by forty of them): where no place is free, the connection that has waited longest for
its client gives way to the new one. A client, which is an address, has a bound of its own, so that one of them cannot
turn others away by coming back; requests from this host itself are not bound so, for a proxy here brings everybody's.
Where a few clients hold all places with answers that they are in no hurry to read, a client with fewer places takes one
from the client with the most.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)
_SUBSCRIBER_BITS = 64  # of an IPv6 address: one customer has all addresses below them


class Phase(Enum):
    """What a connection is doing."""

    WAITING = "for its client: for a request, or for the rest of one"
    MAKING = "its answer is being made"
    SENDING = "its answer is being sent"


@dataclass(slots=True)
class _Place:
    client: str
    phase: Phase
    since_seconds: float  # of the monotonic clock


class Crowd(Generic[C]):
    """At most `places` connections, and `places_per_client` of one client's. Safe to use from several threads."""

    def __init__(
        self,
        places: int,
        places_per_client: int,
        stalled_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places_max = places
        self._places_per_client = places_per_client
        self._stalled_seconds = stalled_seconds
        self._clock = clock
        self._places: dict[C, _Place] = {}
        self._changed = threading.Condition()

    def enter(self, connection: C, client: str) -> tuple[bool, C | None]:
        """Whether there is a place for it, and the connection that has lost its place for it, which is to be closed."""
        with self._changed:
            gives_way = None
            own = [each for each, place in self._places.items() if place.client == client]
            if len(own) >= self._places_per_client and not is_this_host(client):
                gives_way = self._gives_way(own)
            elif len(self._places) >= self._places_max:
                gives_way = self._gives_way(list(self._places)) or self._of_the_largest(len(own))
            else:
                self._places[connection] = _Place(client, Phase.WAITING, self._clock())
                return True, None
            if gives_way is None:
                return False, None
            del self._places[gives_way]
            self._places[connection] = _Place(client, Phase.WAITING, self._clock())
            return True, gives_way

    def note(self, connection: C, phase: Phase) -> None:
        """The connection is in this phase from now on."""
        with self._changed:
            place = self._places.get(connection)
            if place is not None:
                place.phase, place.since_seconds = phase, self._clock()

    def leave(self, connection: C) -> None:
        """The connection has ended."""
        with self._changed:
            self._places.pop(connection, None)
            self._changed.notify_all()

    def connections(self) -> tuple[C, ...]:
        """All that are connected."""
        with self._changed:
            return tuple(self._places)

    def wait_until_empty(self, timeout_seconds: float) -> bool:
        """Wait for all to leave; False: the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._places, timeout_seconds)

    def _gives_way(self, among: list[C]) -> C | None:
        now = self._clock()

        def may(place: _Place) -> bool:
            match place.phase:
                case Phase.WAITING:
                    return True
                case Phase.SENDING:  # a client that does not read
                    return now - place.since_seconds >= self._stalled_seconds
                case Phase.MAKING:
                    return False

        slow = [each for each in among if may(self._places[each])]
        return min(slow, key=lambda each: self._places[each].since_seconds, default=None)

    def _of_the_largest(self, own: int) -> C | None:
        """A connection of the client with the most places, for a client with so few that it is fairer to have it."""
        client, places = Counter(place.client for place in self._places.values()).most_common(1)[0]
        if places <= own + 1:
            return None
        sent = [each for each, place in self._places.items() if place.client == client and place.phase is Phase.SENDING]
        return min(sent, key=lambda each: self._places[each].since_seconds, default=None)


def client_of(address: str) -> str:
    """Whose address it is: an IPv4 address itself, and of an IPv6 address the network that one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.is_loopback:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, _SUBSCRIBER_BITS), strict=False))


def is_this_host(client: str) -> bool:
    """Whether the client is this host, by its loopback address."""
    try:
        return ipaddress.ip_address(client).is_loopback
    except ValueError:
        return False
