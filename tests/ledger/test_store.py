from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.ledger import State, Store
from exporter.ledger.store import FILE

WRITER = """
import sys
from pathlib import Path
from exporter.ledger import Store
store = Store(Path(sys.argv[1]))
state = store.load()
print("up", flush=True)
while True:
    state.account("web").oom_kills += 1
    state.account("db").restarts += 1
    store.save(state, {"journal": str(state.accounts["web"].oom_kills)})
"""


def saved(directory: Path, kills: int = 3) -> Store:
    store = Store(directory)
    state = store.load()
    state.account("web").oom_kills = kills
    state.host.oom_kills = kills
    state.touch("host", "")
    store.save(state, {"journal": f"at {kills}"})
    return store


def read(directory: Path) -> tuple[State, Store]:
    store = Store(directory)
    return store.load(), store


def test_what_was_saved_is_there_with_its_cursor(tmp_path: Path) -> None:
    store = saved(tmp_path)
    assert (store.problem, store.writes) == ("", 1)
    store.close()
    state, store = read(tmp_path)
    assert state.accounts["web"].oom_kills == 3
    assert state.host.oom_kills == 3
    assert store.cursor("journal") == "at 3"
    assert store.cursor("kmsg") == ""
    store.close()


def test_a_row_that_was_dropped_is_gone_and_nothing_new_is_no_write(tmp_path: Path) -> None:
    store = saved(tmp_path)
    state = store.load_again()
    del state.accounts["web"]
    state.touch("account", "web")
    store.save(state, {})
    store.save(state, {"journal": "at 3"})
    assert store.writes == 2
    store.close()
    state, store = read(tmp_path)
    assert not state.accounts
    store.close()


def test_the_files_as_they_are_at_any_moment_open_with_totals_and_cursor_of_one_moment(tmp_path: Path) -> None:
    store = Store(tmp_path / "now")
    state = store.load()
    for number in range(1, 40):
        state.account("web").oom_kills = number
        state.account(f"other{number}")
        store.save(state, {"journal": str(number)})
        copy = tmp_path / f"copy{number}"
        shutil.copytree(tmp_path / "now", copy)
        # The power went while the log was being written.
        log = copy / f"{FILE}-wal"
        with log.open("r+b") as file:
            file.truncate(random.Random(number).randint(0, log.stat().st_size))
        kept, again = read(copy)
        assert again.problem == ""
        count = kept.accounts["web"].oom_kills if "web" in kept.accounts else 0
        assert again.cursor("journal") == (str(count) if count else "")
        again.close()
    store.close()


@pytest.mark.parametrize("delay_seconds", [0.005, 0.02, 0.05])
def test_a_writer_that_is_killed_leaves_totals_and_cursor_of_one_moment(tmp_path: Path, delay_seconds: float) -> None:
    writer = subprocess.Popen((sys.executable, "-c", WRITER, str(tmp_path)), stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"up\n"
    time.sleep(delay_seconds)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    state, store = read(tmp_path)
    kills = state.accounts["web"].oom_kills if state.accounts else 0
    assert store.problem == ""
    assert store.cursor("journal") == (str(kills) if kills else "")
    assert not state.accounts or state.accounts["db"].restarts == kills
    store.close()


@pytest.mark.parametrize("damage", [b"this is no database" * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).write_bytes(damage)
    for number in (1, 2):
        store = saved(tmp_path)
        assert (store.problem, store.writes) == ("", 1)
        store.close()
        assert (tmp_path / f"{FILE}.damaged-{number}").read_bytes() == damage
        (tmp_path / FILE).write_bytes(damage)
    assert "set aside" in caplog.text


def test_a_row_that_makes_no_sense_is_damage(tmp_path: Path) -> None:
    saved(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE row SET body = '{\"name\": 7}' WHERE kind = 'account'")
    database.close()
    state, store = read(tmp_path)
    assert not state.accounts
    assert (state.host.oom_kills, store.cursor("journal")) == (3, "at 3")  # their rows are whole
    assert (tmp_path / f"{FILE}.damaged-1").exists()
    store.close()


def test_the_ledger_of_a_newer_version_is_kept_and_not_called_damaged(tmp_path: Path) -> None:
    saved(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 7")
    database.close()
    state, store = read(tmp_path)
    assert not state.accounts
    assert (tmp_path / f"{FILE}.other-format-1").exists()
    assert store.problem == ""
    store.close()


def test_a_full_disk_loses_nothing_that_is_in_memory(tmp_path: Path) -> None:
    store = saved(tmp_path)
    state = store.load_again()
    assert store._rows is not None
    database = store._rows._database
    assert database is not None
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    state.account("x" * 100_000).oom_kills = 5
    store.save(state, {"journal": "at 5"})
    assert "cannot be written (database or disk is full)" in store.problem
    store.save(state, {})  # opened anew: the limit was the connection's
    assert store.problem == ""
    store.close()
    state, store = read(tmp_path)
    assert state.accounts["x" * 100_000].oom_kills == 5
    assert store.cursor("journal") == "at 5"
    store.close()


def test_a_state_directory_that_is_none_is_said_and_counting_goes_on(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = saved(tmp_path / "state")
    assert "cannot be written" in store.problem
    assert store.writes == 0
    (tmp_path / "state").unlink()
    state = State()
    state.account("web").oom_kills = 4
    store.save(state, {})
    assert (store.problem, store.writes) == ("", 1)
    store.close()


def test_a_ledger_on_a_disk_that_comes_late_is_not_written_over(tmp_path: Path) -> None:
    saved(tmp_path / "disk").close()
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    store = saved(tmp_path / "state", kills=1)
    assert "cannot be written" in store.problem
    (tmp_path / "unmounted").rename(tmp_path / "disk")
    before = (tmp_path / "disk" / FILE).read_bytes()
    for kills in (1, 2):
        state = State()
        state.account("web").oom_kills = kills
        store.save(state, {"journal": f"at {kills}"})
        assert "restart to join both: its totals go on" in store.problem
    assert store.writes == 0
    assert (tmp_path / "disk" / FILE).read_bytes() == before
    store.close()
    state, store = read(tmp_path / "state")
    assert (state.accounts["web"].oom_kills, store.cursor("journal")) == (3, "at 3")
    store.close()


def test_a_disk_that_comes_late_and_has_no_ledger_is_written_with_all_that_was_counted(tmp_path: Path) -> None:
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    store = saved(tmp_path / "state")
    assert "cannot be written" in store.problem
    (tmp_path / "disk").mkdir()
    state = State()
    state.account("web").oom_kills = 3
    store.save(state, {"journal": "at 4"})
    assert (store.problem, store.writes) == ("", 1)
    state.account("web").oom_kills = 5
    store.save(state, {"journal": "at 5"})
    assert (store.problem, store.writes) == ("", 2)
    store.close()
    state, store = read(tmp_path / "disk")
    assert (state.accounts["web"].oom_kills, store.cursor("journal")) == (5, "at 5")
    store.close()


@pytest.mark.parametrize("size_bytes", [None, 0])
def test_a_file_that_could_not_be_opened_and_then_holds_nothing_is_written(
    tmp_path: Path, size_bytes: int | None
) -> None:
    (tmp_path / FILE).mkdir()
    store = saved(tmp_path)
    assert "cannot be written" in store.problem
    (tmp_path / FILE).rmdir()
    if size_bytes is not None:  # begun on a full disk
        (tmp_path / FILE).touch()
    state = State()
    state.account("web").oom_kills = 4
    store.save(state, {})
    assert (store.problem, store.writes) == ("", 1)
    store.close()


def test_of_two_agents_on_one_directory_the_second_keeps_its_hands_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.rows.file._BUSY_SECONDS", 0.01)
    first = saved(tmp_path)
    second = saved(tmp_path, kills=9)
    assert "cannot be written" in second.problem
    first.close()
    second.save(second.load_again(), {"journal": "at 9"})
    assert "restart to join both" in second.problem
    second.close()
    state, store = read(tmp_path)
    assert state.accounts["web"].oom_kills == 3
    assert not list(tmp_path.glob("*.damaged*"))
    store.close()


def test_without_a_directory_nothing_is_kept_nor_piled_up() -> None:
    store = Store(None)
    state = store.load()
    state.account("web")
    store.save(state, {"journal": "x"})
    assert store.problem == "no state directory"
    assert not state.touched
    assert not store._unwritten
