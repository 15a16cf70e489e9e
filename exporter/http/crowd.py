"""Who is connected, and who gives way when all places are taken.

A place is a connection. Who connects and says nothing must not keep others out (a server that bounds connections and
waits for silent ones is stopped by forty of them): where no place is free, the connection that has waited longest for
its client gives way to the new one. A client, which is an address, has a bound of its own, so that one of them cannot
turn others away by coming back; requests from this host itself are not bound so, for a proxy here brings everybody's.
Where all places are taken, the client that holds the most loses one first; and what has been silent for a moment only,
as an honest client is between its connection and its request, gives way to no client with more places.
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
            held = Counter(place.client for place in self._places.values())
            gives_way = None
            is_beyond_its_own = held[client] >= self._places_per_client and not is_this_host(client)
            if is_beyond_its_own or len(self._places) >= self._places_max:
                gives_way = self._gives_way(client, held, only_its_own=is_beyond_its_own)
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

    def _gives_way(self, client: str, held: Counter[str], *, only_its_own: bool) -> C | None:
        """Whose place the client may have: of whoever holds the most places, what has waited for its client longest."""
        now = self._clock()

        def may(place: _Place) -> bool:
            if only_its_own and place.client != client:
                return False
            is_idle = now - place.since_seconds >= self._stalled_seconds
            match place.phase:
                case Phase.WAITING:
                    return is_idle or place.client == client or held[place.client] > held[client]
                case Phase.SENDING:  # a client that does not read, or that has so many places that this is fairer
                    return is_idle or held[place.client] > held[client] + 1
                case Phase.MAKING:
                    return False

        def order(connection: C) -> tuple[bool, int, float]:
            place = self._places[connection]
            is_read = place.phase is Phase.SENDING and now - place.since_seconds < self._stalled_seconds
            return is_read, -held[place.client], place.since_seconds

        return min((each for each, place in self._places.items() if may(place)), key=order, default=None)


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
