"""A SQLite file of rows that says once what is wrong with it: the ledger and the queue of alerts are kept so.

    kind     key        body                                  checksum
    account  web        {"name":"web","oom_kills":3,...}      8b4e3f10
    cursor   journal    "s=054bb0e2...;i=cab;..."             0c61d2a7

Each write is one transaction. The write-ahead log keeps the file whole whatever moment the power goes at. A write
that is not synced may be lost then: `synchronous = NORMAL` (sqlite.org/wal.html).

A file that cannot be opened or written (a full disk, a read-only directory, another agent) is `problem` until a write
succeeds, and logged once for each reason. What to do with a damaged file is its owner's decision: `salvage` reads the
rows that are whole, `set_aside` keeps the file under another name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from exporter.rows.checksum import checksum_of
from exporter.rows.pages import PAGE_BYTES, Salvage, salvage

T = TypeVar("T")
_BUSY_SECONDS = 2.0
_MODE = 0o600  # it has names of containers, and of users
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a file
# Errors that say nothing of what the file holds: it may be read later. All others are of a file that is not as written.
_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
log = logging.getLogger("bulkhead")


class Unavailable(Exception):
    """The file, or its directory, cannot be read now; what the file holds may be whole."""


class Damaged(Exception):
    """What the file holds cannot be read, now or later."""


class OtherFormat(Damaged):
    """Another version of this program has written the file."""


@dataclass(frozen=True, slots=True)
class Words:
    """How log and `problem` call the rows, and what they say of rows that cannot be written."""

    name: str
    consequence: str  # in the log
    advice: str  # in `problem`: where the rows are now, and what to do


class Rows:
    """The rows in the file at `path`. One thread at a time.

    `schema` is the version of the bodies; a file with another version is Damaged. A version in `migrated` is read all
    the same: the owner looks at `schema_read`, migrates what it has read, and its next write gives the file `schema`.
    A version of before rows had checksums is one of `migrated`; the write that ends it gives each row its checksum.
    `is_checked`: the whole file is checked when it is opened, and a page of it that cannot be read is damage; not where
    the owner `reads_again` what could not be read at first. A write that would make the file larger than
    `largest_bytes` fails as on a full disk.
    """

    def __init__(
        self,
        path: Path,
        words: Words,
        schema: int,
        *,
        migrated: frozenset[int] = frozenset(),
        is_checked: bool = False,
        reads_again: bool = False,
        largest_bytes: int | None = None,
    ) -> None:
        self.path = path
        self.problem = ""
        """Why the rows are not on disk, one sentence; "" when they are."""
        self.writes = 0
        self.schema_read = schema
        """The version of the bodies in the file."""
        self.is_damaged = False
        """Whether the last write found that the file is damaged."""
        self.has_checksums = True
        """Whether the rows in the file have checksums."""
        self._words = words
        self._schema = schema
        self._migrated = migrated
        self._is_checked = is_checked
        self._reads_again = reads_again
        self._largest_bytes = largest_bytes
        self._database: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last read or write succeeded, and the file is held for this process."""
        return self._database is not None

    def read(self) -> Iterator[tuple[str, str, bytes]]:
        """Kind, key and body of every row. Raises Unavailable or Damaged, and gives the file back then."""
        try:
            self._database = self._database or self._open()
            if self.has_checksums:
                found = self._database.execute("SELECT kind, key, body, checksum FROM row")
                yield from (_whole(*row) for row in found)
            else:
                yield from self._database.execute("SELECT kind, key, body FROM row")
        except OSError as error:
            self.close()
            raise Unavailable(str(error)) from error
        except sqlite3.Error as error:
            self.close()
            raise (Damaged if self._is_damage(error) else Unavailable)(str(error)) from error
        except UnicodeDecodeError as error:  # of a message of SQLite's that quotes the file
            self.close()
            raise Damaged(str(error)) from error
        except Damaged:
            self.close()
            raise

    def salvage(self) -> Salvage:
        """What of a damaged file is whole; nothing where it cannot be read at all."""
        self.close()
        try:
            return salvage(self.path.read_bytes())
        except OSError:
            return Salvage()

    def write(self, changes: Iterable[tuple[str, str, object]], *, is_synced: bool = False) -> bool:
        """Kind, key and body of the rows to write, as one transaction; a body of None deletes the row.

        `is_synced`: they are on the disk after it, whatever the power does. Returns whether they were written; if not,
        see `problem`.
        """
        kept: list[tuple[str, str, bytes, bytes]] = []
        gone: list[tuple[str, str]] = []
        for kind, key, body in changes:
            if body is None:
                gone.append((kind, key))
            else:
                encoded = msgspec.json.encode(body)
                kept.append((kind, key, encoded, checksum_of(kind, key, encoded)))
        try:
            self._database = self._database or self._open()
            self._database.execute(f"PRAGMA synchronous = {'FULL' if is_synced else 'NORMAL'}")
            with self._database as transaction:
                if self.schema_read != self._schema:
                    transaction.execute("BEGIN")  # sqlite3 begins none by itself before a change of the table
                    self._give_schema(transaction)
                transaction.executemany(
                    "INSERT OR REPLACE INTO row (kind, key, body, checksum) VALUES (?, ?, ?, ?)", kept
                )
                transaction.executemany("DELETE FROM row WHERE kind = ? AND key = ?", gone)
        except (sqlite3.Error, OSError, Damaged) as error:
            self.close()
            self.is_damaged = _is_damaged_now(error)
            self.report(str(error))
            return False
        if self.problem:
            log.warning("%s is written again", self._words.name, extra={"file": str(self.path)})
        self.problem = ""
        self.is_damaged = False
        self.schema_read = self._schema
        self.has_checksums = True
        self.writes += 1
        return True

    def report(self, reason: str) -> None:
        """Set `problem`, and log it if it is another one than before."""
        problem = f"{self.path} cannot be written ({reason}): {self._words.advice}"
        if problem != self.problem:
            log.error("%s cannot be written: %s", self._words.name, self._words.consequence, extra={"reason": reason})
        self.problem = problem

    def set_aside(self, kind: str) -> Path | None:
        """Rename the file, so that somebody may still look into it. Returns its new path, None if that is denied."""
        self.close()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.{kind}-{number}")).exists():
            number += 1
        try:
            self.path.rename(aside)
            for suffix in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        except OSError as denied:
            self.report(str(denied))
            return None
        return aside

    def open(self) -> None:
        """Hold the file for this process, and make it if there is none. Where that fails, see `problem`."""
        try:
            self._database = self._database or self._open()
        except (sqlite3.Error, OSError, Damaged) as error:
            self.report(str(error))

    def close(self) -> None:
        """Give the file back."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_private()
        database = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, check_same_thread=False)
        try:
            self._prepare(database)
        except UnicodeDecodeError as error:  # of a message of SQLite's that quotes the file
            database.close()
            raise Damaged(str(error)) from error
        except (sqlite3.Error, Damaged):
            database.close()
            raise
        return database

    def _keep_private(self) -> None:
        """Have nobody else read the file, whatever the umask is; SQLite gives what it keeps beside it the same mode."""
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, _MODE))
        for path in (self.path, *(Path(f"{self.path}{suffix}") for suffix in _BESIDE)):
            if path.is_file() and stat.S_IMODE(path.stat().st_mode) != _MODE:
                with contextlib.suppress(OSError):  # a file that can be read is better than none
                    path.chmod(_MODE)

    def _prepare(self, database: sqlite3.Connection) -> None:
        # Exclusive: two agents on one file would count, and send, everything twice.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        # What was deleted is overwritten: `salvage` must not find rows that are no more.
        database.execute("PRAGMA secure_delete = ON")
        if self._largest_bytes is not None:
            database.execute(f"PRAGMA max_page_count = {self._largest_bytes // PAGE_BYTES}")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, self._schema, *self._migrated}:
            raise OtherFormat(f"its format is {version}, this program knows {self._schema}")
        if self._is_checked and (verdict := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Damaged(str(verdict))
        self.schema_read = version or self._schema
        if not version:  # not again: it is a write, and a file on a full disk can be read
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS row"
                    " (kind TEXT, key TEXT, body BLOB NOT NULL, checksum BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
                )
                database.execute(f"PRAGMA user_version = {self._schema}")
        columns = {column[1] for column in database.execute("PRAGMA table_info(row)")}
        self.has_checksums = "checksum" in columns
        if not self.has_checksums and self.schema_read == self._schema:
            raise Damaged("its table has no checksums")

    def _give_schema(self, transaction: sqlite3.Connection) -> None:
        """Bring a file of an older version to this one: each row gets its checksum."""
        if not self.has_checksums:
            transaction.execute("ALTER TABLE row ADD COLUMN checksum BLOB")
            transaction.create_function("checksum_of", 3, checksum_of, deterministic=True)
            transaction.execute("UPDATE row SET checksum = checksum_of(kind, key, body)")
        transaction.execute(f"PRAGMA user_version = {self._schema}")

    def _is_damage(self, error: sqlite3.Error) -> bool:
        """Whether the error is of what the file holds, and not of reading it now."""
        code: int | None = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_IOERR_SHORT_READ:  # a page that was promised is not there
            return True
        if "disk I/O" in str(error):
            return self._is_checked and not self._reads_again
        # sqlite3 itself raises errors without a code: "Could not decode to UTF-8 column".
        return code is None or code & 0xFF not in _NOT_NOW


def decoded(body: bytes, shape: type[T]) -> T:
    """A row's body. Raises Damaged."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from error


def _is_damaged_now(error: Exception) -> bool:
    """Whether a write failed by what the file holds; rows that SQLite refuses for another reason are no damage."""
    if isinstance(error, Damaged):
        return not isinstance(error, OtherFormat)
    code = error.sqlite_errorcode if isinstance(error, sqlite3.Error) and hasattr(error, "sqlite_errorcode") else 0
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _whole(kind: object, key: object, body: object, checksum: object) -> tuple[str, str, bytes]:
    """The row, if it is as it was written; a flipped bit can also make another type of a column. Raises Damaged."""
    match kind, key, body:
        case str(), str(), bytes() if checksum == checksum_of(kind, key, body):
            return kind, key, body
    raise Damaged("a row is not as it was written: its checksum is another one")
