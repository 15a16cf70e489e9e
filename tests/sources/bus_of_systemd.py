"""A private message bus and on it a systemd that repeats a real one's words (tests/host/systemd), or fails on order."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

RECORDED = Path(__file__).parents[1] / "host/systemd"
ROOT = "/org/freedesktop/systemd1"
UNIT = "org.freedesktop.systemd1.Unit"
TYPES = ("Service", "Slice")

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={socket}</listen><policy context="default"><allow send_destination="*"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""

_INTERFACES = """<node>
<interface name="org.freedesktop.systemd1.Manager">
  <method name="Subscribe"/>
  <method name="ListUnitsByNames"><arg type="as" direction="in"/><arg type="a(ssssssouso)" direction="out"/></method>
</interface>
<interface name="org.freedesktop.DBus.Properties">
  <method name="GetAll"><arg type="s" direction="in"/><arg type="a{sv}" direction="out"/></method>
</interface>
</node>"""


def recorded(name: str) -> Any:
    """The data of one reply that busctl --json=short wrote."""
    return json.loads((RECORDED / name).read_bytes())["data"][0]


def rows() -> list[list[Any]]:
    return list(recorded("ListUnitsByNames.json"))


def properties(unit: str) -> dict[str, GLib.Variant]:
    """The recorded properties of a unit's own interface."""
    (found,) = (name for kind in TYPES if (RECORDED / (name := f"GetAll/{unit}.{kind}.json")).exists())
    return {key: GLib.Variant(value["type"], _tuples(value["data"])) for key, value in recorded(found).items()}


class BusOfSystemd:
    """The bus's process and the thread of its systemd; `address` is where it listens."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "bus"
        self.address = f"unix:path={self.socket}"
        self.rows = rows()
        self.properties = {row[6]: properties(row[0]) for row in self.rows if row[2] == "loaded"}
        self.calls: list[tuple[str, str]] = []  # path, member
        self.hangs = False
        self.refuses: dict[str, str] = {}  # path: name of the error
        self._config = directory / "bus.conf"
        self._config.write_text(_CONFIG.format(socket=self.socket))
        self._connection: Any = None
        self.subscribed = threading.Event()

    def start(self, *, systemd: bool = True) -> None:
        self._daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--nopidfile", "--print-address"],
            stdout=subprocess.PIPE,
        )
        assert self._daemon.stdout is not None
        self._daemon.stdout.readline()
        if systemd:
            self._context = GLib.MainContext.new()
            self._loop = GLib.MainLoop.new(self._context, is_running=False)
            on_bus = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(on_bus,))
            self._thread.start()
            assert on_bus.wait(5)

    def stop(self) -> None:
        self._daemon.kill()
        self._daemon.wait()
        assert self._daemon.stdout is not None
        self._daemon.stdout.close()
        if self._connection is not None:
            self._loop.quit()
            self._thread.join()
            self._connection = None
        self.subscribed.clear()
        self.socket.unlink(missing_ok=True)

    def changed(self, path: str) -> None:
        """Say that a unit's properties have changed."""
        self._emit(
            path, "org.freedesktop.DBus.Properties", "PropertiesChanged", GLib.Variant("(sa{sv}as)", (UNIT, {}, []))
        )

    def reloading(self, *, active: bool) -> None:
        self._emit(ROOT, "org.freedesktop.systemd1.Manager", "Reloading", GLib.Variant("(b)", (active,)))

    def leave(self) -> None:
        """Leave the bus, which stays."""
        self._name("ReleaseName", "(s)", ("org.freedesktop.systemd1",))

    def join(self) -> None:
        self._name("RequestName", "(su)", ("org.freedesktop.systemd1", 0))

    def _emit(self, *signal: Any) -> None:
        self._connection.emit_signal(None, *signal)
        self._connection.flush_sync(None)

    def _name(self, member: str, kind: str, arguments: tuple[Any, ...]) -> None:
        dbus = "org.freedesktop.DBus"
        self._connection.call_sync(
            dbus, "/org/freedesktop/DBus", dbus, member, GLib.Variant(kind, arguments), None, 0, 5000, None
        )

    def _run(self, on_bus: threading.Event) -> None:
        self._context.push_thread_default()
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self._connection = Gio.DBusConnection.new_for_address_sync(self.address, flags, None, None)
        manager, properties = Gio.DBusNodeInfo.new_for_xml(_INTERFACES).interfaces
        self._connection.register_object(ROOT, manager, self._answer, None, None)
        for path in self.properties:
            self._connection.register_object(path, properties, self._answer, None, None)
        self.join()
        on_bus.set()
        self._loop.run()
        self._context.pop_thread_default()

    def _answer(
        self, _con: Any, _sender: str, path: str, _interface: str, member: str, arguments: Any, invocation: Any
    ) -> None:
        self.calls.append((path, member))
        if self.hangs:
            return
        if path in self.refuses:
            invocation.return_dbus_error(self.refuses[path], "as the test wants it")
            return
        match member:
            case "Subscribe":
                self.subscribed.set()
                reply = None
            case "ListUnitsByNames":
                (names,) = arguments.unpack()
                found = [tuple(row) for name in names for row in self.rows if row[0] == name]
                reply = GLib.Variant("(a(ssssssouso))", (found,))
            case _:
                reply = GLib.Variant("(a{sv})", (self.properties[path],))
        invocation.return_value(reply)


@contextmanager
def following(source: Any, on_change: Callable[[], None] = lambda: None) -> Iterator[threading.Thread]:
    """`source.follow` in a thread of its own, ended on the way out."""
    stop = threading.Event()
    thread = threading.Thread(target=source.follow, args=(on_change, stop))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def _tuples(data: Any) -> Any:
    """JSON has lists where D-Bus has structs; PyGObject takes tuples for both."""
    return tuple(_tuples(each) for each in data) if isinstance(data, list) else data
