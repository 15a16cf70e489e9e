"""The queue on disk: notify.db in the state directory, each change one transaction.

    kind    key                            body
    watch                                  {"began_seconds":1800000000.0,"oom_kills":{"web":3},...}
    alert   alertname='BulkheadOomKill'... {"labels":{...},"starts_seconds":1800000000.0,"peers":{...},...}

What cannot be written stays in memory and is tried again with the next change. A file that is damaged is begun anew:
it holds what is on its way, and no count.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from exporter.notify.delivery import Entry
from exporter.notify.watch import Watch
from exporter.rows import Damaged, Rows, Unavailable, Words, decoded

FILE = "notify.db"
SCHEMA = 1
_LARGEST_BYTES = 64 * 1024 * 1024
_WORDS = Words("the queue of alerts", "it is in memory", "alerts on their way are in memory; free space or mend it")
log = logging.getLogger("bulkhead")


class Store:
    """Keeps a watch and its entries in `directory`; None keeps nothing. One thread at a time."""

    def __init__(self, directory: Path | None) -> None:
        self._rows = Rows(directory / FILE, _WORDS, SCHEMA, largest_bytes=_LARGEST_BYTES) if directory else None
        self._unwritten: dict[tuple[str, str], object] = {}  # what is to be there; None: nothing
        self._is_unread = False  # there may be something, and nothing is written over it

    @property
    def problem(self) -> str:
        """Why the queue is not on disk, one sentence; "" when it is, or when there is no directory for it."""
        return self._rows.problem if self._rows else ""

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
            return _read(self._rows)
        except Unavailable as error:
            self._rows.report(str(error))
            self._is_unread = True
        except Damaged as error:
            log.error("the queue of alerts is damaged and begins anew", extra={"reason": str(error)})  # noqa: TRY400 - a sentence, no traceback
            self._rows.delete()
        return None

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


def _read(rows: Rows) -> tuple[Watch, dict[str, Entry]]:
    watch, entries = Watch(), {}
    for kind, key, body in rows.read():
        if kind == "watch":
            watch = decoded(body, Watch)
        elif kind == "alert":
            entries[key] = decoded(body, Entry)
    return watch, entries
