"""The ledger on disk: one SQLite file in the state directory, each settlement one transaction.

Rows and the cursors of all sources are written together, so whatever moment the power goes at, what was
counted and what will be told again fit. A transaction that changed a count is on the disk before anybody can see the
count. One that moved cursors alone may be lost: what came since is heard again, and known.

    kind     key                                    body
    account  web                                    {"name":"web","oom_kills":3,...}
    cursor   journal                                "s=054bb0e2...;i=cab;..."

What cannot be written (a full disk, a read-only directory) stays in memory and is tried again at the next
settlement. A file that could not be read at the start (its disk came late) is not written over: its totals are of
more than is in memory. A file that is damaged is set aside under another name; the rows of it that are whole, as their
checksums say, go on in a new file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from exporter.ledger.migration import migrate, name_users
from exporter.ledger.salvage import mend
from exporter.ledger.state import HostBook, State
from exporter.rows import Damaged, OtherFormat, Rows, Salvage, Unavailable, Words, decoded

FILE = "ledger.db"
SCHEMA = 3
_FIRST_SCHEMA = 1
_WITHOUT_CHECKSUMS = frozenset({_FIRST_SCHEMA, 2})
_NAMED = 10  # containers in a sentence
_CURSOR, _HOST = "cursor", "host"
_WORDS = Words("the ledger", "counts are kept in memory", "counts are in memory; free space or mend its permissions")
_UNREAD = "it was not readable at the start; restart to join both: its totals go on"
log = logging.getLogger("bulkhead")


class Store:
    """Keeps a State in `directory`; `None` keeps nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._rows = (
            Rows(directory / FILE, _WORDS, SCHEMA, migrated=_WITHOUT_CHECKSUMS, is_checked=True) if directory else None
        )
        self._cursors: dict[str, str] = {}
        self._unwritten: set[tuple[str, str]] = set()
        self._has_read = False
        self.salvaged = ""
        """What became of a file that was found damaged, one sentence; "" if it was whole."""

    @property
    def problem(self) -> str:
        """Why nothing is kept, one sentence; "" when all is."""
        return self._rows.problem if self._rows else "no state directory"

    @property
    def writes(self) -> int:
        """Transactions since the start."""
        return self._rows.writes if self._rows else 0

    def load(self) -> State:
        """What was kept, and the cursors with it; an empty state if there is nothing, or nothing that can be read."""
        if self._rows is None:
            return State()
        try:
            state = self._read(self._rows)
        except Unavailable as error:
            self._rows.report(str(error))
            return State()
        except Damaged as error:
            state = self._salvage(self._rows, error)
        self._has_read = True
        return state

    def load_again(self) -> State:
        """The state as of the last transaction, for one that was left half-way. Raises what kept it from being read."""
        if self._rows is None:
            return State()
        if not self._rows.is_open and not _size_bytes(self._rows.path):
            raise Unavailable(f"{self._rows.path} is gone")  # to read it would make an empty one
        try:
            return self._read(self._rows)
        except Damaged as error:
            return self._salvage(self._rows, error)

    def cursor(self, source: str) -> str:
        """Where this source was read up to; "" if it never was."""
        return self._cursors.get(source, "")

    def save(self, state: State, cursors: Mapping[str, str]) -> None:
        """Write what was touched, and the cursors, as one transaction. Never raises: see `problem`."""
        moved = {("cursor", source) for source, at in cursors.items() if self._cursors.get(source) != at}
        self._cursors |= cursors
        touched = state.touched | moved
        state.touched.clear()
        if self._rows is None:
            return
        self._unwritten |= touched
        if not self._unwritten:
            return
        self._has_read = self._has_read or self._holds_nothing(self._rows)
        if not self._has_read:
            return
        if self._write(self._rows, state) or self._write_anew(self._rows, state):
            self._unwritten.clear()

    def close(self) -> None:
        """Give the file back."""
        if self._rows is not None:
            self._rows.close()

    def _write(self, rows: Rows, state: State) -> bool:
        has_counts = any(kind != _CURSOR for kind, _ in self._unwritten)
        return rows.write(
            ((kind, key, self._row(state, kind, key)) for kind, key in self._unwritten), is_synced=has_counts
        )

    def _write_anew(self, rows: Rows, state: State) -> bool:
        """Write all rows to a new file, if the file was damaged while this process had all of it in memory."""
        if not rows.is_damaged or (aside := rows.set_aside("damaged")) is None:
            return False
        log.error("the ledger was damaged: it was set aside and written anew in whole", extra={"file": str(aside)})
        self._unwritten |= self._all(state)
        return self._write(rows, state)

    def _all(self, state: State) -> set[tuple[str, str]]:
        cursors = {(_HOST, ""), *((_CURSOR, source) for source in self._cursors)}
        return cursors | {(kind, key) for kind, (table, _) in state.tables().items() for key in table}

    def _holds_nothing(self, rows: Rows) -> bool:
        """Whether there is no file, or an empty one, so that what was counted in memory may be written there."""
        try:
            # Its size first: to open the file of another agent is to wait for it.
            if not _size_bytes(rows.path) and not list(rows.read()):
                return True
            reason = _UNREAD
        except (OSError, Unavailable, Damaged) as error:
            reason = str(error)
        rows.report(reason)
        return False

    def _read(self, rows: Rows) -> State:
        state = State()
        for kind, key, body in rows.read():
            self._take(state, kind, key, body)
        if rows.schema_read == _FIRST_SCHEMA:
            if rows.has_checksums:
                raise Damaged("the number of its format is not the one that it was written with")
            migrate(state)
        name_users(state)
        state.order()
        return state

    def _take(self, state: State, kind: str, key: str, body: bytes) -> None:
        """Take one row as read. Raises Damaged."""
        tables = state.tables()
        if kind == _CURSOR:
            self._cursors[key] = decoded(body, str)
        elif kind == _HOST:
            state.host = decoded(body, HostBook)
        elif kind in tables:
            table, shape = tables[kind]
            table[key] = decoded(body, shape)

    def _row(self, state: State, kind: str, key: str) -> object:
        match kind:
            case "cursor":
                return self._cursors.get(key)
            case "host":
                return state.host
            case _:
                return state.tables()[kind][0].get(key)

    def _salvage(self, rows: Rows, error: Damaged) -> State:
        """Set the file aside, and have what of it is whole written to a new one."""
        state, self._cursors = State(), {}
        is_of_others = isinstance(error, OtherFormat)
        found = Salvage() if is_of_others else rows.salvage()
        unread = found.damaged
        for row in found.rows:
            try:
                self._take(state, *row)
            except Damaged:
                unread += 1
        lost = mend(state)
        state.order()
        self._unwritten = self._all(state)
        aside = rows.set_aside("other-format" if is_of_others else "damaged")
        began = f", and the totals of {', '.join(lost[:_NAMED])}{' and others' * (len(lost) > _NAMED)} began anew"
        what = f"{len(found.rows)} rows of it go on, {unread} are known to be lost{began if lost else ''}"
        self.salvaged = f"it cannot be used ({error}) and is now {aside or rows.path}: {what}"
        log.error(
            "the ledger cannot be used: it was set aside, and what cannot be read of it is counted anew",
            extra={"file": str(aside or rows.path), "reason": str(error), "left": what},
        )
        rows.open()
        return state


def _size_bytes(path: Path) -> int:
    """0 for a file that is not there. Raises OSError where that cannot be told."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
