from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.present.untrusted import MAX_CHARACTERS, bounded, printable


@given(st.text(alphabet=st.characters(), max_size=600))
def test_any_text_becomes_short_and_encodable(text: str) -> None:
    result = bounded(text)
    result.encode("utf-8")
    assert len(result) <= MAX_CHARACTERS
    assert "\x00" not in result


@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=32, max_codepoint=126), max_size=MAX_CHARACTERS))
def test_an_ordinary_name_stays_as_it_is(text: str) -> None:
    assert bounded(text) == text


@given(st.text(alphabet=st.characters(), max_size=1200))
def test_any_text_becomes_one_line_that_a_terminal_only_shows(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert len(line) <= 1003
