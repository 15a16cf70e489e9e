from __future__ import annotations

import gc
import socket
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.systemd import SystemdSource, source
from exporter.sources.systemd.bus import MANAGER, MANAGER_PATH, Bus

pytest.importorskip("gi", reason="PyGObject comes from the distribution")
from tests.sources.bus_of_systemd import ROOT, BusOfSystemd, following

# GLib 2.84 has another function of that meaning, and calls the one that all versions have deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Gio.DBusConnection.register_object:DeprecationWarning")

OBJECTS02 = f"{ROOT}/unit/objects02_2eservice"
OOMLOOP = f"{ROOT}/unit/oomloop_2eservice"
WANTED = frozenset({"objects02.service", "oomloop.service", "services-objects02.slice", "nosuch.service"})
ALL_CALLS = 1 + 3  # the list, and one for each of three units that exist


class Pokes:
    """Counts, and waits with a bound."""

    def __init__(self) -> None:
        self.count = 0
        self._came = threading.Condition()

    def __call__(self) -> None:
        with self._came:
            self.count += 1
            self._came.notify_all()

    def wait(self, count: int) -> None:
        with self._came:
            assert self._came.wait_for(lambda: self.count >= count, 5), f"{self.count} of {count}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_PUMP_SECONDS", 0.01)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[BusOfSystemd]:
    bus = BusOfSystemd(tmp_path)
    bus.start()
    yield bus
    bus.stop()


def source_on(bus: BusOfSystemd, wanted: frozenset[str] = WANTED, **settings: float) -> SystemdSource:
    settings = {"timeout_seconds": 5, "retry_seconds": 0.01} | settings
    timeout_seconds = settings.pop("timeout_seconds")
    return SystemdSource(
        bus.address,
        lambda: wanted,
        timeout_seconds,
        resync_seconds=settings.pop("resync_seconds", 300),
        retry_seconds=settings.pop("retry_seconds"),
        runtime=bus.socket.parent / "no-systemd-here",
    )


def test_units_come_as_systemd_tells_them(bus: BusOfSystemd) -> None:
    units = {unit.name: unit for unit in source_on(bus).read()}
    assert units.keys() == WANTED
    assert units["oomloop.service"].restarts == 2
    assert units["services-objects02.slice"].slice == "services.slice"
    assert (units["nosuch.service"].load_state, units["nosuch.service"].restarts) == ("not-found", None)


def test_without_signals_every_read_asks_for_everything(bus: BusOfSystemd) -> None:
    systemd = source_on(bus)
    systemd.read()
    assert len(bus.calls) == ALL_CALLS
    systemd.read()
    assert len(bus.calls) == 2 * ALL_CALLS


def test_with_signals_a_read_is_one_call_until_something_changes(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        first = systemd.read()
        bus.calls.clear()
        assert systemd.read() == first
        assert [member for _, member in bus.calls] == ["ListUnitsByNames"]


def test_a_signal_pokes_and_makes_its_unit_be_read_again(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        bus.calls.clear()
        bus.changed(OOMLOOP)
        pokes.wait(2)
        systemd.read()
        assert {path for path, _ in bus.calls} == {ROOT, OOMLOOP}
        assert systemd.events == 1


def test_a_signal_of_a_unit_that_is_not_wanted_is_nothing(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        bus.changed(f"{ROOT}/unit/missing1_2eservice")
        bus.changed(OOMLOOP)
        pokes.wait(2)
        assert (pokes.count, systemd.events) == (2, 1)


def test_a_signal_of_a_slice_is_nothing_because_reading_may_cause_it(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        bus.changed(f"{ROOT}/unit/services_2dobjects02_2eslice")
        bus.changed(OOMLOOP)
        pokes.wait(2)
        assert (pokes.count, systemd.events) == (2, 1)


def test_another_state_in_the_list_makes_a_unit_be_read_again_without_a_signal(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        bus.calls.clear()
        next(row for row in bus.rows if row[6] == OBJECTS02)[4] = "stop-sigterm"
        (unit,) = (unit for unit in systemd.read() if unit.name == "objects02.service")
        assert unit.sub_state == "stop-sigterm"
        assert {path for path, _ in bus.calls} == {ROOT, OBJECTS02}


def test_what_was_read_long_ago_is_read_again(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus, resync_seconds=0), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        systemd.read()
    assert len(bus.calls) == 1 + 2 * ALL_CALLS  # and one to subscribe


def test_the_end_of_a_daemon_reload_makes_everything_be_read_again(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        systemd.read()
        bus.reloading(active=True)
        bus.reloading(active=False)
        pokes.wait(2)
        assert pokes.count == 2
        systemd.read()
    assert len(bus.calls) == 1 + 2 * ALL_CALLS  # and one to subscribe


def test_a_systemd_that_does_not_answer_is_given_up_in_time_and_asked_again(bus: BusOfSystemd) -> None:
    systemd = source_on(bus, timeout_seconds=0.05)
    bus.hangs = True
    with pytest.raises(Unreadable, match=r"did not answer within 0\.05 s at unix:path=.*systemctl status"):
        systemd.read()
    bus.hangs = False
    assert source_on(bus).read()


def test_a_bus_that_takes_connections_and_says_nothing_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bus"))
        listener.listen()
        systemd = SystemdSource(f"unix:path={tmp_path}/bus", lambda: WANTED, 0.1)
        began = time.monotonic()
        with pytest.raises(Unreadable, match="did not answer within"):
            systemd.read()
        assert time.monotonic() - began < 3


def test_a_bus_that_was_killed_is_told_and_asked_again_when_it_is_back(bus: BusOfSystemd) -> None:
    systemd = source_on(bus)
    before = systemd.read()
    bus.stop()
    with pytest.raises(SourceError, match=r"no message bus|cannot be asked"):  # as its end was seen yet or not
        systemd.read()
    bus.start()
    assert systemd.read() == before
    systemd.close()


def test_a_socket_that_nobody_listens_on_is_unreadable(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "bus"))
    with pytest.raises(Unreadable, match=r"Connection refused.*systemctl status dbus"):
        SystemdSource(f"unix:path={tmp_path}/bus", lambda: WANTED).read()


def test_no_socket_is_not_here(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="install and start dbus"):
        SystemdSource(f"unix:path={tmp_path}/bus", lambda: WANTED).read()


def test_a_bad_address_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="cannot be asked at /run/dbus"):
        SystemdSource("/run/dbus/system_bus_socket", lambda: WANTED).read()


def test_the_bus_of_a_host_without_systemd_is_not_here_and_of_one_with_it_unreadable(tmp_path: Path) -> None:
    bus = BusOfSystemd(tmp_path)
    bus.start(systemd=False)
    try:
        with pytest.raises(NotHere, match="systemd does not run here"):
            source_on(bus).read()
        with pytest.raises(Unreadable, match="not on the bus"):
            SystemdSource(bus.address, lambda: WANTED, runtime=tmp_path).read()
    finally:
        bus.stop()


def test_a_denied_call_is_unreadable(bus: BusOfSystemd) -> None:
    bus.refuses[OOMLOOP] = "org.freedesktop.DBus.Error.AccessDenied"
    with pytest.raises(Unreadable, match="AccessDenied"):
        source_on(bus).read()


def test_a_unit_that_vanishes_between_list_and_read_takes_no_other_down(bus: BusOfSystemd) -> None:
    bus.refuses[OOMLOOP] = "org.freedesktop.DBus.Error.UnknownObject"
    units = {unit.name: unit for unit in source_on(bus).read()}
    assert units["oomloop.service"].restarts is None
    assert units["objects02.service"].restarts == 0


def test_a_unit_that_was_gone_for_a_moment_is_read_again_at_the_next_look(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        bus.refuses[OOMLOOP] = "org.freedesktop.DBus.Error.UnknownObject"
        systemd.read()
        bus.refuses.clear()
        units = {unit.name: unit for unit in systemd.read()}
        assert units["oomloop.service"].restarts == 2


def test_names_that_are_no_unit_s_are_not_asked_for(bus: BusOfSystemd) -> None:
    names = frozenset({"a\nb.service", "é.service", "web.socket", "", ".service", "x" * 300 + ".service", "../x.slice"})
    assert source_on(bus, names).read() == ()
    (reading,) = bus.calls
    assert reading == (ROOT, "ListUnitsByNames")


def test_a_bus_that_dies_is_one_gap_and_is_followed_again(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        bus.stop()
        bus.start()
        pokes.wait(2)
        assert systemd.events_lost == 1
        systemd.read()
        bus.changed(OOMLOOP)
        pokes.wait(3)
    assert (systemd.events, systemd.events_lost) == (1, 1)


def test_a_systemd_that_leaves_the_bus_is_one_gap_and_is_followed_again(bus: BusOfSystemd) -> None:
    systemd, pokes = source_on(bus), Pokes()
    with following(systemd, pokes):
        pokes.wait(1)
        bus.leave()
        bus.join()
        pokes.wait(2)
        assert systemd.events_lost == 1


def test_following_nothing_stops_at_once_and_loses_nothing(tmp_path: Path) -> None:
    systemd = SystemdSource(f"unix:path={tmp_path}/bus", lambda: WANTED, retry_seconds=60)
    with following(systemd):
        pass
    assert systemd.events_lost == 0


def test_a_python_without_pygobject_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydbus", None)
    with pytest.raises(Unreadable, match="PyGObject or pydbus is not installed, install python3-gi"):
        SystemdSource("unix:path=/nowhere", lambda: WANTED).read()


def test_a_connection_that_is_closed_ends_at_once_and_waits_for_no_garbage_collection(bus: BusOfSystemd) -> None:
    """Ended in a collection, it may wait for GDBus' thread while that waits for the interpreter, both for ever."""
    gc.collect()
    gc.disable()
    try:
        connected = Bus(bus.address, 5)
        connected.open()
        connected.subscribe("org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", None, lambda *_: None)
        connected.call(MANAGER_PATH, MANAGER, "Subscribe", None, "()")
        ended = weakref.ref(connected._bus.con)
        connected.close()
        assert ended() is None
    finally:
        gc.enable()
