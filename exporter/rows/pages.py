"""Rows out of the pages of a damaged file, read without SQLite: a row whose checksum holds is whole.

A table WITHOUT ROWID is stored as the b-tree of an index (sqlite.org/fileformat2.html#b_tree_pages):

    page      0a (leaf) or 02 (inner page), first free block, number of cells, ..., where each cell begins, ..., cells
    cell      page number of the left child (inner pages alone), length of the record, record
    record    length of its head, type of each column (its head), kind, key, body, checksum

Of a long record only the first part is in the page; the rest is in a chain of overflow pages. Which pages belong to the
table is not asked, as the pages that say so may be damaged: what SQLite frees it overwrites (`secure_delete`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.rows.checksum import checksum_of

PAGE_BYTES = 4096
_LEAF, _INNER = 0x0A, 0x02
_LARGEST_LOCAL_BYTES = (PAGE_BYTES - 12) * 64 // 255 - 23
_SMALLEST_LOCAL_BYTES = (PAGE_BYTES - 12) * 32 // 255 - 23
_BLOB = 12  # the least serial type of one: twice its length is added, and 1 for a text
_COLUMNS = 4
_MORE = 0x80  # in a byte of a number: another follows


@dataclass(frozen=True, slots=True)
class Salvage:
    """What could be read of a damaged file."""

    rows: tuple[tuple[str, str, bytes], ...] = ()  # kind, key and body of those that are whole
    damaged: int = 0  # rows that were found and are not whole; how many were not found, nobody knows


def salvage(data: bytes) -> Salvage:
    """Every row in the bytes of a file whose checksum holds."""
    whole: dict[tuple[str, str], set[bytes]] = {}
    damaged = 0
    for start in range(0, len(data), PAGE_BYTES):
        page = data[start : start + PAGE_BYTES]
        for cell in _cells(page):
            try:
                kind, key, body = _row(_record(data, page, cell))
            except (ValueError, IndexError):  # UnicodeDecodeError is a ValueError
                damaged += 1
            else:
                whole.setdefault((kind, key), set()).add(body)
    # Two bodies of one row: a power cut left pages of two moments, and nothing says which is the later.
    once = tuple((kind, key, bodies.pop()) for (kind, key), bodies in whole.items() if len(bodies) == 1)
    return Salvage(once, damaged + len(whole) - len(once))


def _cells(page: bytes) -> Iterator[int]:
    """Where in the page the length of each record is."""
    if len(page) < PAGE_BYTES or page[0] not in {_LEAF, _INNER}:
        return
    head, left_child = (8, 0) if page[0] == _LEAF else (12, 4)
    end = min(head + 2 * int.from_bytes(page[3:5], "big"), PAGE_BYTES)
    for pointer in range(head, end, 2):
        yield int.from_bytes(page[pointer : pointer + 2], "big") + left_child


def _record(data: bytes, page: bytes, cell: int) -> bytes:
    length, start = _varint(page, cell)
    if length > len(data):
        raise ValueError("longer than the file")
    if length <= _LARGEST_LOCAL_BYTES:
        return page[start : start + length]
    local = _SMALLEST_LOCAL_BYTES + (length - _SMALLEST_LOCAL_BYTES) % (PAGE_BYTES - 4)
    local = local if local <= _LARGEST_LOCAL_BYTES else _SMALLEST_LOCAL_BYTES
    parts = [page[start : start + local]]
    number, missing = int.from_bytes(page[start + local : start + local + 4], "big"), length - local
    while missing > 0:
        overflow = data[(number - 1) * PAGE_BYTES : number * PAGE_BYTES] if number else b""
        if len(overflow) < PAGE_BYTES:
            raise ValueError("no such page")
        parts.append(overflow[4 : 4 + missing])
        number, missing = int.from_bytes(overflow[:4], "big"), missing - len(parts[-1])
    return b"".join(parts)


def _row(record: bytes) -> tuple[str, str, bytes]:
    head, at = _varint(record, 0)
    lengths = []
    while at < head:
        serial_type, at = _varint(record, at)
        lengths.append((serial_type - _BLOB) // 2)
    if len(lengths) != _COLUMNS or min(lengths) < 0 or head + sum(lengths) != len(record):
        raise ValueError("not the columns of a row")
    columns = []
    for length in lengths:
        columns.append(record[at : at + length])
        at += length
    kind, key, body, checksum = columns[0].decode(), columns[1].decode(), columns[2], columns[3]
    if checksum != checksum_of(kind, key, body):
        raise ValueError("another checksum")
    return kind, key, body


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins here, and where what follows begins: seven bits a byte, the highest first."""
    value = 0
    for position in range(at, at + 8):
        value = value << 7 | data[position] & ~_MORE
        if not data[position] & _MORE:
            return value, position + 1
    raise ValueError("larger than any length")
