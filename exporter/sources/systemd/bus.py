"""One connection to the message bus, and every call on it with a deadline.

pydbus waits for ever by default, its proxies introspect 70 kB a unit, and its SystemBus() ends the process when the
bus goes (dependencies of 2017: no release will mend that). So the connection is made as pydbus.connect() makes it,
but so that a bus that does not answer is given up, and calls go through `bus.con`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from exporter.facts.reading import NotHere, Unreadable

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = "org.freedesktop.systemd1.Manager"
MANAGER_PATH = "/org/freedesktop/systemd1"
PROPERTIES = "org.freedesktop.DBus.Properties"

_ERROR = "org.freedesktop.DBus.Error."
_GONE = frozenset({f"{_ERROR}UnknownObject", f"{_ERROR}UnknownInterface", f"{SYSTEMD}.NoSuchUnit"})
_NOBODY = frozenset({f"{_ERROR}ServiceUnknown", f"{_ERROR}NameHasNoOwner"})


class Gone(Unreadable):
    """The object that was asked is not there any more."""


class Nobody(Unreadable):
    """The bus is there and systemd is not on it."""


class Bus:
    """A connection to the bus at a D-Bus address, made with `open` and not made again by itself."""

    def __init__(self, address: str, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._bus: Any = None  # pydbus.bus.Bus

    def open(self) -> None:
        """Connect and log in. NotHere without a socket, Unreadable without an answer or without PyGObject."""
        gio, glib = _libraries()
        from pydbus.bus import Bus as Connected  # noqa: PLC0415 - as in _libraries

        flags = gio.DBusConnectionFlags
        try:
            with _deadline(gio, self._timeout_seconds) as cancellable:
                connection = gio.DBusConnection.new_for_address_sync(
                    self._address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, cancellable
                )
        except glib.Error as error:
            if error.matches(gio.io_error_quark(), gio.IOErrorEnum.NOT_FOUND):
                raise NotHere(f"There is no message bus at {self._address}, install and start dbus.") from error
            raise self._unreadable(error) from error
        # Not connection.pydbus, which is kept in the connection: PyGObject then ends it in a garbage collection, in
        # whatever thread that runs, with the interpreter's lock held. GDBus' own thread may wait for that lock with
        # the connection's lock held, and both wait for ever.
        self._bus = Connected(connection)

    @property
    def is_open(self) -> bool:
        """Whether calls can be made: the bus may have ended the connection."""
        return self._bus is not None and not self._bus.con.is_closed()

    def close(self) -> None:
        """End the connection; nothing happens when it is ended already."""
        if self._bus is not None:
            gio, glib = _libraries()
            with suppress(glib.Error), _deadline(gio, self._timeout_seconds) as cancellable:
                self._bus.con.close_sync(cancellable)
            self._bus = None

    def call(self, path: str, interface: str, member: str, arguments: tuple[str, Any] | None, reply: str) -> Any:
        """The reply, a GLib.Variant of type `reply`, to a call with `arguments` (type, value).

        Gone, Nobody, or Unreadable for anything else, a missed deadline too.
        """
        gio, glib = _libraries()
        try:
            return self._bus.con.call_sync(
                SYSTEMD,
                path,
                interface,
                member,
                arguments and glib.Variant(*arguments),
                glib.VariantType.new(reply),
                gio.DBusCallFlags.NO_AUTO_START,
                int(self._timeout_seconds * 1000),
                None,
            )
        except glib.Error as error:
            raise self._unreadable(error) from error

    def subscribe(self, sender: str, interface: str, signal: str, argument: str | None, handle: Handler) -> None:
        """Call `handle(path, arguments)` for each such signal, in the thread default context of now."""

        def handled(_con: Any, _sender: str, path: str, _interface: str, _signal: str, arguments: Any) -> None:
            handle(path, arguments)

        self._bus.con.signal_subscribe(sender, interface, signal, None, argument, 0, handled)

    def _unreadable(self, error: Any) -> Unreadable:
        gio, _ = _libraries()
        name = gio.DBusError.get_remote_error(error)
        if name in _GONE:
            return Gone(f"systemd knows no such object: {error.message}.")
        if name in _NOBODY:
            return Nobody(f"systemd is not on the bus at {self._address}, see journalctl -b _PID=1.")
        late = (gio.IOErrorEnum.TIMED_OUT, gio.IOErrorEnum.CANCELLED)
        if any(error.matches(gio.io_error_quark(), code) for code in late):
            return Unreadable(
                f"systemd did not answer within {self._timeout_seconds:g} s at {self._address},"
                " see systemctl status dbus."
            )
        return Unreadable(f"systemd cannot be asked at {self._address} ({error.message}), see systemctl status dbus.")


Handler = Callable[[str, Any], None]


@contextmanager
def pumped() -> Iterator[Callable[[], bool]]:
    """A GLib context of this thread alone; the function handles what has come for it and says whether there was any."""
    _, glib = _libraries()
    context = glib.MainContext.new()
    context.push_thread_default()
    try:
        yield lambda: bool(context.iteration(may_block=False))
    finally:
        context.pop_thread_default()


@contextmanager
def _deadline(gio: Any, seconds: float) -> Iterator[Any]:
    """A Gio.Cancellable that is cancelled after so many seconds."""
    cancellable = gio.Cancellable()
    timer = threading.Timer(seconds, cancellable.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield cancellable
    finally:
        timer.cancel()


def _libraries() -> tuple[Any, Any]:
    """Gio and GLib, with pydbus hooked into them."""
    try:
        import pydbus  # noqa: F401, PLC0415 - the rest of the agent works where PyGObject is not installed
        from gi.repository import Gio, GLib  # noqa: PLC0415 - as above
    except (ImportError, ValueError) as error:  # ValueError: gi is there, the typelib is not
        raise Unreadable(
            "PyGObject or pydbus is not installed, install python3-gi, gir1.2-glib-2.0 and python3-pydbus"
            " (python3-gobject-base on RHEL) for the Python that runs bulkhead."
        ) from error
    return Gio, GLib
