"""The queue on disk: notify.db in the state directory, each change one transaction.

    kind    key                            body
    watch                                  {"began_seconds":1800000000.0,"oom_kills":{"web":3},...}
    alert   alertname='BulkheadOomKill'... {"labels":{...},"starts_seconds":1800000000.0,"peers":{...},...}

What cannot be written stays in memory and is tried again with the next change. A file that is damaged is begun anew:
it holds what is on its way, and no count.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from exporter.notify.delivery import Entry
from exporter.notify.watch import Watch

FILE = "notify.db"
SCHEMA = 1
_BUSY_SECONDS = 2.0
_LARGEST_BYTES = 64 * 1024 * 1024
_PAGE_BYTES = 4096
log = logging.getLogger("bulkhead")


class Store:
    """Keeps a watch and its entries in `directory`; None keeps nothing. One thread at a time."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / FILE if directory else None
        self._database: sqlite3.Connection | None = None
        self._unwritten: dict[tuple[str, str], object] = {}  # what is to be there; None: nothing
        self.problem = ""
        """Why nothing is kept, one sentence; "" when all is."""
        self._is_unread = False  # there may be something, and nothing is written over it

    def load(self) -> tuple[Watch, dict[str, Entry]]:
        """What was kept; an empty watch if there is nothing, or nothing that can be read now."""
        return self._found() or (Watch(), {})

    def load_again(self) -> tuple[Watch, dict[str, Entry]] | None:
        """What was kept, if it could not be read before and can be now."""
        return self._found() if self._is_unread else None

    def _found(self) -> tuple[Watch, dict[str, Entry]] | None:
        self._is_unread = False
        try:
            return self._read()
        except (sqlite3.OperationalError, OSError) as error:
            self._disconnect()
            self._tell(error)
            self._is_unread = True
        except (sqlite3.DatabaseError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._disconnect()
            log.error("the queue of alerts is damaged and begins anew", extra={"reason": str(error)})  # noqa: TRY400 - a sentence, no traceback
            with contextlib.suppress(OSError):
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        return None

    def save(self, watch: Watch | None, entries: Mapping[str, Entry | None]) -> None:
        """Write the watch, if there is a new one, and these entries (None: forget it) as one transaction.

        Never raises: see `problem`.
        """
        if watch is not None:
            self._unwritten["watch", ""] = watch
        self._unwritten |= {("alert", key): entry for key, entry in entries.items()}
        if self._path is None or not self._unwritten or self._is_unread:
            return
        try:
            self._database = self._database or self._open(self._path)
            with self._database as transaction:
                for (kind, key), value in self._unwritten.items():
                    if value is None:
                        transaction.execute("DELETE FROM row WHERE kind = ? AND key = ?", (kind, key))
                    else:
                        body = msgspec.json.encode(value)
                        transaction.execute("INSERT OR REPLACE INTO row VALUES (?, ?, ?)", (kind, key, body))
        except (sqlite3.Error, OSError) as error:
            self._disconnect()
            self._tell(error)
            return
        if self.problem:
            log.warning("the queue of alerts is written again", extra={"file": str(self._path)})
        self.problem = ""
        self._unwritten.clear()

    def close(self) -> None:
        """Give the file back."""
        self._disconnect()

    def _open(self, path: Path) -> sqlite3.Connection:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            # Exclusive: two agents on one queue would send everything twice.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA max_page_count = {_LARGEST_BYTES // _PAGE_BYTES}")
            if (version := database.execute("PRAGMA user_version").fetchone()[0]) not in (0, SCHEMA):
                raise sqlite3.DatabaseError(f"its format is {version}, this program knows {SCHEMA}")
            if version != SCHEMA:  # not again: it is a write, and what is on a full disk can be read
                with database:
                    database.execute(
                        "CREATE TABLE IF NOT EXISTS row"
                        " (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
                    )
                    database.execute(f"PRAGMA user_version = {SCHEMA}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _read(self) -> tuple[Watch, dict[str, Entry]]:
        if self._path is None:
            return Watch(), {}
        self._database = self._open(self._path)
        watch, entries = Watch(), {}
        for kind, key, body in self._database.execute("SELECT kind, key, body FROM row"):
            if kind == "watch":
                watch = msgspec.json.decode(body, type=Watch)
            elif kind == "alert":
                entries[key] = msgspec.json.decode(body, type=Entry)
        return watch, entries

    def _disconnect(self) -> None:
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _tell(self, error: Exception) -> None:
        problem = f"{self._path} cannot be written ({error}): alerts on their way are in memory; free space or mend it"
        if not self.problem:
            log.error("the queue of alerts cannot be written: it is in memory", extra={"reason": str(error)})
        self.problem = problem
