"""The ledger on disk: one SQLite file in the state directory, each settlement one transaction.

Rows and the cursors of all sources are written together, so whatever moment the power goes at, what was
counted and what will be told again fit. The write-ahead log keeps the file whole; `synchronous = NORMAL`
may lose the last transactions then, and with them the cursors, so these are counted again (sqlite.org/wal.html).

    kind     key                                    body
    account  web                                    {"name":"web","oom_kills":3,...}
    cursor   journal                                "s=054bb0e2...;i=cab;..."

What cannot be written (a full disk, a read-only directory) stays in memory and is tried again at the next
settlement. A file that is damaged is set aside under another name.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from exporter.ledger.state import HostBook, State

FILE = "ledger.db"
SCHEMA = 1
_BUSY_SECONDS = 2.0
log = logging.getLogger("bulkhead")


class _OtherFormat(sqlite3.DatabaseError):
    """Another version of this program has written it."""


class Store:
    """Keeps a State in `directory`; `None` keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / FILE if directory else None
        self._database: sqlite3.Connection | None = None
        self._cursors: dict[str, str] = {}
        self._unwritten: set[tuple[str, str]] = set()
        self._has_read = False
        self.problem = "" if directory else "no state directory"
        """Why nothing is kept, one sentence; "" when all is."""
        self.writes = 0

    def load(self) -> State:
        """What was kept, and the cursors with it; an empty state if there is nothing, or nothing that can be read."""
        state = State()
        if self._path is None:
            return state
        try:
            self._database = self._open()
            self._read(self._database, state)
        except (sqlite3.DatabaseError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._disconnect()
            if isinstance(error, sqlite3.OperationalError) and not _is_damage(error):
                self._tell(error)
                return State()
            state = State()
            self._cursors = {}
            self._set_aside(error)
            self._reopen()
        except OSError as error:
            self._tell(error)
        self._has_read = True
        return state

    def load_again(self) -> State:
        """The state as of the last transaction, for one that was left half-way."""
        state = State()
        if self._database is not None:
            self._read(self._database, state)
        return state

    def cursor(self, source: str) -> str:
        """Where this source was read up to; "" if it never was."""
        return self._cursors.get(source, "")

    def save(self, state: State, cursors: Mapping[str, str]) -> None:
        """Write what was touched, and the cursors, as one transaction. Never raises: see `problem`."""
        if self._path is None:
            self._cursors |= cursors
            state.touched.clear()
            return
        moved = {("cursor", source) for source, at in cursors.items() if self._cursors.get(source) != at}
        self._cursors |= cursors
        self._unwritten |= state.touched | moved
        state.touched.clear()
        if not self._unwritten:
            return
        try:
            if not self._has_read:
                # It could not be read at the start and was counted on in memory: what it holds must not be lost.
                raise sqlite3.OperationalError("it was not readable at the start; restart to join both")
            self._database = self._database or self._open()
            with self._database as transaction:
                transaction.executemany(
                    "INSERT OR REPLACE INTO row (kind, key, body) VALUES (?, ?, ?)", self._bodies(state)
                )
                transaction.executemany("DELETE FROM row WHERE kind = ? AND key = ?", self._gone(state))
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            self._tell(error)
            return
        if self.problem:
            log.warning("the ledger is written again", extra={"file": str(self._path)})
        self.problem = ""
        self._unwritten.clear()
        self.writes += 1

    def close(self) -> None:
        """Give the file back."""
        self._disconnect()

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            raise OSError("no state directory")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            # Exclusive: two agents on one ledger would count everything twice.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            if (version := database.execute("PRAGMA user_version").fetchone()[0]) not in (0, SCHEMA):
                raise _OtherFormat(f"its format is {version}, this program knows {SCHEMA}")
            if (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(verdict))
            if not version:
                _create(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _read(self, database: sqlite3.Connection, state: State) -> None:
        tables = state.tables()
        for kind, key, body in database.execute("SELECT kind, key, body FROM row"):
            if kind == "cursor":
                self._cursors[key] = msgspec.json.decode(body, type=str)
            elif kind == "host":
                state.host = msgspec.json.decode(body, type=HostBook)
            elif kind in tables:
                rows, shape = tables[kind]
                rows[key] = msgspec.json.decode(body, type=shape)

    def _bodies(self, state: State) -> Iterator[tuple[str, str, bytes]]:
        for kind, key in self._unwritten:
            row = self._row(state, kind, key)
            if row is not None:
                yield kind, key, msgspec.json.encode(row)

    def _gone(self, state: State) -> Iterator[tuple[str, str]]:
        return ((kind, key) for kind, key in self._unwritten if self._row(state, kind, key) is None)

    def _row(self, state: State, kind: str, key: str) -> object:
        match kind:
            case "cursor":
                return self._cursors.get(key)
            case "host":
                return state.host
            case _:
                return state.tables()[kind][0].get(key)

    def _set_aside(self, error: Exception) -> None:
        """Rename the damaged file and what SQLite keeps beside it, so that somebody may still look into it."""
        if self._path is None:
            return
        number = 1
        kind = "other-format" if isinstance(error, _OtherFormat) else "damaged"
        while (aside := self._path.with_name(f"{FILE}.{kind}-{number}")).exists():
            number += 1
        try:
            self._path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        except OSError as denied:
            self._tell(denied)
            return
        log.error(
            "the ledger cannot be used: it was set aside, and counting begins anew",
            extra={"file": str(aside), "reason": str(error)},
        )

    def _reopen(self) -> None:
        try:
            self._database = self._open()
        except (sqlite3.Error, OSError) as error:
            self._tell(error)

    def _disconnect(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _tell(self, error: Exception) -> None:
        problem = f"{self._path} cannot be written ({error}): counts are in memory; free space or mend its permissions"
        if problem != self.problem:
            log.error("the ledger cannot be written: counts are kept in memory", extra={"reason": str(error)})
        self.problem = problem


def _create(database: sqlite3.Connection) -> None:
    with database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS row"
            " (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        database.execute(f"PRAGMA user_version = {SCHEMA}")


def _is_damage(error: sqlite3.OperationalError) -> bool:
    # SQLITE_IOERR_SHORT_READ and the like: pages that were promised are not there.
    return "malformed" in str(error) or "disk I/O" in str(error)
