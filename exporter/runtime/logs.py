"""The log: one line an event on stderr, as key=value, so that a person reads it and a program can; or as JSON.

    time=2026-11-24T00:16:03.120Z level=warning msg="source cannot be read" collector=podman reason="..."
    <4>level=warning msg="source cannot be read" collector=podman reason="..."
    {"time": "2026-11-24T00:16:03.120Z", "level": "warning", "msg": "source cannot be read", "collector": "podman"}

The second is what the journal gets: the number is syslog's priority, sd-daemon(3), and the journal
has the time itself. Callers use the standard library: `log.info("...", extra={"collector": name})`.
Values may come from containers: they are escaped and bounded, so that one event stays one line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import TextIO

log = logging.getLogger("bulkhead")

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,*-]+", re.ASCII)
_LONGEST_VALUE = 2000
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def start(level: str, form: str = "logfmt", stream: TextIO | None = None) -> None:
    """Send Bulkhead's log from `level` up, and warnings of libraries, to `stream` (stderr), as logfmt or json."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LINES[form](for_journal=goes_to_journal(stream, os.environ)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(level.upper())
    threading.excepthook = _tell_lost_thread


def goes_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's own. A shell below a service inherits the variable, not the stream."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # ValueError: a stream without a file, as in tests
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Line(logging.Formatter):
    """One line an event: level, msg, then what the caller gave as `extra`."""

    def __init__(self, *, for_journal: bool) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        pairs = {"level": record.levelname.lower(), "msg": record.getMessage()}
        if record.name != log.name:
            pairs["logger"] = record.name
        pairs |= {key: str(value) for key, value in vars(record).items() if key not in _OWN_FIELDS}
        if record.exc_info:
            pairs["traceback"] = self.formatException(record.exc_info)
        if self._for_journal:
            return f"<{_PRIORITIES.get(record.levelno, 6)}>{self.line_of(pairs)}"
        seconds, rest = divmod(record.created, 1)
        moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(rest * 1000):03d}Z"
        return self.line_of({"time": moment} | pairs)

    @abstractmethod
    def line_of(self, pairs: Mapping[str, str]) -> str:
        """The pairs in one line."""


class KeyValues(Line):
    """key=value, as logfmt has it."""

    def line_of(self, pairs: Mapping[str, str]) -> str:
        """The pairs in one line."""
        return " ".join(f"{key}={_quoted(value)}" for key, value in pairs.items())


class Json(Line):
    """An object whose values are all texts."""

    def line_of(self, pairs: Mapping[str, str]) -> str:
        """The pairs in one line."""
        return json.dumps({key: _bounded(value) for key, value in pairs.items()})


_LINES = {"logfmt": KeyValues, "json": Json}


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value) and len(value) <= _LONGEST_VALUE:
        return value
    return json.dumps(_bounded(value))


def _bounded(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "..."


def _tell_lost_thread(lost: threading.ExceptHookArgs) -> None:
    name = lost.thread.name if lost.thread else "unknown"
    reason = f"{lost.exc_type.__name__}: {lost.exc_value}"
    log.error("a thread ended on an error nobody foresaw; please report this", extra={"task": name, "reason": reason})
    log.debug("where it ended", exc_info=lost.exc_value)
