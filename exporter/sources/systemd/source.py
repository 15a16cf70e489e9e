"""Reads units in as few calls as possible, and follows the signals that tell which of them have changed.

Looks again: the states of all units are asked for at each read (`systemd_seconds`, and at each signal). The properties
of a unit are read again when its state has changed (not-found, loaded, activating, active), when a signal has named it,
after a daemon-reload, when nobody follows the signals, when it was gone while it was read, and after `resync_seconds`,
for `systemctl set-property` sends no signal.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.facts.reading import NotHere, SourceError
from exporter.facts.unit import Unit
from exporter.sources.systemd.bus import MANAGER, MANAGER_PATH, PROPERTIES, SYSTEMD, Bus, Gone, Nobody, pumped
from exporter.sources.systemd.properties import INTERFACES, parse_unit
from exporter.sources.systemd.properties import PROPERTIES as TAKEN

_UNIT = "org.freedesktop.systemd1.Unit"
_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,247}\.(service|slice|scope)")  # unit_name_is_valid()
_PUMP_SECONDS = 0.2
_MAX_RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A unit, and what held when its properties were read."""

    state: tuple[str, ...]
    version: tuple[int, int]
    read_at_seconds: float
    unit: Unit


class SystemdSource:
    """The services, slices and scopes that `wanted` names, asked over the bus at `bus_address`.

    Properties are kept while `follow` runs and has told of no change, `resync_seconds` at most (systemd sends no signal
    for `systemctl set-property`); without it every read reads all. `runtime` exists where systemd runs (sd_booted(3)).
    """

    def __init__(
        self,
        bus_address: str,
        wanted: Callable[[], frozenset[str]],
        timeout_seconds: float = 5,
        *,
        resync_seconds: float = 300,
        retry_seconds: float = 1,
        runtime: Path = Path("/run/systemd/system"),
    ) -> None:
        self._wanted = wanted
        self._resync_seconds = resync_seconds
        self._retry_seconds = retry_seconds
        self._runtime = runtime
        self._reader = Bus(bus_address, timeout_seconds)
        self._follower = Bus(bus_address, timeout_seconds)
        self._known: dict[str, _Known] = {}  # by object path; only read() touches it
        self._followed: frozenset[str] = frozenset()  # what read() saw last, by object path: other signals are not ours
        self._following = False
        self._generation = 0  # another one: what was kept before is not to be trusted
        self._changes: dict[str, int] = {}  # by object path: signals in all
        self.events = 0
        """Signals about wanted services, and reloads."""
        self.events_lost = 0
        """Times that the stream of signals broke off."""

    def read(self) -> tuple[Unit, ...]:
        """Every wanted unit by its own name (an alias gives what it stands for); one that does not exist is not-found.

        NotHere without systemd or a bus, Unreadable when they do not answer.
        """
        if not self._reader.is_open:
            self._reader.close()
            self._reader.open()
        names = sorted(name for name in self._wanted() if _UNIT_NAME.fullmatch(name))
        try:
            reply = self._reader.call(MANAGER_PATH, MANAGER, "ListUnitsByNames", ("(as)", (names,)), "(a(ssssssouso))")
        except Nobody as error:
            if self._runtime.is_dir():
                raise
            raise NotHere(f"systemd does not run here: {self._runtime} is missing.") from error
        rows = {row[0]: row for row in reply.unpack()[0]}
        # Asking for a service that is not loaded loads it, which changes its slice, and again when it is unloaded
        # (systemd 257): following slices, each read would cause the next. They change with daemon-reload or resync.
        self._followed = frozenset(row[6] for name, row in rows.items() if not name.endswith(".slice"))
        for path in self._known.keys() - {row[6] for row in rows.values()}:
            del self._known[path]
            self._changes.pop(path, None)
        return tuple(self._unit(row) for _, row in sorted(rows.items()))

    def follow(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Call `on_change` whenever a wanted service may have changed, until `stop` is set; outlives the bus."""
        delay = self._retry_seconds
        while not stop.is_set():
            try:
                self._listen(on_change, stop)
            except SourceError:
                pass  # read() meets the same and tells it
            finally:
                self._follower.close()
                if self._following:
                    self._following = False
                    self.events_lost += not stop.is_set()
                    delay = self._retry_seconds
            stop.wait(delay)
            delay = min(2 * delay, _MAX_RETRY_SECONDS)

    def close(self) -> None:
        """End the connection that read() uses; follow() ends its own."""
        self._reader.close()

    def _unit(self, row: tuple[Any, ...]) -> Unit:
        state, path = row[2:5], row[6]
        version = (self._generation, self._changes.get(path, 0))
        known = self._known.get(path)
        now = time.monotonic()
        if (
            known is None
            or not self._following
            or (known.state, known.version) != (state, version)
            or now - known.read_at_seconds > self._resync_seconds
        ):
            properties = self._properties(row)
            if properties is None:
                self._known.pop(path, None)
                return parse_unit(row, {})
            known = self._known[path] = _Known(state, version, now, parse_unit(row, properties))
        return known.unit

    def _properties(self, row: tuple[Any, ...]) -> dict[str, object] | None:
        """What systemd says of a unit; None when it has gone since the list."""
        name, load_state, path = row[0], row[2], row[6]
        interface = INTERFACES.get(name[name.rfind(".") :])
        if load_state == "not-found" or interface is None:
            return {}
        try:
            every = self._reader.call(path, PROPERTIES, "GetAll", ("(s)", (interface,)), "(a{sv})").get_child_value(0)
        except Gone:
            return None
        return {key: value.unpack() for key in TAKEN if (value := every.lookup_value(key, None)) is not None}

    def _listen(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Subscribe, and hand on signals until `stop` is set, the bus ends the connection or systemd leaves the bus."""
        left = threading.Event()

        def all_changed() -> None:
            self._generation += 1
            on_change()

        def unit_changed(path: str, _: object) -> None:
            if path in self._followed:
                self.events += 1
                self._changes[path] = self._changes.get(path, 0) + 1
                on_change()

        def reloading(_: str, arguments: Any) -> None:
            if arguments.unpack() == (False,):  # daemon-reload has ended
                self.events += 1
                all_changed()

        with pumped() as pump:
            self._follower.open()
            self._follower.subscribe(SYSTEMD, PROPERTIES, "PropertiesChanged", _UNIT, unit_changed)
            self._follower.subscribe(SYSTEMD, MANAGER, "Reloading", None, reloading)
            dbus = "org.freedesktop.DBus"
            self._follower.subscribe(dbus, dbus, "NameOwnerChanged", SYSTEMD, lambda *_: left.set())
            self._follower.call(MANAGER_PATH, MANAGER, "Subscribe", None, "()")
            self._following = True
            all_changed()
            while not stop.is_set() and self._follower.is_open and not left.is_set():
                if not pump():
                    stop.wait(_PUMP_SECONDS)
