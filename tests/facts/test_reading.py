"""What a source says when it has no answer."""

import pytest

from exporter.facts.reading import Unreadable, words_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/etc/shadow"), "Permission denied"),
        (OSError("no number"), "no number"),
        (ValueError("embedded null byte"), "embedded null byte"),
        (Unreadable("it is too large"), "it is too large"),
    ],
)
def test_the_words_for_an_error_hold_neither_its_number_nor_its_path(error: Exception, words: str) -> None:
    assert words_of(error) == words
