"""A file of rows on disks that are full, denied, damaged, or another's."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from exporter.rows import Damaged, OtherFormat, Rows, Unavailable, Words, decoded
from exporter.rows import file as rows_module

WORDS = Words("the test", "it is in memory", "free space")
SCHEMA = 3
LARGE = "x" * 100_000


@pytest.fixture(autouse=True)
def _log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bulkhead")


def rows_of(directory: Path, *, is_checked: bool = False, largest_bytes: int | None = None) -> Rows:
    return Rows(directory / "test.db", WORDS, SCHEMA, is_checked=is_checked, largest_bytes=largest_bytes)


def written(directory: Path) -> Path:
    made = rows_of(directory)
    assert made.write([("account", "web", {"kills": 3}), ("account", "db", {"kills": 1})])
    made.close()
    return made.path


def execute(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_what_was_written_is_read_and_a_body_of_none_deletes_the_row(tmp_path: Path) -> None:
    written(tmp_path)
    made = rows_of(tmp_path)
    assert set(made.read()) == {("account", "web", b'{"kills":3}'), ("account", "db", b'{"kills":1}')}
    assert made.write([("account", "web", {"kills": 4}), ("account", "db", None)])
    assert list(made.read()) == [("account", "web", b'{"kills":4}')]
    assert (made.writes, made.problem, made.is_open) == (1, "", True)
    made.close()
    assert not made.is_open


def test_a_file_that_is_there_is_opened_without_a_write(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    made = rows_of(tmp_path)
    made.open()
    assert list(made.read())
    wal = tmp_path / "test.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0
    made.close()
    assert path.read_bytes() == before


def test_a_write_is_all_or_nothing_and_a_full_disk_is_said_once_until_there_is_space(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = rows_of(tmp_path, largest_bytes=64 * 1024)
    for _ in range(2):
        assert not made.write([("account", "small", 1), ("account", "large", LARGE)])
        assert made.problem == f"{made.path} cannot be written (database or disk is full): free space"
        assert not made.is_open
    assert made.write([("account", "other", 2)])
    assert (made.problem, made.writes) == ("", 1)
    assert list(made.read()) == [("account", "other", b"2")]
    made.close()
    assert logged(caplog) == [
        ("ERROR", "the test cannot be written: it is in memory"),
        ("WARNING", "the test is written again"),
    ]


def test_another_reason_is_said_as_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = rows_of(tmp_path)
    for reason in ("one", "one", "two"):
        made.report(reason)
    assert [vars(record)["reason"] for record in caplog.records] == ["one", "two"]


def test_a_directory_that_cannot_be_made_holds_no_rows_and_is_written_once_it_can(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    made = rows_of(tmp_path / "state")
    with pytest.raises(Unavailable):
        list(made.read())
    made.open()
    assert "File exists" in made.problem
    assert not made.write([("account", "web", 1)])
    (tmp_path / "state").unlink()
    assert made.write([("account", "web", 1)])
    made.close()


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_file_that_cannot_be_opened_now_is_unavailable_and_not_damaged(tmp_path: Path, *, is_checked: bool) -> None:
    (tmp_path / "test.db").mkdir()
    with pytest.raises(Unavailable, match="unable to open"):
        list(rows_of(tmp_path, is_checked=is_checked).read())


def test_of_two_processes_the_second_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_BUSY_SECONDS", 0.01)
    first, second = rows_of(tmp_path), rows_of(tmp_path)
    first.write([("account", "web", 1)])
    with pytest.raises(Unavailable, match="locked"):
        list(second.read())
    assert not second.write([("account", "web", 2)])
    first.close()
    assert list(second.read()) == [("account", "web", b"1")]
    second.close()


@pytest.mark.parametrize("is_checked", [False, True])
def test_the_file_of_another_version_is_neither_read_nor_written(tmp_path: Path, *, is_checked: bool) -> None:
    path = written(tmp_path)
    execute(path, "PRAGMA user_version = 7")
    made = rows_of(tmp_path, is_checked=is_checked)
    with pytest.raises(OtherFormat, match="its format is 7, this program knows 3"):
        list(made.read())
    assert not made.write([("account", "web", None)])
    assert "its format is 7" in made.problem
    execute(path, f"PRAGMA user_version = {SCHEMA}")
    assert len(list(made.read())) == 2
    made.close()


def test_a_file_of_an_older_version_is_read_for_its_owner_and_has_the_new_one_after_a_write(tmp_path: Path) -> None:
    path = written(tmp_path)
    execute(path, "PRAGMA user_version = 2")

    def opened() -> Rows:
        return Rows(path, WORDS, SCHEMA, migrated=frozenset({2}), largest_bytes=64 * 1024)

    made = opened()
    assert len(list(made.read())) == 2
    assert made.schema_read == 2
    assert not made.write([("account", "large", LARGE)])
    made = opened()
    assert len(list(made.read())) == 2
    assert made.schema_read == 2  # the version is written with the rows, or not at all
    assert made.write([("account", "web", {"kills": 4})])
    assert made.schema_read == SCHEMA
    made.close()
    made = rows_of(tmp_path)
    assert ("account", "web", b'{"kills":4}') in list(made.read())
    made.close()


@pytest.mark.parametrize("damage", [b"this is no database" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
@pytest.mark.parametrize("is_checked", [False, True])
def test_a_damaged_file_is_called_damaged_and_given_back(tmp_path: Path, damage: bytes, *, is_checked: bool) -> None:
    (tmp_path / "test.db").write_bytes(damage)
    made = rows_of(tmp_path, is_checked=is_checked)
    with pytest.raises(Damaged):
        list(made.read())
    assert not made.is_open


def test_only_a_checked_file_is_damaged_by_what_it_cannot_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_file(_: Rows) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Rows, "_open", open_file)
    with pytest.raises(Unavailable, match="disk I/O"):
        list(rows_of(tmp_path).read())
    with pytest.raises(Damaged, match="disk I/O"):
        list(rows_of(tmp_path, is_checked=True).read())


def test_damage_that_no_row_lies_on_is_found_where_the_file_is_checked(tmp_path: Path) -> None:
    path = written(tmp_path)
    execute(path, "CREATE TABLE other AS SELECT 1")
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    unchecked = rows_of(tmp_path)
    assert len(list(unchecked.read())) == 2
    unchecked.close()
    with pytest.raises(Damaged):
        list(rows_of(tmp_path, is_checked=True).read())


def test_files_that_are_set_aside_are_numbered_and_take_their_log_with_them(tmp_path: Path) -> None:
    made = rows_of(tmp_path)
    for number in (1, 2):
        made.path.write_text(f"file {number}")
        (tmp_path / "test.db-wal").write_text(f"log {number}")
        aside = made.set_aside("damaged")
        assert aside == tmp_path / f"test.db.damaged-{number}"
        assert aside.read_text() == f"file {number}"
        assert Path(f"{aside}-wal").read_text() == f"log {number}"
    made.open()
    assert made.is_open
    made.close()


def test_a_file_that_cannot_be_set_aside_is_said(tmp_path: Path) -> None:
    made = rows_of(tmp_path)
    assert made.set_aside("damaged") is None
    assert "No such file" in made.problem


def test_a_file_is_begun_anew_where_the_damaged_was_set_aside(tmp_path: Path) -> None:
    made = rows_of(tmp_path)
    made.write([("account", "web", 1)])
    made.set_aside("damaged")
    assert list(made.read()) == []
    made.close()


@pytest.mark.parametrize("body", [b'{"kills":', b'"text"', b'"\xff"'])
def test_a_body_of_another_shape_is_damage(body: bytes) -> None:
    assert decoded(b'{"web":3}', dict[str, int]) == {"web": 3}
    with pytest.raises(Damaged):
        decoded(body, dict[str, int])


def test_a_row_that_was_changed_without_its_checksum_is_damage(tmp_path: Path) -> None:
    for change in ("body = '{\"kills\":4}'", "key = 'wed'", "kind = 'accoun'", "body = 3", "checksum = NULL"):
        path = written(tmp_path)
        execute(path, f"UPDATE row SET {change} WHERE key = 'web'")
        with pytest.raises(Damaged, match="checksum"):
            list(rows_of(tmp_path).read())
        path.unlink()


def test_text_that_is_none_is_damage(tmp_path: Path) -> None:
    path = written(tmp_path)
    execute(path, "UPDATE row SET key = CAST(x'ff' AS TEXT) WHERE key = 'web'")
    with pytest.raises(Damaged, match="UTF-8"):
        list(rows_of(tmp_path).read())


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_table_that_is_missing_is_damage(tmp_path: Path, *, is_checked: bool) -> None:
    execute(written(tmp_path), "DROP TABLE row")
    with pytest.raises(Damaged):
        list(rows_of(tmp_path, is_checked=is_checked).read())


def test_rows_of_a_version_without_checksums_get_them_with_the_first_write(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    execute(path, "CREATE TABLE row (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID")
    execute(path, "INSERT INTO row VALUES ('account', 'web', CAST('{\"kills\":3}' AS BLOB))")
    execute(path, "PRAGMA user_version = 2")
    made = Rows(path, WORDS, SCHEMA, migrated=frozenset({2}))
    assert list(made.read()) == [("account", "web", b'{"kills":3}')]
    had_checksums = made.has_checksums
    assert made.write([("account", "db", {"kills": 1})])
    assert (had_checksums, made.has_checksums) == (False, True)
    made.close()
    again = rows_of(tmp_path)
    assert set(again.read()) == {("account", "web", b'{"kills":3}'), ("account", "db", b'{"kills":1}')}
    again.close()
    execute(path, "UPDATE row SET key = 'wed' WHERE key = 'web'")
    with pytest.raises(Damaged):
        list(rows_of(tmp_path).read())


def test_what_a_version_of_before_left_open_to_others_is_closed(tmp_path: Path) -> None:
    made = rows_of(tmp_path)
    made.write([("account", "web", 1)])
    left = tmp_path / "after-a-crash"
    shutil.copytree(tmp_path, left)
    made.close()
    for path in left.iterdir():
        path.chmod(0o644)
    again = rows_of(left)
    assert list(again.read())
    assert {path.name: path.stat().st_mode & 0o777 for path in left.iterdir()} == {
        "test.db": 0o600,
        "test.db-wal": 0o600,
    }
    again.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_a_file_is_its_owners_alone_from_the_first_moment_on(tmp_path: Path, umask: int) -> None:
    made = rows_of(tmp_path)
    before = os.umask(umask)
    try:
        assert made.write([("account", "web", 1)])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    made.close()
    aside = made.set_aside("damaged")
    assert aside is not None
    assert aside.stat().st_mode & 0o777 == 0o600


def test_log_names_the_file_that_is_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = rows_of(tmp_path)
    made.report("full")
    made.write([])
    assert vars(caplog.records[-1])["file"] == str(made.path)
    made.close()
