"""The containers of one podman: one request for all of them, one more for each that is new or has changed.

Inspect takes 3 to 5 ms and a lock of the container, and its answer stays the same until the container changes state or
is updated. What is kept of a container goes with it.

Looks again: the list is asked at each read. A container is inspected again when its state, start or pid has changed (so
what was asked before it ran is asked when it runs), after an `update` event or one of its networks, after events were
missed, and every ten minutes; at the next read when inspect failed or its config.json could not be read. Networks are
asked for again when a container that is inspected names one that is not known, and every five minutes.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from exporter.facts.container import Container
from exporter.facts.podman import PodmanSocket
from exporter.facts.reading import SourceError, Unreadable
from exporter.sources.podman.api import Api, Gone
from exporter.sources.podman.declared import Declared, container, declare
from exporter.sources.podman.events import CONNECTIONS
from exporter.sources.podman.replies import (
    Event,
    Listing,
    Network,
    OciConfig,
    parse_inspect,
    parse_list,
    parse_networks,
    parse_oci_config,
)

AGAIN_SECONDS = 600.0
NETWORKS_AGAIN_SECONDS = 300.0
INSPECT_TIMEOUTS = 3  # of one round, for all inspects together: the rest is left for the next round
CONTAINERS_LIMIT = 5_000
UPDATES_LIMIT = 4096
INSPECT_LIMIT_BYTES = 4 << 20  # 8 KiB as a rule; the command line and Env may be long
OCI_CONFIG_LIMIT_BYTES = 4 << 20
# Of all inspects of one podman together: what is kept of each is about as long as its reply. A user's podman says of as
# many containers as it likes as much as fits into each reply.
INSPECTS_LIMIT_BYTES, USERS_INSPECTS_LIMIT_BYTES = 128 << 20, 16 << 20


@dataclass(frozen=True, slots=True)
class _Inspected:
    """What was learnt of one container, and when it has to be asked again."""

    sign: tuple[str, int, int]  # state, start, pid
    at_seconds: float
    declared: Declared | None  # None: it did not answer
    reply_bytes: int = 0
    why_no_config: str = ""
    failures: int = 0  # in a row, to read all of it

    def stands(self, sign: tuple[str, int, int], now_seconds: float) -> bool:
        """Whether it need not be asked again: all of it was read, of the same run, and not long ago."""
        is_whole = self.declared is not None and not self.why_no_config
        return is_whole and self.sign == sign and now_seconds - self.at_seconds < AGAIN_SECONDS


class Podman:
    """One podman service. `root` is where the host's files stand; `clock` is monotonic."""

    def __init__(
        self, where: PodmanSocket, timeout_seconds: float, root: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.where = where
        self.problems: tuple[str, ...] = ()
        self._api = Api(where, timeout_seconds)
        self._inspects_limit_bytes = USERS_INSPECTS_LIMIT_BYTES if where.user else INSPECTS_LIMIT_BYTES
        self._inspect_seconds = INSPECT_TIMEOUTS * timeout_seconds
        self._root = root
        self._clock = clock
        self._inspected: dict[str, _Inspected] = {}
        self._networks: Mapping[str, Network] = {}
        self._networks_at_seconds = float("-inf")
        self._unknown_networks: frozenset[str] = frozenset()
        self._has_missed_events = False
        self._health: Mapping[str, str] = {}
        self._updated: deque[str] = deque(maxlen=UPDATES_LIMIT)

    def close(self) -> None:
        """Give the connections back."""
        self._api.close()

    def is_news(self, event: Event) -> bool:
        """Whether the containers are worth reading again. Called by the thread that follows the events."""
        if event.action in {"update", *CONNECTIONS}:
            self._updated.append(event.id)
        # Every probe of a health check makes an event.
        return event.action != "health_status" or not event.health or self._health.get(event.id) != event.health

    def miss(self) -> None:
        """Take it that an `update` may have gone unheard. Called by the thread that follows the events."""
        self._has_missed_events = True

    def read(self) -> tuple[Container, ...]:
        """Every container of this podman. Raises NotHere or Unreadable; what is amiss with one is in `problems`."""
        listings, malformed = parse_list(self._api.get("/containers/json", {"all": "true"}))
        problems = [f"{malformed} entries of its list are no containers or come twice"] if malformed else []
        if len(listings) > CONTAINERS_LIMIT:
            problems.append(f"{len(listings) - CONTAINERS_LIMIT} containers beyond {CONTAINERS_LIMIT} are left out")
            listings = listings[:CONTAINERS_LIMIT]
        problems += self._inspect(listings)
        problems += self._read_networks()
        self._health = {listing.id: listing.status for listing in listings if listing.status}
        self.problems = tuple(f"podman at {self.where.place}: {problem}" for problem in problems)
        return tuple(
            container(listing, self._inspected[listing.id].declared, self._networks, self.where.user)
            for listing in listings
        )

    def _inspect(self, listings: Iterable[Listing]) -> list[str]:
        """Learn what is not known yet, and forget who has gone."""
        now = self._clock()
        has_missed_events, self._has_missed_events = self._has_missed_events, False
        updated = {self._updated.popleft() for _ in range(len(self._updated))}
        known: dict[str, _Inspected] = {}
        due: list[tuple[Listing, _Inspected]] = []
        for listing in listings:
            sign = (listing.state, listing.started_at, listing.pid)
            before = self._inspected.get(listing.id)
            is_doubtful = has_missed_events or listing.id in updated
            if before is not None and before.stands(sign, now) and not is_doubtful:
                known[listing.id] = before
            else:
                known[listing.id] = _Inspected(sign, now, None, failures=before.failures if before else 0)
                due.append((listing, known[listing.id]))
        # Those that failed before come last: one that never answers keeps no other from being read.
        due.sort(key=lambda one: one[1].failures)
        failed: list[str] = []
        kept_bytes = sum(one.reply_bytes for one in known.values())
        for listing, before in due:
            try:
                if self._clock() - now > self._inspect_seconds:
                    raise Unreadable("the time for one round is over")
                learnt = self._declared(listing.id, self._inspects_limit_bytes - kept_bytes)
            except Gone:  # removed since the list was made: the next list says so
                known[listing.id] = replace(before, failures=before.failures + 1)
            except SourceError as error:
                known[listing.id] = replace(before, failures=before.failures + 1)
                failed.append(f"{(listing.names or [listing.id])[0][:64]}: {error}")
            else:
                kept_bytes += learnt.reply_bytes
                failures = before.failures + 1 if learnt.why_no_config else 0
                known[listing.id] = replace(learnt, sign=before.sign, at_seconds=before.at_seconds, failures=failures)
                # The networks `host` and `none` are modes, and in no list.
                if (declared := learnt.declared) is not None:
                    self._unknown_networks -= {net.name for net in declared.networks} - {declared.network_mode}
        self._inspected = known
        without_config = [one.why_no_config for one in known.values() if one.why_no_config]
        return [
            f"{len(some)} {what}, the first: {some[0]}"
            for some, what in (
                (failed, "containers could not be inspected"),
                (without_config, "config.json could not be read"),
            )
            if some
        ]

    def _declared(self, container_id: str, left_bytes: int) -> _Inspected:
        """What inspect and config.json say, and why config.json says nothing."""
        body = self._api.get(f"/containers/{container_id}/json", limit_bytes=INSPECT_LIMIT_BYTES)
        if len(body) > left_bytes:
            raise Unreadable(f"what it says of all is longer than {self._inspects_limit_bytes >> 20} MiB")
        reply = parse_inspect(body)
        config, why = None, ""
        if reply.oci_config_path and self.where.path:
            try:
                config = read_oci_config(self._root, reply.oci_config_path)
            except SourceError as error:
                # Homes are not shown to the service, by its unit: inspect is the word on a rootless container there.
                is_by_design = self.where.user and isinstance(error.__cause__, FileNotFoundError)
                why = "" if is_by_design else str(error)
        return _Inspected(("", 0, 0), 0.0, declare(reply, config), len(body), why)

    def _read_networks(self) -> list[str]:
        """Learn drivers and parents of the networks: when a name is new, and every five minutes."""
        now = self._clock()
        declared = (one.declared for one in self._inspected.values())
        wanted = {network.name for one in declared if one for network in one.networks}
        new = wanted - self._networks.keys() - self._unknown_networks
        if not new and now - self._networks_at_seconds < NETWORKS_AGAIN_SECONDS:
            return []
        try:
            self._networks = parse_networks(self._api.get("/networks/json"))
        except SourceError as error:
            return [f"its networks could not be read: {error}"]
        self._networks_at_seconds = now
        # `host` and `none` are no networks of podman's: not worth a question each time.
        self._unknown_networks = frozenset(wanted - self._networks.keys())
        return []


def read_oci_config(root: Path, path: str) -> OciConfig:
    """The config.json at `path` below `root`. The path comes from a podman that may be a user's own: trust no file."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
    if not path.startswith("/") or not path.endswith("/config.json"):
        raise Unreadable(f"{path[:128]!r} is no path of a config.json")
    try:
        with open(root / path.lstrip("/"), "rb", opener=lambda name, _: os.open(name, flags)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unreadable(f"{path[:128]} is no file")
            body = file.read(OCI_CONFIG_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path[:128]!r} could not be read ({error}); run as root") from error
    if len(body) > OCI_CONFIG_LIMIT_BYTES:
        raise Unreadable(f"{path[:128]} is larger than {OCI_CONFIG_LIMIT_BYTES >> 20} MiB")
    return parse_oci_config(body)
