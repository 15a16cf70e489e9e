"""The queue on disk: notify.db in the state directory, each change one transaction.

    kind    key                            body
    watch                                  {"began_seconds":1800000000.0,"oom_kills":{"web":3},...}
    alert   alertname='BulkheadOomKill'... {"labels":{...},"starts_seconds":1800000000.0,"peers":{...},...}

What cannot be written stays in memory and is tried again with the next change. A file that is damaged is set aside; the
rows of it that are whole go on in a new one. An alert that was lost so is made anew if it still holds.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.notify.delivery import Entry
from exporter.notify.watch import Watch
from exporter.rows import Damaged, OtherFormat, Rows, Salvage, Unavailable, Words, decoded

FILE = "notify.db"
SCHEMA = 2
_WITHOUT_CHECKSUMS = frozenset({1})
_SALVAGED_SECONDS = 3600.0
_LARGEST_BYTES = 64 * 1024 * 1024
_WORDS = Words("the queue of alerts", "it is in memory", "alerts on their way are in memory; free space or mend it")
log = logging.getLogger("bulkhead")


class Store:
    """Keeps a watch and its entries in `directory`; None keeps nothing. One thread at a time."""

    def __init__(self, directory: Path | None) -> None:
        self._rows = (
            Rows(
                directory / FILE,
                _WORDS,
                SCHEMA,
                migrated=_WITHOUT_CHECKSUMS,
                is_checked=True,
                reads_again=True,
                largest_bytes=_LARGEST_BYTES,
            )
            if directory
            else None
        )
        self._unwritten: dict[tuple[str, str], object] = {}  # what is to be there; None: nothing
        self._salvaged = ""  # what became of a file that was damaged
        self._salvaged_at = 0.0  # by the monotonic clock
        self._is_unread = False  # there may be something, and nothing is written over it

    @property
    def problem(self) -> str:
        """Why the queue is not on disk, one sentence; "" when it is, or when there is no directory for it."""
        return self._rows.problem if self._rows else ""

    @property
    def salvaged_lately(self) -> str:
        """What became of a file that was damaged, one sentence, long enough for somebody to see it; else ""."""
        return self._salvaged if time.monotonic() - self._salvaged_at < _SALVAGED_SECONDS else ""

    def load(self) -> tuple[Watch, dict[str, Entry]]:
        """What was kept; an empty watch if there is nothing, or nothing that can be read now."""
        return self._found() or (Watch(), {})

    def load_again(self) -> tuple[Watch, dict[str, Entry]] | None:
        """What was kept, if it could not be read before and can be now."""
        return self._found() if self._is_unread else None

    def _found(self) -> tuple[Watch, dict[str, Entry]] | None:
        self._is_unread = False
        if self._rows is None:
            return None
        try:
            return _read(self._rows.read())
        except Unavailable as error:
            self._rows.report(str(error))
            self._is_unread = True
        except Damaged as error:
            return self._salvage(self._rows, error)
        return None

    def _salvage(self, rows: Rows, error: Damaged) -> tuple[Watch, dict[str, Entry]]:
        """Set the file aside, and have what of it is whole written to a new one."""
        is_of_others = isinstance(error, OtherFormat)
        found = Salvage() if is_of_others else rows.salvage()
        watch, entries = _read(found.rows, Damaged)
        aside = rows.set_aside("other-format" if is_of_others else "damaged")
        what = f"{len(found.rows)} rows of it go on, {found.damaged} are known to be lost"
        self._salvaged_at = time.monotonic()
        self._salvaged = f"the queue of alerts cannot be used ({error}) and is now {aside or rows.path}: {what}"
        log.error("the queue of alerts cannot be used: it was set aside", extra={"reason": str(error), "left": what})
        self.save(watch, entries)
        return watch, entries

    def save(self, watch: Watch | None, entries: Mapping[str, Entry | None]) -> None:
        """Write the watch, if there is a new one, and these entries (None: forget it) as one transaction.

        Never raises: see `problem`.
        """
        if watch is not None:
            self._unwritten["watch", ""] = watch
        self._unwritten |= {("alert", key): entry for key, entry in entries.items()}
        if self._rows is None or not self._unwritten or self._is_unread:
            return
        if self._rows.write((kind, key, value) for (kind, key), value in self._unwritten.items()):
            self._unwritten.clear()

    def close(self) -> None:
        """Give the file back."""
        if self._rows is not None:
            self._rows.close()


def _read(rows: Iterable[tuple[str, str, bytes]], *skipped: type[Exception]) -> tuple[Watch, dict[str, Entry]]:
    watch, entries = Watch(), {}
    for kind, key, body in rows:
        with contextlib.suppress(*skipped):
            if kind == "watch":
                watch = decoded(body, Watch)
            elif kind == "alert":
                entries[key] = decoded(body, Entry)
    return watch, entries
