"""Rows of the ledger's first schema, as far as they differ from what is kept now.

slice    boot1:/system.slice:7    {"path":"/system.slice","pending":1,"anonymous":2,"nobodys":1,...}
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class SliceOfSchema1:
    """What the first schema kept of one life of a slice: see `migration`."""

    path: str
    boot: str
    inode: int
    last: int = 0
    pending: int = 0
    anonymous: int = 0
    nobodys: int = 0
    owner: str | None = None
    read_at_us: int = 0
    told_until_us: int = 0
    floor: int = 0
    floor_since_us: int = 0
    closed: bool = False
