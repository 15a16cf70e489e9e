from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from exporter.app.collectors import Ground
from exporter.app.context import Context
from exporter.app.ledger import AnsweringPollers, HostLedger, open_ledger
from exporter.config import Config
from exporter.facts.container import Container
from exporter.facts.evidence import ContainerEvent
from exporter.facts.process import ProcessTable
from exporter.facts.reading import NOT_YET, Absent, Failed, Read, Reading, last_read, latest
from exporter.facts.unit import Quadlet, Unit
from exporter.runtime.poller import Clock, Poller
from exporter.sources.cgroup import CgroupSource
from exporter.sources.podman import PodmanSource
from tests.assess.secure import CONTAINER, LABEL, UNIT
from tests.assess.snapshots import SNAPSHOT

T = TypeVar("T")
SLICE = "/services.slice/services-web.slice"


class Answering(Poller[T]):
    """A poller whose answer a test gives."""

    def __init__(self, name: str, value: T) -> None:
        super().__init__(name, lambda: value, Clock(1000, 1000))
        self.now: Reading[T] = Read(value, 100.0, 0.0)

    def answered(self, timeout_seconds: float = 0) -> bool:
        del timeout_seconds
        return self.now != NOT_YET

    def reading(self) -> Reading[T]:
        return self.now

    def value(self) -> T | None:
        return latest(self.now)


class Host:
    """A host with one container in a slice of its own, as files."""

    def __init__(self, root: Path, containers: tuple[Container, ...], units: tuple[Unit, ...] = ()) -> None:
        (root / "proc/sys/kernel/random").mkdir(parents=True, exist_ok=True)
        (root / "proc/sys/kernel/random/boot_id").write_text("65e0bb86-b9e7-4ad0-94bd-cb6ea4444883\n")
        (root / "proc/vmstat").write_text("nr_free_pages 1\noom_kill 4\n")
        (root / "sys/fs/cgroup").mkdir(parents=True, exist_ok=True)
        (root / "sys/fs/cgroup/cgroup.controllers").write_text("memory\n")
        self.root = root
        self.cgroup = CgroupSource(root / "sys/fs/cgroup")
        self.podman = PodmanSource(())
        self.containers = Answering("podman", containers)
        assert isinstance(SNAPSHOT.host, Read)
        self.units = Answering("systemd", units)
        self.quadlets: Answering[tuple[Quadlet, ...]] = Answering("quadlet", ())
        pollers = AnsweringPollers(
            self.containers,
            Answering("process", ProcessTable((), ())),
            self.units,
            self.quadlets,
            Answering("host", SNAPSHOT.host.value),
            Answering("tree", None),
        )
        opened = open_ledger(Config(state_dir=root / "state"), root)
        ground = Ground(Config(), root, Context(self.cgroup.paths), self.cgroup, self.podman)
        self.books = HostLedger(opened, root, ground, pollers)

    def live(self, container_id: str, kills: int = 0, home: str = SLICE) -> None:
        path = f"{home}/web.service/libpod-payload-{container_id}"
        for level in (path, path.rpartition("/")[0], home, home.rpartition("/")[0]):
            directory = self.root / "sys/fs/cgroup" / level[1:]
            directory.mkdir(parents=True, exist_ok=True)
            (directory / "memory.events").write_text(f"oom 0\noom_kill {kills}\n")
            (directory / "cgroup.controllers").write_text("memory\n")
        self.cgroup.discover()

    def close(self) -> None:
        self.books.counter.close()
        self.books.ledger.close()
        self.podman.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, (CONTAINER,), (UNIT,))


def kills(host: Host) -> dict[str, int]:
    return {one.name: one.oom_kills for one in host.books.ledger.totals().containers}


def test_a_kill_in_a_slice_of_its_own_is_counted_and_kept(host: Host) -> None:
    host.live(CONTAINER.id)
    host.books.keeper.settle()
    host.live(CONTAINER.id, kills=2)
    host.books.keeper.settle()
    assert kills(host) == {CONTAINER.name: 2}
    host.close()
    again = Host(host.root, (CONTAINER,), (UNIT,))
    assert kills(again) == {CONTAINER.name: 2}
    again.live(CONTAINER.id, kills=3)
    again.books.keeper.settle()
    assert kills(again) == {CONTAINER.name: 3}
    again.close()


def test_the_kill_of_one_whose_name_is_not_known_yet_waits_for_it(tmp_path: Path) -> None:
    host = Host(tmp_path, ())
    host.live(CONTAINER.id)
    host.books.keeper.settle()
    host.live(CONTAINER.id, kills=1)
    host.books.keeper.settle()
    assert kills(host) == {}
    host.containers.now = Read((CONTAINER,), 101.0, 0.0)
    host.books.keeper.settle()
    assert kills(host) == {CONTAINER.name: 1}
    host.close()


def test_who_is_who_is_worked_out_anew_when_a_source_has_answered(host: Host) -> None:
    before = host.books.identities()
    assert host.books.identities() is before
    for number in range(50):
        # Twice between two looks: the second answer may lie where the first one lay in memory.
        for name in (f"old{number}", f"new{number}"):
            host.containers.now = Read((replace(CONTAINER, name=name),), float(number), 0.0)
        after = host.books.identities()
        assert after is not None
        assert after.names_by_id[CONTAINER.id] == f"new{number}"
    host.close()


def test_before_all_have_answered_nothing_is_settled(host: Host) -> None:
    host.live(CONTAINER.id)
    host.containers.now = NOT_YET
    assert host.books.identities() is None
    host.books.keeper.settle()
    assert host.books.ledger.totals().containers == ()
    host.containers.now = Read((CONTAINER,), 100.0, 0.0)
    assert host.books.identities() is not None
    host.close()


WRITTEN_BY_HAND = replace(UNIT, name="dns.service", slice="services-web.slice")


def after_a_start_of_dns(host: Host, *units: Unit) -> Host:
    """The host whose agent has heard of a container of WRITTEN_BY_HAND, and was started again while that is dead."""
    host.books.hear_podman(ContainerEvent(1, "d" * 64, "dns", "start", WRITTEN_BY_HAND.name))
    host.books.keeper.settle()
    host.close()
    again = Host(host.root, (CONTAINER,), units)
    again.live(CONTAINER.id)
    return again


def occupants(host: Host) -> frozenset[str]:
    known = host.books.identities()
    assert known is not None
    return known.occupants[SLICE]


def test_one_between_two_lives_that_no_quadlet_describes_lives_where_its_unit_says(host: Host) -> None:
    again = after_a_start_of_dns(host, UNIT, WRITTEN_BY_HAND)
    assert again.books.ledger.units() == {"dns": "dns.service"}
    assert occupants(again) == {CONTAINER.name, "dns"}
    again.books.keeper.settle()
    (again.root / f"sys/fs/cgroup{SLICE}/memory.events").write_text("oom 1\noom_kill 1\n")
    again.books.keeper.settle()
    assert kills(again) == {CONTAINER.name: 0, "dns": 0}
    again.close()


def test_one_whose_unit_is_gone_or_anothers_lives_nowhere(host: Host) -> None:
    gone = after_a_start_of_dns(host, UNIT, replace(WRITTEN_BY_HAND, load_state="not-found", slice=""))
    assert occupants(gone) == {CONTAINER.name}
    again = after_a_start_of_dns(gone, UNIT)
    assert occupants(again) == {CONTAINER.name}
    again.units.now = Read((UNIT, WRITTEN_BY_HAND), 200.0, 0.0)
    again.quadlets.now = Read(
        (Quadlet("dns.service", "resolver", "/etc/containers/systemd/dns.container", wanted=True),), 100.0, 0.0
    )
    assert occupants(again) == {CONTAINER.name, "resolver"}
    again.close()


def test_podmans_restart_count_is_of_those_without_a_unit(tmp_path: Path) -> None:
    alone = replace(CONTAINER, id="e" * 64, name="alone", unit="", restarts=3)
    host = Host(tmp_path, (replace(CONTAINER, restarts=2), alone), (replace(UNIT, restarts=7),))
    host.books.identities()
    assert {one.key: one.count for one in host.books.restarts()} == {UNIT.name: 7, f"podman:{'e' * 64}": 3}
    host.close()


def test_podmans_restart_count_is_of_the_users_own_containers_whatever_ids_the_users_podman_lists(
    tmp_path: Path,
) -> None:
    alone = replace(CONTAINER, id="e" * 64, name="alone", unit="", restarts=3)
    forged = replace(alone, name="alice/mine", user="alice", restarts=90)
    own = replace(forged, id="f" * 64, name="alice/own", restarts=4)
    host = Host(tmp_path, (alone, own, forged), (UNIT,))
    host.books.identities()
    counts = {(one.key, one.name): one.count for one in host.books.restarts()}
    assert counts == {(f"podman:{'e' * 64}", "alone"): 3, (f"podman:alice/{'f' * 64}", "alice/own"): 4}
    host.close()


def test_the_kernels_sum_is_read_and_may_be_missing(host: Host) -> None:
    assert host.books.vmstat_oom_kills() == 4
    (host.root / "proc/vmstat").unlink()
    assert host.books.vmstat_oom_kills() is None
    host.close()


def test_a_keeper_that_is_silent_is_told(host: Host) -> None:
    host.books.keeper.settle()
    assert isinstance(host.books.ledger_reading(), Read)
    host.books.keeper._settled_us -= 100_000_000
    reading = host.books.ledger_reading()
    assert isinstance(reading, Failed)
    assert "nothing was counted for 100 s" in reading.reason
    host.close()


def test_a_ledger_that_was_damaged_is_reported_for_an_hour(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.books.keeper.settle()
    kept, now_seconds = host.books.ledger._state.host, time.time()
    kept.salvaged, kept.salvaged_seconds = "3 rows are lost", now_seconds
    host.books.keeper.settle()
    reading = host.books.ledger_reading()
    assert isinstance(reading, Failed)
    assert reading.reason == "3 rows are lost"
    monkeypatch.setattr(time, "time", lambda: now_seconds + 3601)
    assert isinstance(host.books.ledger_reading(), Read)
    host.close()


def test_podmans_cursor_stays_while_no_stream_has_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.books.keeper.settle()
    assert host.books.ledger.cursor("podman") == ""
    until: Callable[[PodmanSource], float] = lambda _: 60.0  # noqa: E731 - a property in place of another
    monkeypatch.setattr(PodmanSource, "heard_until_seconds", property(until))
    host.books.keeper.settle()
    assert host.books.ledger.cursor("podman") == "30"
    host.close()


def test_podmans_events_reach_the_ledger(host: Host) -> None:
    host.books.hear_podman(ContainerEvent(1, CONTAINER.id, CONTAINER.name, "start", UNIT.name))
    host.books.keeper.settle()
    assert host.books.ledger.totals().containers[0].starts == 1
    host.close()


def test_a_denial_in_auditds_log_is_the_containers_whose_label_it_has(host: Host) -> None:
    log = host.root / "var/log/audit/audit.log"
    log.parent.mkdir(parents=True)
    log.touch()
    host.books.audit_log.catch_up()
    assert isinstance(host.books.audit_log_reading(), Read)
    log.write_text(
        'type=AVC msg=audit(1795624726.523:73): avc:  denied  { read } for  pid=793 comm="cat" '
        f"scontext={LABEL} tcontext=system_u:object_r:user_home_t:s0 tclass=file permissive=0\n"
    )
    host.books.audit_log.catch_up()
    host.books.keeper.settle()
    assert host.books.ledger.totals().containers[0].avc_denials == 1
    inode, size = log.stat().st_ino, log.stat().st_size
    assert host.books.ledger.cursor("audit_log") == f"{inode}:{size}"
    host.close()


def test_without_auditd_its_log_is_absent(host: Host) -> None:
    host.books.audit_log.catch_up()
    assert isinstance(host.books.audit_log_reading(), Absent)
    host.close()


def last_well(reading: Reading[None]) -> float:
    read = last_read(reading)
    assert read is not None
    return read.read_at_seconds


@pytest.fixture
def kmsg(tmp_path: Path) -> Iterator[int]:
    """The other end of the host's /dev/kmsg, which is a pipe with a name."""
    (tmp_path / "dev").mkdir()
    os.mkfifo(tmp_path / "dev/kmsg")
    writer = os.open(tmp_path / "dev/kmsg", os.O_RDWR)
    yield writer
    with contextlib.suppress(OSError):
        os.close(writer)


@pytest.mark.usefixtures("kmsg")
def test_a_quiet_kernel_log_stays_young_for_hours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_seconds = 1000.0
    monkeypatch.setattr("time.time", lambda: now_seconds)
    host = Host(tmp_path, (CONTAINER,), (UNIT,))
    assert isinstance(host.books.kernel_log_reading(), Read)
    for _ in range(10):
        now_seconds += 660
        host.books.keeper.settle()
        reading = host.books.kernel_log_reading()
        assert isinstance(reading, Read)
        assert last_well(reading) == now_seconds
    # A keeper that hangs reads nothing, quiet or not.
    now_seconds += 660
    assert last_well(host.books.kernel_log_reading()) == now_seconds - 660
    host.close()


def test_a_kernel_log_that_was_closed_fails_and_keeps_the_time_at_which_it_was_well(
    kmsg: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_seconds = 1000.0
    monkeypatch.setattr("time.time", lambda: now_seconds)
    host = Host(tmp_path, (CONTAINER,), (UNIT,))
    host.books.keeper.settle()
    os.close(kmsg)
    now_seconds += 5
    host.books.keeper.settle()
    reading = host.books.kernel_log_reading()
    assert isinstance(reading, Failed)
    assert last_well(reading) == 1000.0
    assert not host.books.counter.wait(0)  # nobody waits for a descriptor that was given back
    host.close()


def test_without_its_device_the_kernel_log_is_absent(host: Host) -> None:
    host.books.keeper.settle()
    assert isinstance(host.books.kernel_log_reading(), Absent)
    host.close()


def test_a_line_of_the_kernel_wakes_the_keeper(kmsg: int, tmp_path: Path) -> None:
    host = Host(tmp_path, (CONTAINER,), (UNIT,))
    assert not host.books.counter.wait(0)
    os.write(kmsg, b"6,1,1,-;usb 1-1: new device\n")
    assert host.books.counter.wait(0)
    host.books.keeper.settle()
    assert not host.books.counter.wait(0)
    host.close()


def test_the_ledgers_age_counts_from_its_last_settlement(host: Host) -> None:
    host.books.keeper.settle()
    host.books.keeper._settled_us -= 40_000_000
    reading = host.books.ledger_reading()
    assert isinstance(reading, Read)
    assert 40 <= time.time() - last_well(reading) < 60
    host.books.keeper._settled_us -= 60_000_000
    reading = host.books.ledger_reading()
    assert isinstance(reading, Failed)
    assert 100 <= time.time() - last_well(reading) < 120
    host.close()


def test_a_journal_and_an_audit_log_that_nobody_follows_have_no_age(host: Host) -> None:
    for reading in (host.books.journal_reading(), host.books.audit_log_reading()):
        assert isinstance(reading, Failed)
        assert reading.last is None
    host.close()


def test_a_journal_that_does_not_keep_the_evidence_is_a_problem_while_it_is_followed(host: Host) -> None:
    (host.root / "etc/systemd").mkdir(parents=True)
    (host.root / "etc/systemd/journald.conf").write_text("[Journal]\nMaxLevelStore=warning\n")
    assert isinstance(host.books.journal_reading(), Failed)
    host.books.journal._problem, host.books.journal.well_at_seconds = "", 1000.0
    reading = host.books.journal_reading()
    assert isinstance(reading, Read)
    assert "MaxLevelStore=info" in reading.problems[0]
    host.close()


def test_a_follower_that_has_died_makes_its_log_old(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    now_seconds = 1000.0
    monkeypatch.setattr("time.time", lambda: now_seconds)
    (host.root / "var/log/audit").mkdir(parents=True)
    (host.root / "var/log/audit/audit.log").touch()
    host.books.audit_log.catch_up()
    now_seconds += 700
    reading = host.books.audit_log_reading()
    assert isinstance(reading, Read)
    assert now_seconds - last_well(reading) == 700
    host.close()
