"""Rows are read out of the pages of a file without SQLite, each that is whole and no other."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.rows import Rows, Words
from exporter.rows.pages import PAGE_BYTES, Salvage, salvage
from tests.effort import examples

WORDS = Words("the test", "it is in memory", "free space")
LENGTHS = (0, 1, 900, 980, 990, 1000, 1010, 2000, 4080, 4092, 4100, 9000, 100_000)


def written(directory: Path) -> tuple[bytes, set[tuple[str, str, bytes]]]:
    """A file with rows of all lengths, many of them changed and deleted since, and what SQLite reads in it."""
    chance = random.Random(1)
    with closing(Rows(directory / "test.db", WORDS, 1)) as rows:
        for _ in range(30):
            of_each = [("account", f"c{chance.randrange(200)}", "x" * chance.choice(LENGTHS[:-1])) for _ in range(20)]
            gone = [("account", f"c{chance.randrange(200)}", None) for _ in range(10)]
            rows.write([*of_each, *gone, ("stamp", str(chance.random()), 1)])
        rows.write([("account", f"of {length}", "x" * length) for length in LENGTHS])
        found = set(rows.read())
    return (directory / "test.db").read_bytes(), found


@pytest.fixture(scope="module")
def file_and_rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, set[tuple[str, str, bytes]]]:
    return written(tmp_path_factory.mktemp("rows"))


def test_of_a_whole_file_every_row_is_read_and_none_that_was_deleted(
    file_and_rows: tuple[bytes, set[tuple[str, str, bytes]]],
) -> None:
    data, rows = file_and_rows
    found = salvage(data)
    assert set(found.rows) == rows
    assert (len(found.rows), found.damaged) == (len(rows), 0)


def test_without_its_head_a_file_has_the_same_rows(file_and_rows: tuple[bytes, set[tuple[str, str, bytes]]]) -> None:
    data, rows = file_and_rows
    assert set(salvage(bytes(PAGE_BYTES) + data[PAGE_BYTES:]).rows) == rows


def test_whatever_is_flipped_or_missing_no_row_is_another(
    file_and_rows: tuple[bytes, set[tuple[str, str, bytes]]],
) -> None:
    data, rows = file_and_rows
    for seed in range(examples(300)):
        chance = random.Random(seed)
        spoiled = bytearray(data[: chance.randrange(len(data) // 2, len(data))])
        for _ in range(chance.choice((1, 20, 1000))):
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
        assert set(salvage(bytes(spoiled)).rows) <= rows, f"seed {seed}"


@given(st.binary(max_size=200), st.sampled_from([b"\x0a", b"\x02"]))
def test_bytes_of_any_kind_have_no_rows(noise: bytes, kind: bytes) -> None:
    page = (kind + noise).ljust(PAGE_BYTES, b"\xff")
    assert salvage(page).rows == ()
    assert salvage(noise) == Salvage()


def test_a_row_that_is_there_in_two_states_is_in_neither(tmp_path: Path) -> None:
    moments = []
    for kills in (3, 4):
        with closing(Rows(tmp_path / f"{kills}.db", WORDS, 1)) as rows:
            rows.write([("account", "web", {"kills": kills}), ("account", "db", {"kills": 1})])
        moments.append((tmp_path / f"{kills}.db").read_bytes())
    assert salvage(b"".join(moments)) == Salvage((("account", "db", b'{"kills":1}'),), 1)
