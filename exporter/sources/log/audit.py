"""auditd's log, where SELinux' denials are while auditd runs: /var/log/audit/audit.log, auditd.conf(5).

It is looked at each second, from where it was read before: the cursor is `INODE:OFFSET`. auditd renames it to
audit.log.1 and so on when it is full; what of the old files was not read yet is read first, oldest first. A file that
is gone was older than all that are left. Where that is the file that was being read, its rest is lost, with whole files
after it perhaps: that is counted in `events_lost` and logged.

Looks again: for the log, for its file of now and for what is new in it, each second. A log that is quiet is well: what
counts is that the file which has its name now was read to its end.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from exporter.facts.evidence import Denial
from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.sources.log.denial import parse_denial

_NAME = "audit.log"
_OLD = re.compile(r"audit\.log\.([0-9]{1,4})")
_CURSOR = re.compile(r"([0-9]{1,20}):([0-9]{1,20})")
_CHUNK_BYTES = 1 << 20
_LINE_BYTES = 1 << 16  # a record is 8 KiB at most
_WAIT_SECONDS = 1.0
log = logging.getLogger("bulkhead")

Hear = Callable[[tuple[Denial, ...], str], None]


class AuditLogSource:
    """Follows auditd's log below `directory` from `cursor` on, or from now on where that is ""."""

    def __init__(self, cursor: str, hear: Hear, directory: Path) -> None:
        found = _CURSOR.fullmatch(cursor)
        self._inode, self._offset = (int(found[1]), int(found[2])) if found else (0, 0)
        self._hear = hear
        self._directory = directory
        self._problem: SourceError | None = Unreadable("has not been read yet")
        self.well_at_seconds: float | None = None
        """Unix time at which it was last read to its end; None before."""
        self.events = 0
        """Denials told of, of whomever."""
        self.events_lost = 0
        """Times that it was shorter than what was read of it before, or gone before it was read to its end."""

    def read(self) -> None:
        """Nothing: it is followed, up to `well_at_seconds`. Raises NotHere, Unreadable while it is not."""
        if self._problem is not None:
            raise self._problem.with_traceback(None)  # which would grow with each scrape

    def follow(self, stop: threading.Event) -> None:
        """Hear every denial, until `stop` is set."""
        while not stop.is_set():
            self.catch_up()
            stop.wait(_WAIT_SECONDS)

    def catch_up(self) -> None:
        """Hear all that is new. Never raises: see `read`."""
        try:
            while self._read_on():
                pass
        except FileNotFoundError:
            self._problem = NotHere(f"no {self._directory / _NAME}: auditd does not run, denials are in the journal")
        except OSError as error:
            reason = f"{self._directory / _NAME} cannot be read ({error.strerror}): run as root"
            self._problem = Unreadable(reason)
        else:
            self._problem = None
            self.well_at_seconds = time.time()

    def _read_on(self) -> bool:
        """Hear a piece of one file; whether there may be more."""
        files = self._files()
        if not self._inode:
            # Nothing was ever read: begin at now.
            status = files[-1].stat()
            self._inode, self._offset = status.st_ino, status.st_size
            self._hear((), f"{self._inode}:{self._offset}")
        inodes = [path.stat().st_ino for path in files]
        if self._inode not in inodes:
            self.events_lost += 1
            log.warning(
                "a file of the audit log was deleted before it was read to its end: denials may be missing",
                extra={"directory": str(self._directory), "offset": self._offset},
            )
            self._inode, self._offset = inodes[0], 0
        at = inodes.index(self._inode)
        with files[at].open("rb") as file:
            if os.fstat(file.fileno()).st_ino != self._inode:
                return True  # it was renamed meanwhile
            if os.fstat(file.fileno()).st_size < self._offset:
                self.events_lost += 1
                self._offset = 0
            file.seek(self._offset)
            piece = file.read(_CHUNK_BYTES)
        whole = piece[: piece.rfind(b"\n") + 1]
        if not whole and len(piece) > _LINE_BYTES:
            whole = piece  # no record is that long
        if whole:
            self._offset += len(whole)
            self._take(whole)
        elif at + 1 < len(inodes):
            self._inode, self._offset = inodes[at + 1], 0
        else:
            return False
        return True

    def _take(self, lines: bytes) -> None:
        told = (parse_denial(line.decode("utf-8", "replace")) for line in lines.split(b"\n") if b"avc:" in line)
        denials = tuple(denial for denial in told if denial is not None)
        self.events += len(denials)
        self._hear(denials, f"{self._inode}:{self._offset}")

    def _files(self) -> list[Path]:
        """The log with its predecessors, oldest first. Raises FileNotFoundError without a log."""
        old = {
            int(found[1]): path
            for path in self._directory.iterdir()
            if (found := _OLD.fullmatch(path.name)) is not None
        }
        current = self._directory / _NAME
        current.stat()
        return [*(old[number] for number in sorted(old, reverse=True)), current]
