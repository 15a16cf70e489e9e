"""From the bytes of the host's own files to facts. What makes no sense is skipped or None."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from exporter.facts.host import SubIds

_MAX_VALUE_CHARACTERS = 128
_MAX_LINES = 20_000
_SUBID_COLUMNS = 3
_PASSWD_COLUMNS = 7
_ID_COLUMN = 2  # of passwd and group
_GROUP_COLUMNS = 4
_ROUTE_COLUMNS = 11
_METRIC_COLUMN = 6
_MASK_COLUMN = 7
_MAX_ID = 1 << 32
_MAX_CPUS = 1 << 16  # kernels are built for 8192 at most
_MAX_DIGITS = 20  # of 2**64


def parse_value(raw: bytes) -> str:
    """The first line of a one-value file, printable and bounded; "" when there is none."""
    text = raw.split(b"\n", 1)[0].decode("utf-8", "replace").strip()[:_MAX_VALUE_CHARACTERS]
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in text)


def parse_choice(raw: bytes) -> str | None:
    """The chosen word of a file that shows all of them, as `none [integrity] confidentiality`; None if none is."""
    words = parse_value(raw).split()
    chosen = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
    return chosen[0] if len(chosen) == 1 else None


def parse_memory_total_bytes(raw: bytes) -> int | None:
    """MemTotal of /proc/meminfo."""
    return _bytes_of(b"MemTotal:", raw)


def parse_swap_total_bytes(raw: bytes) -> int | None:
    """SwapTotal of /proc/meminfo; 0 on a host without swap."""
    return _bytes_of(b"SwapTotal:", raw)


def parse_cpus(raw: bytes) -> int | None:
    """How many CPUs a list such as `0-3,8,10-11` names, as in /sys/devices/system/cpu/online."""
    count = 0
    for part in raw.strip().split(b","):
        first, dash, last = part.partition(b"-")
        begin = _number(first)
        end = _number(last) if dash else begin
        if begin is None or end is None or not begin <= end < _MAX_CPUS:
            return None
        count += end - begin + 1
    return count


def parse_oom_kills(raw: bytes) -> int | None:
    """The oom_kill counter of /proc/vmstat (kernel 4.13)."""
    for line in raw.split(b"\n"):
        match line.split():
            case [b"oom_kill", figure]:
                return _number(figure)
            case _:
                pass
    return None


def parse_subids(raw: bytes) -> tuple[SubIds, ...]:
    """The ranges in /etc/subuid or /etc/subgid, subuid(5); a line that makes no sense is skipped."""
    found = []
    for line in raw.split(b"\n")[:_MAX_LINES]:
        columns = line.strip().split(b":")
        if len(columns) != _SUBID_COLUMNS:
            continue
        owner, start, count = parse_value(columns[0]), _number(columns[1]), _number(columns[2])
        if owner and start is not None and count and start + count <= _MAX_ID:
            found.append(SubIds(owner, start, count))
    return tuple(found)


def parse_accounts(raw: bytes) -> tuple[tuple[str, int], ...]:
    """Name and uid of every account in /etc/passwd, passwd(5); a line that makes no sense is skipped."""
    return _ids_by_name(raw, _PASSWD_COLUMNS)


def with_owners_named(ranges: Iterable[SubIds], accounts: Sequence[tuple[str, int]]) -> tuple[SubIds, ...]:
    """The same, with the account's name for an owner that is written as its uid: subuid(5) and subgid(5) allow both."""
    names = {str(uid): name for name, uid in reversed(accounts)}
    return tuple(replace(one, owner=names.get(one.owner, one.owner)) for one in ranges)


def _bytes_of(key: bytes, raw: bytes) -> int | None:
    """A figure of /proc/meminfo, which counts in KiB."""
    for line in raw.split(b"\n"):
        match line.split():
            case [found, figure, b"kB"] if found == key:
                kibibytes = _number(figure)
                return None if kibibytes is None else kibibytes * 1024
            case _:
                pass
    return None


def parse_default_link(raw: bytes) -> str:
    """The interface of the default route with the lowest metric in /proc/net/route; "" without one.

    Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      MTU  Window  IRTT
    eth0   00000000     0202000A  0003   0       0    1024    00000000  0    0       0
    """
    found = []
    for line in raw.split(b"\n")[1:_MAX_LINES]:
        columns = line.split()
        if len(columns) == _ROUTE_COLUMNS and columns[1] == columns[_MASK_COLUMN] == b"00000000":
            metric = _number(columns[_METRIC_COLUMN])
            if metric is not None and columns[0] != b"*":  # a route that rejects has no interface
                found.append((metric, parse_value(columns[0])))
    return min(found, default=(0, ""), key=lambda route: route[0])[1]


def parse_groups(raw: bytes) -> tuple[tuple[str, int], ...]:
    """Name and gid of every group in /etc/group, group(5); a line that makes no sense is skipped."""
    return _ids_by_name(raw, _GROUP_COLUMNS)


def _ids_by_name(raw: bytes, width: int) -> tuple[tuple[str, int], ...]:
    """The name and the id of each line of so many columns: they are the first and the third one in both files."""
    found = []
    for line in raw.split(b"\n")[:_MAX_LINES]:
        columns = line.split(b":")
        if len(columns) != width:
            continue
        name, number = parse_value(columns[0]), _number(columns[_ID_COLUMN])
        if name and number is not None and number < _MAX_ID:
            found.append((name, number))
    return tuple(found)


def _number(raw: bytes) -> int | None:
    return int(raw) if raw.isdigit() and len(raw) <= _MAX_DIGITS else None
