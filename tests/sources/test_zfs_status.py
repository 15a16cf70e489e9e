"""The recorded files are of OpenZFS 2.3.9: pools that were damaged, scrubbed and resilvered on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.storage import DeviceErrors, PoolStatus
from exporter.present.metrics.storage import SCAN_STATES
from exporter.sources.zfs.status import parse_status

RECORDED = Path(__file__).parents[1] / "host" / "zfs"
SOUND = DeviceErrors(0, 0, 0)
WORN = DeviceErrors(0, 0, 243)


def recorded(name: str) -> bytes:
    return (RECORDED / f"zpool-status-{name}.txt").read_bytes()


def at(time: str) -> float:
    return datetime.fromisoformat(f"2026-11-25T{time}").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("tank", PoolStatus(SOUND, 0, "none")),
        ("finished", PoolStatus(SOUND, 0, "scrub_finished", at("16:41:21"), 0)),
        ("mirror-errors", PoolStatus(WORN, 0, "scrub_finished", at("16:41:27"), 0)),
        ("scrub-running", PoolStatus(WORN, 0, "scrub_running")),
        ("scrub-paused", PoolStatus(WORN, 0, "scrub_paused")),
        ("scrub-canceled", PoolStatus(WORN, 0, "scrub_canceled")),
        ("resilver-running", PoolStatus(WORN, 0, "resilver_running")),
        ("resilver-finished", PoolStatus(SOUND, 0, "resilver_finished")),
        ("offline", PoolStatus(SOUND, 0, "resilver_finished")),
        ("suspended", PoolStatus(DeviceErrors(3, 49, 0), 13, "none")),
        ("data-errors", PoolStatus(DeviceErrors(0, 0, 226), 79, "scrub_finished", at("16:42:00"), 79)),
    ],
)
def test_a_recorded_status_is_read(name: str, status: PoolStatus) -> None:
    assert parse_status(recorded(name)) == status


def table(*rows: str) -> bytes:
    return "\n".join(["config:", "", "\tNAME  STATE     READ WRITE CKSUM", *(f"\t{row}" for row in rows), ""]).encode()


def test_what_a_mirror_could_not_repair_is_not_counted_a_second_time() -> None:
    raw = table(
        "tank        ONLINE  1 0 2", "  mirror-0  ONLINE  1 0 2", "    a  ONLINE  3 0 5", "    b  ONLINE  4 1 6"
    )
    assert parse_status(raw).device_errors == DeviceErrors(7, 1, 11)


def test_what_is_wrong_with_a_device_follows_its_figures() -> None:
    raw = table(
        "tank  DEGRADED  0 0 0",
        "  /disks/odd name 1 2 3  FAULTED  1 2 3  too many errors",
        "  9 8 7  UNAVAIL  0 0 0  was /dev/sdb1",
    )
    assert parse_status(raw).device_errors == DeviceErrors(1, 2, 3)


def test_a_rebuild_that_goes_on_is_told_before_the_scrub_of_long_ago() -> None:
    raw = recorded("finished").replace(
        b"config:", b"  scan: resilver (mirror-0) in progress since Wed Nov 25 17:00:00 2026\nconfig:"
    )
    assert parse_status(raw).scan == "resilver_running"
    assert parse_status(raw.replace(b"in progress since", b"canceled on")).scan == "scrub_finished"


@pytest.mark.parametrize("duration", ["00:00:01", "0 days 00:00:01", "12 days 03:04:05"])
def test_the_duration_of_every_version_is_passed_over(duration: str) -> None:
    line = f"  scan: scrub repaired 1.5M in {duration} with 2 errors on Sun Nov  1 03:04:05 2026\n"
    ended = datetime(2026, 11, 1, 3, 4, 5, tzinfo=UTC).timestamp()
    assert parse_status(line.encode()) == PoolStatus(None, None, "scrub_finished", ended, 2)


def test_a_pool_that_was_never_scrubbed_says_so_in_some_versions() -> None:
    assert parse_status(b" scan: none requested\n") == PoolStatus(scan="none")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  scan: error scrub in progress since Wed Nov 25 17:00:00 2026\n",
        b"errors: List of errors unavailable: pool I/O is currently suspended\n",
        b"errors: 99999999999999999999999 data errors, use '-v' for a list\n",
        b"\ttank  ONLINE  0 0 0\n",
    ],
)
def test_what_it_does_not_say_is_not_made_up(raw: bytes) -> None:
    assert parse_status(raw) == PoolStatus()


def test_a_scrub_of_an_unreadable_date_has_its_errors_and_no_time() -> None:
    raw = b"  scan: scrub repaired 0B in 00:00:01 with 4 errors on some day\n"
    assert parse_status(raw) == PoolStatus(None, None, "scrub_finished", None, 4)


figures = st.integers(0, 2**64 - 1)
names = st.text(st.sampled_from("abz019/-_. "), min_size=1, max_size=20).map(str.strip).filter(lambda name: name != "")


@given(st.lists(st.tuples(names, figures, figures, figures), min_size=1, max_size=8), figures)
def test_the_errors_of_any_devices_are_summed(devices: list[tuple[str, int, int, int]], lost: int) -> None:
    rows = [f"  {name}  ONLINE  {read}  {write}  {checksum}" for name, read, write, checksum in devices]
    raw = table("tank  ONLINE  9 9 9", *rows) + f"\nerrors: {lost} data errors, use '-v' for a list\n".encode()

    status = parse_status(raw)

    read, write, checksum = (sum(column) for column in list(zip(*devices, strict=True))[1:])
    assert status.device_errors == DeviceErrors(read, write, checksum)
    assert status.data_errors == lost


words = st.sampled_from(
    [
        b"\t",
        b"  ",
        b"\n",
        b" scan: ",
        b"scrub repaired 0B in 0 with ",
        b"errors: ",
        b"NAME STATE READ WRITE CKSUM",
        b"7",
    ]
)


@given(st.binary() | st.lists(words | st.binary(max_size=4), max_size=40).map(b"".join))
def test_no_bytes_at_all_break_the_parser(raw: bytes) -> None:
    status = parse_status(raw)
    assert status.scan in {*SCAN_STATES, ""}


@given(st.sampled_from(sorted(RECORDED.glob("zpool-status-*.txt"))), st.data())
def test_a_status_that_is_cut_off_says_less_and_nothing_else(path: Path, data: st.DataObject) -> None:
    raw = path.read_bytes()
    whole, part = parse_status(raw), parse_status(raw[: data.draw(st.integers(0, len(raw)))])

    assert part.scan in {"", whole.scan}
    assert part.data_errors in {None, whole.data_errors}
