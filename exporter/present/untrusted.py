"""Text that a container had a say in: names, labels, image names. Escaping is each exit's own; this bounds it.

Undecodable bytes arrive as lone surrogates, which no exit can encode; control characters end or
garble what reads us (Prometheus' own parser stops at a NUL).
"""

from __future__ import annotations

import re
import zlib

MAX_CHARACTERS = 253
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CHECKSUM_CHARACTERS = 8
_LONGEST_LINE = 1000


def bounded(text: str) -> str:
    """The text, valid Unicode without control characters but tab and newline, of at most 253 characters.

    What is cut ends in an ellipsis and a checksum of the whole, so that two long names that begin
    alike stay two names.
    """
    if len(text) <= MAX_CHARACTERS and text.isprintable():
        return text
    clean = _UNFIT.sub("\ufffd", text)
    if len(clean) <= MAX_CHARACTERS:
        return clean
    checksum = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    return f"{clean[: MAX_CHARACTERS - _CHECKSUM_CHARACTERS - 1]}…{checksum:0{_CHECKSUM_CHARACTERS}x}"


def printable(text: str) -> str:
    """The text as one line for a terminal: a name may hold escape sequences, or marks that turn the line around."""
    clean = "".join(character if character.isprintable() else "?" for character in text[: _LONGEST_LINE + 1])
    return clean if len(clean) <= _LONGEST_LINE else clean[:_LONGEST_LINE] + "..."
