"""The checksum beside each row: a row in which a bit was flipped, in key or body, is never taken for another row.

SQLite has no checksums of its own for the pages of a file. CRC-32 finds each single flip and each burst of 32 bits.
"""

from __future__ import annotations

import zlib


def checksum_of(kind: str, key: str, body: bytes) -> bytes:
    """Four bytes that fit this row alone."""
    return zlib.crc32(b"\0".join((kind.encode(), key.encode(), body))).to_bytes(4, "big")
