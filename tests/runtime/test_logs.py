from __future__ import annotations

import io
import json
import logging
import os
import sys
import tempfile

from hypothesis import given
from hypothesis import strategies as st

from exporter.runtime.logs import Json, KeyValues, goes_to_journal


def record(message: str, level: int = logging.WARNING, name: str = "bulkhead", **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": message, **extra}
    )


def test_an_event_is_one_line_of_key_and_value() -> None:
    line = KeyValues(for_journal=False).format(record("source cannot be read", collector="podman", created=0.25))
    assert line == 'time=1970-01-01T00:00:00.250Z level=warning msg="source cannot be read" collector=podman'


def test_the_journal_gets_the_priority_and_no_time() -> None:
    journal = KeyValues(for_journal=True)
    assert journal.format(record("x")) == "<4>level=warning msg=x"
    assert journal.format(record("x", logging.ERROR)) == "<3>level=error msg=x"
    assert journal.format(record("x", logging.INFO)) == "<6>level=info msg=x"


def test_a_library_is_named() -> None:
    assert KeyValues(for_journal=True).format(record("x", name="urllib3")) == "<4>level=warning msg=x logger=urllib3"


def test_a_traceback_stays_on_the_line() -> None:
    try:
        int("a\nb")
    except ValueError:
        line = KeyValues(for_journal=True).format(record("x", exc_info=sys.exc_info()))
    assert "\n" not in line
    assert 'traceback="Traceback' in line


def test_json_has_the_same_in_an_object() -> None:
    event = record("source cannot be read", collector="podman", created=0.25)
    assert json.loads(Json(for_journal=False).format(event)) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "msg": "source cannot be read",
        "collector": "podman",
    }
    assert Json(for_journal=True).format(record("x")) == '<4>{"level": "warning", "msg": "x"}'


@given(st.text(), st.text())
def test_an_event_in_json_is_one_line_and_its_values_are_bounded(message: str, value: str) -> None:
    line = Json(for_journal=False).format(record(message.replace("%", ""), reason=value * 100))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert len(json.loads(line)["reason"]) <= 2003


@given(st.text(), st.text())
def test_nobody_can_forge_a_second_event(message: str, value: str) -> None:
    line = KeyValues(for_journal=True).format(record(message.replace("%", ""), reason=value))
    assert line.isascii()
    assert line.isprintable()


def test_values_are_bounded() -> None:
    assert len(KeyValues(for_journal=True).format(record("x", reason="a" * 10**6))) < 2100


def test_only_the_journals_own_stream_is_the_journal() -> None:
    with tempfile.TemporaryFile("w") as stream:
        status = os.fstat(stream.fileno())
        assert goes_to_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not goes_to_journal(stream, {"JOURNAL_STREAM": "8:1"})
        assert not goes_to_journal(stream, {"INVOCATION_ID": "0" * 32})
    assert not goes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "8:1"})
