r"""The head of a request: read within its bounds, and refused where two readers could understand it differently.

    GET /metrics HTTP/1.1\r\n
    Host: example.org:9946\r\n
    Accept-Encoding: gzip\r\n
    \r\n

A proxy and this server must agree on where a request ends (RFC 9112, 11.2: request smuggling). So what the standard
library forgives is a fault here: a space before the colon, a folded line, a bare CR, two or odd Content-Length, one
beside Transfer-Encoding. Nothing here takes a body; a request that announces one is answered, and its connection ends.
"""

from __future__ import annotations

import io
import re

HEAD_BYTES_MAX = 16 * 1024
"""Of all lines together. Prometheus and browsers send less than 2 KiB."""

_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*\r?\n")
_EMPTY_LINES = (b"\r\n", b"\n")


class HeadTooLarge(Exception):
    """The request line is too long for all of the head, or the fields are."""

    def __init__(self, *, in_request_line: bool) -> None:
        super().__init__("the head of the request is too large")
        self.in_request_line = in_request_line


def read_head(source: io.BufferedIOBase, bytes_max: int = HEAD_BYTES_MAX) -> bytes:
    """The request line and all fields with the empty line after them; what came until the end where it ends before.

    One empty line before the request line is passed over (RFC 9112, 2.2). Raises HeadTooLarge, and what `source` does.
    """
    lines: list[bytes] = []
    left = bytes_max
    while left > 0:
        line = source.readline(left)
        left -= len(line)
        if line in _EMPTY_LINES and not lines:
            if left < bytes_max - len(line):
                return b""  # a second empty line
            continue
        lines.append(line)
        if line in (b"", *_EMPTY_LINES):
            return b"".join(lines)
        if not line.endswith(b"\n"):
            if left:
                return b"".join(lines)
            break
    raise HeadTooLarge(in_request_line=len(lines) <= 1)


def fault_of(fields: bytes, *, needs_host: bool = False) -> str:
    """Why these fields may be read in two ways, in words; "" where they can not. They end with their empty line.

    HTTP/1.1 needs one Host (RFC 9112, 3.2).
    """
    values: dict[bytes, list[bytes]] = {}
    for line in fields.split(b"\n")[:-1]:
        if line in {b"", b"\r"}:
            break
        found = _FIELD.fullmatch(line + b"\n")
        if not found:
            return "a field is not NAME: VALUE"
        values.setdefault(found[1].lower(), []).append(found[2])
    lengths = values.get(b"content-length", [])
    if len(lengths) > 1:
        return "there are several Content-Length"
    if lengths and not (lengths[0].isdigit() and lengths[0].isascii()):
        return "Content-Length is not a number"
    if lengths and b"transfer-encoding" in values:
        return "there is a Content-Length beside Transfer-Encoding"
    hosts = len(values.get(b"host", []))
    if hosts > 1:
        return "there are several Host"
    return "there is no Host" if needs_host and not hosts else ""
