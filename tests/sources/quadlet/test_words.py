from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sources.quadlet.words import WordsError, argument_words, list_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", ()),
        ("CAP_CHOWN  CAP_KILL\t", ("CAP_CHOWN", "CAP_KILL")),
        ("\"CAP_CHOWN\" 'CAP_KILL'", ("CAP_CHOWN", "CAP_KILL")),
        ('a"b c"d', ("ab cd",)),
        (r"C:\x41 \\", (r"C:\x41", r"\\")),
        ('a "" b', ("a",)),
    ],
)
def test_a_plain_list_keeps_its_backslashes(value: str, words: tuple[str, ...]) -> None:
    assert list_words(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (r"--env A=\x41\u00e9\101\n --cpus=1", ("--env", "A=AéA\n", "--cpus=1")),
        (r'"a \" b" c', ('a " b', "c")),
        (r"'it\'s' a\ b".replace(r"\ ", r"\s"), ("it's", "a b")),
        ('--cap-add="never closed', ("--cap-add=never closed",)),
        ('"ends in a backslash\\', ("ends in a backslash",)),
        ('"an escaped quote is no end\\"', ('an escaped quote is no end"',)),
    ],
)
def test_a_command_line_knows_escapes(value: str, words: tuple[str, ...]) -> None:
    assert argument_words(value) == words


@pytest.mark.parametrize("value", [r"\q", r"\x4", r"\x00", r"\400", r"\ud800", r"\U00110000"])
def test_an_escape_that_does_not_exist_splits_nothing(value: str) -> None:
    with pytest.raises(WordsError, match="no escape"):
        argument_words(f"--cap-drop=all {value}")


def test_a_quote_that_is_never_closed_splits_no_list() -> None:
    with pytest.raises(WordsError, match="never closed"):
        list_words('CAP_CHOWN "CAP_KILL')


@given(st.text(max_size=60))
def test_any_text_is_split_or_refused(value: str) -> None:
    for split in (list_words, argument_words):
        with contextlib.suppress(WordsError):
            assert all(split(value))


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="\\'"), min_size=1), max_size=5))
def test_quoted_words_come_back_whole(words: list[str]) -> None:
    assert argument_words(shlex.join(words)) == tuple(words)
