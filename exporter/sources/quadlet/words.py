r"""From a value to words: systemd's two ways to split (systemd.syntax(7), systemd.service(5) "Command lines").

Plain lists (`DropCapability=CAP_CHOWN "CAP_KILL"`) keep backslashes; command lines (`PodmanArgs=--env "A=\x41"`)
know C escapes. In both, quotes hold words together and are taken away.
"""

from __future__ import annotations

import re

_PLAIN_PIECE = re.compile(r"""("[^"]*"|'[^']*')|([^ \t\n\r"']+)""")
# An unclosed quote lasts to the end, and a backslash there is eaten.
_ARGUMENT_PIECE = re.compile(
    r"""("(?:\\.|[^"\\])*(?:"|\\?$)|'(?:\\.|[^'\\])*(?:'|\\?$))|((?:\\.|[^ \t\n\r"'\\]|\\$)+)""", re.DOTALL
)
_SPACES = re.compile(r"[ \t\n\r]*")
_ESCAPE = re.compile(
    r"\\(?:(?P<hex>x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})|(?P<octal>[0-7]{3})|(?P<one>.)|$)", re.DOTALL
)
_ONE = dict(zip("abfnrtvs\\\"'", "\a\b\f\n\r\t\v \\\"'", strict=True))
_LAST_CODE_POINT = 0x10FFFF
_LAST_BYTE = 0xFF
_SURROGATES = range(0xD800, 0xE000)


class WordsError(ValueError):
    """The value cannot be split; the message says why."""


def list_words(value: str) -> tuple[str, ...]:
    """The words of a plain list; WordsError for a quote that is never closed: quadlet then drops the whole value."""
    return _words(value, _PLAIN_PIECE)


def argument_words(value: str) -> tuple[str, ...]:
    """The words of a command line; WordsError for an escape that does not exist: quadlet then drops the whole value."""
    return _words(value, _ARGUMENT_PIECE)


def _words(value: str, piece: re.Pattern[str]) -> tuple[str, ...]:
    words: list[str] = []
    position = _after_spaces(value, 0)
    while position < len(value):
        word = ""
        while found := piece.match(value, position):
            word += _text(found, escapes=piece is _ARGUMENT_PIECE)
            position = found.end()
        after = _after_spaces(value, position)
        if after == position and position < len(value):
            raise WordsError("a quote is never closed")
        # An empty word ('') is for quadlet the end of the list, and what follows it is lost.
        if not word:
            break
        words.append(word)
        position = after
    return tuple(words)


def _text(piece: re.Match[str], *, escapes: bool) -> str:
    quoted = piece[1]
    if quoted is None:
        text = piece[2]
    else:
        closed = len(quoted) > 1 and quoted[-1] == quoted[0] and not (escapes and _escapes_its_end(quoted))
        text = quoted[1:-1] if closed else quoted[1:]
    return _ESCAPE.sub(_character, text) if escapes else text


def _escapes_its_end(quoted: str) -> bool:
    body = quoted[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 1


def _after_spaces(value: str, position: int) -> int:
    found = _SPACES.match(value, position)
    return found.end() if found else position


def _character(escape: re.Match[str]) -> str:
    if escape["one"] is not None:
        if escape["one"] in _ONE:
            return _ONE[escape["one"]]
    elif escape["hex"] or escape["octal"]:
        code = int(escape["hex"][1:], 16) if escape["hex"] else int(escape["octal"], 8)
        limit = _LAST_CODE_POINT if escape["hex"] else _LAST_BYTE
        if 0 < code <= limit and code not in _SURROGATES:
            return chr(code)
    else:
        return ""
    raise WordsError(f"{escape[0]} is no escape that systemd knows")
