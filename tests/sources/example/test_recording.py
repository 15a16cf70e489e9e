from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import Unreadable
from exporter.sources.example.recording import load_recording, parse_recording, render_recording


def test_a_recording_is_read_as_it_was_written() -> None:
    recording = load_recording()
    assert parse_recording(render_recording(recording)) == recording


@given(st.binary(max_size=200))
def test_bytes_that_are_no_recording_are_told(raw: bytes) -> None:
    with pytest.raises(Unreadable, match="install Bulkhead again"):
        parse_recording(raw)


def test_no_environment_and_no_command_line_of_a_container_was_recorded() -> None:
    raw = render_recording(load_recording())
    assert b"CreateCommand" not in raw
    assert b"PATH=" not in raw
