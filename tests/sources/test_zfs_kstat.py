from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import NotHere, Unreadable
from exporter.facts.storage import DatasetIo
from exporter.sources.zfs import kstat
from exporter.sources.zfs.kstat import (
    is_dataset_name,
    parse_objset,
    parse_pool_state,
    pool_of,
    read_dataset_io,
    read_pool_states,
)

RECORDED = Path(__file__).parents[1] / "host" / "proc" / "spl" / "kstat" / "zfs"


def test_the_counters_of_recorded_datasets_are_read_by_name() -> None:
    counters = {io.name: io for io in read_dataset_io(RECORDED, "tank")}

    assert sorted(counters) == ["tank/bh test", "tank/containers", "tank/containers/objects02"]
    assert counters["tank/bh test"] == DatasetIo("tank/bh test", 1, 3, 24576, 24576)


def test_the_state_of_a_recorded_pool_is_read() -> None:
    assert read_pool_states(RECORDED) == {"tank": "online"}


def test_no_zfs_module_is_not_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="no zfs module loaded"):
        read_pool_states(tmp_path / "zfs")


def test_statistics_that_cannot_be_listed_are_a_failure(tmp_path: Path) -> None:
    (tmp_path / "zfs").write_text("")

    with pytest.raises(Unreadable, match="cannot be read"):
        read_pool_states(tmp_path / "zfs")


def test_a_pool_of_a_module_too_old_to_tell_its_state_is_still_a_pool(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "arcstats").write_text("")

    assert read_pool_states(tmp_path) == {"old": ""}


def test_a_pool_that_is_exported_meanwhile_has_no_counters(tmp_path: Path) -> None:
    assert read_dataset_io(tmp_path, "gone") == ()


def test_the_number_of_objsets_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kstat, "MAX_OBJSETS", 2)
    (tmp_path / "tank").mkdir()
    recorded = (RECORDED / "tank" / "objset-0x5e").read_text()
    for number in range(5):
        (tmp_path / "tank" / f"objset-{number}").write_text(recorded.replace("objects02", f"c{number}"))

    assert [io.name for io in read_dataset_io(tmp_path, "tank")] == ["tank/containers/c0", "tank/containers/c1"]


@pytest.mark.parametrize(
    ("raw", "state"), [(b"ONLINE\n", "online"), (b"SUSPENDED\n", "suspended"), (b"", ""), (b"\xff\n", ""), (b"a b", "")]
)
def test_the_state_is_one_word_in_lower_case(raw: bytes, state: str) -> None:
    assert parse_pool_state(raw) == state


def test_an_objset_without_a_counter_or_a_name_is_left_out() -> None:
    assert parse_objset(b"dataset_name 7 tank\nwrites 4 1\nreads 4 1\nnread 4 1\n") is None
    assert parse_objset(b"writes 4 1\nnwritten 4 1\nreads 4 1\nnread 4 1\n") is None


@pytest.mark.parametrize("name", ["tank", "tank/web", "tank/a b/c-d_e.f:g", "t" * 255])
def test_these_are_names_of_datasets(name: str) -> None:
    assert is_dataset_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "-rf", "/tank", "tank/", "tank//a", "tank@snap", "tank/a\tb", "tank/a\nb", "tänk", "t" * 256, "tank/%recv"],
)
def test_these_are_not(name: str) -> None:
    assert not is_dataset_name(name)


def test_the_pool_is_the_first_part_of_the_name() -> None:
    assert pool_of("tank/a/b") == pool_of("tank") == "tank"


@given(st.binary())
def test_no_bytes_at_all_break_the_parsers(raw: bytes) -> None:
    parse_pool_state(raw)
    parse_objset(raw)


counter = st.integers(min_value=0, max_value=2**64 - 1)


@given(st.from_regex(r"[a-z][a-z0-9 ]{0,9}(/[a-z0-9][a-z0-9 ]{0,9})?", fullmatch=True), counter, counter)
def test_what_the_kernel_prints_is_what_is_read(name: str, reads: int, written: int) -> None:
    raw = f"dataset_name {7:<4} {name}\nwrites 4 1\nnwritten 4 {written}\nreads 4 {reads}\nnread 4 2\n"

    assert parse_objset(raw.encode()) == DatasetIo(name, reads, 1, 2, written)
