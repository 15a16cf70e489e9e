import threading
import time
from pathlib import Path

import pytest

from exporter.sources.zfs.roll import Roll
from tests.sources.pools import LIST_ASKED, RECORDED_KSTAT, Lab, many


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_names_are_listed_anew_after_twenty_times_as_long_as_it_took(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 1)
    source = lab.source(budget_seconds=9, clock=lab.lists)
    for _ in range(22):
        source.read()

    lists = [call for call in lab.calls() if call.startswith("zfs ")]
    assert [number for number, call in enumerate(lists) if call == "zfs tank"] == [0, 20]


def late_names(lab: Lab) -> None:
    """A pool whose names are listed once somebody lets them."""
    lab.install(
        "zfs",
        f'case "$*" in *"-o name "*) until [ -e {lab.kstat}/go ]; do sleep 0.01; done; echo tank/late; exit;; esac'
        f"\n{LIST_ASKED}",
    )


def test_while_names_are_being_listed_that_is_told_and_what_is_mounted_is_read(lab: Lab) -> None:
    late_names(lab)
    source = lab.source(budget_seconds=0.2, names_seconds=60, clock=lambda: 0.0)
    source._kstat = RECORDED_KSTAT

    for _ in range(2):
        found = [dataset.name for dataset in source.read().datasets]
        assert found == ["tank/bh test", "tank/containers", "tank/containers/objects02"]
        (problem,) = source.problems
        assert problem.startswith("Pool tank: `zfs list` of names has not ended after 0 s; until then only datasets")
    assert lab.calls().count("zfs tank") == 1

    (lab.kstat / "go").touch()
    ends_at = time.monotonic() + 20
    while "tank/late" not in {dataset.name for dataset in source.read().datasets}:
        assert time.monotonic() < ends_at
    assert source.problems == ()


def test_while_names_are_listed_anew_the_known_ones_are_read_and_nothing_is_missing(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 3)
    source = lab.source(budget_seconds=60, names_seconds=60, clock=lambda: 0.0)
    assert len(source.read().datasets) == 3
    late_names(lab)
    source._budget_seconds = 0.2

    assert len(source.read().datasets) == 3
    assert source.problems == ()
    (lab.kstat / "go").touch()


def test_names_that_cannot_be_listed_in_time_are_told_and_asked_for_later(lab: Lab) -> None:
    now = [0.0]
    lab.install("zfs", f'case "$*" in *"-o name "*) exec sleep 60;; esac\n{LIST_ASKED}')
    source = lab.source(budget_seconds=40, deadline_seconds=5, names_seconds=0.2, clock=lambda: now[0])
    source._kstat = RECORDED_KSTAT

    assert len(source.read().datasets) == 3
    assert "`zfs list` did not end within 0.2 s" in source.problems[0]
    for now[0], asked in ((599.0, 1), (600.0, 2)):
        source.read()
        assert lab.calls().count("zfs tank") == asked


def test_a_bug_in_the_listing_of_names_is_no_silence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.pool("tank", "ONLINE")
    monkeypatch.setattr("exporter.sources.zfs.storage.list_names", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        lab.source().read()


def test_names_that_are_listed_for_ever_have_one_thread_however_often_they_are_asked_for() -> None:
    back = threading.Event()
    before = set(threading.enumerate())

    def list_names() -> frozenset[str]:
        back.wait(30)
        return frozenset({"tank/late"})

    roll = Roll("tank", list_names, time.monotonic)
    for _ in range(20):
        assert "has not ended after" in roll.call(0.001)
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("zfs-names", True)
    back.set()
    thread.join(30)
    assert roll.call(0) == ""
    assert roll.names == {"tank/late"}
