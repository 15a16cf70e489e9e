r"""The files of /proc/PID, parsed: pure functions of bytes.

proc_pid_stat(5), proc_pid_status(5), proc_pid_mountinfo(5), user_namespaces(7):

    stat        1605 (dd) S 1554 1554 1554 0 -1 4194368 34 0 0 0 0 7 0 0 20 0 1 0 22862 ...
    status      CapBnd:\t0000000000000000
    uid_map              0 2147509247       1024
    mountinfo   6586 6592 0:50 / /data rw,relatime,idmapped - zfs tank/containers/web rw,xattr
    ns/net      net:[4026534116]
    net/dev       eth0:     100       1    0    0    0     0          0         1     1076      14    0 ...

Names are the container's own: a comm may hold spaces, parentheses and newlines, a mount point any
byte. What does not have its shape raises Unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from exporter.facts.container import IdRange
from exporter.facts.network import Interface
from exporter.facts.process import MountPoint
from exporter.facts.reading import Unreadable

_STATUS_KEYS = frozenset(
    {b"Name", b"CapInh", b"CapPrm", b"CapEff", b"CapBnd", b"CapAmb", b"NoNewPrivs", b"Seccomp", b"Threads"}
)
_START_TICKS = 19  # field 22 counts from the pid; what follows the comm begins with field 3
_FLAGS = 6  # field 9
_FORKED_WITHOUT_EXECUTING = 0x40  # PF_FORKNOEXEC, include/linux/sched.h: the kernel clears it at execve(2)
_HEX = re.compile(rb"[0-9a-f]{1,16}")
_DECIMAL = re.compile(rb"[0-9]{1,20}")
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_LOWER = re.compile(rb"(?:^|,)lowerdir\+?=([^,]*)")  # the kernel writes a comma of a path as three octal digits
_UPPER = re.compile(rb"(?:^|,)upperdir=([^,]*)")
_LAYER = re.compile(r"(?<!\\):")
_NAMESPACE = re.compile(r"[a-z_]{1,32}:\[([0-9]{1,20})\]")
_COMM_LENGTH_MAX = 64  # TASK_COMM_LEN is 16; kernel threads' names are longer, and escapes lengthen
_LABEL_LENGTH_MAX = 4096
_MOUNT_FIELDS = 6  # before the optional fields
_LAYERS_MAX = 512  # overlayfs takes 500
_TRAFFIC_COLUMNS = 16
_SOURCE_FIELDS = 2  # after the dash: file system and source; a source may be empty


Walls: TypeAlias = tuple[int, int, int, int, int, bool, int]


@dataclass(frozen=True, slots=True)
class Status:
    """The walls that /proc/PID/status shows; capabilities are bit sets."""

    comm: str  # newline and backslash escaped by the kernel
    inheritable_capabilities: int
    permitted_capabilities: int
    effective_capabilities: int
    bounding_capabilities: int
    ambient_capabilities: int
    no_new_privileges: bool
    seccomp_mode: int
    threads: int

    @property
    def walls(self) -> Walls:
        """What two threads are compared by."""
        return (
            self.inheritable_capabilities,
            self.permitted_capabilities,
            self.effective_capabilities,
            self.bounding_capabilities,
            self.ambient_capabilities,
            self.no_new_privileges,
            self.seccomp_mode,
        )


def parse_start_ticks(raw: bytes) -> int:
    """The start time in /proc/PID/stat: clock ticks since boot."""
    return _decimal(_stat_fields(raw)[_START_TICKS])


def parse_parent(raw: bytes) -> int:
    """The pid of the parent in /proc/PID/stat; 0 for one that the reader's pid namespace does not hold."""
    return _decimal(_stat_fields(raw)[1])


def parse_has_ended(raw: bytes) -> bool:
    """Whether the first thread of the process in /proc/PID/stat has ended; others may live."""
    return _stat_fields(raw)[0] in {b"Z", b"X"}


def parse_has_executed(raw: bytes) -> bool:
    """Whether the process in /proc/PID/stat runs a program that was executed for it, and not its parent's."""
    return not _decimal(_stat_fields(raw)[_FLAGS]) & _FORKED_WITHOUT_EXECUTING


def _stat_fields(raw: bytes) -> list[bytes]:
    """The fields from the third on."""
    fields = raw[raw.rfind(b")") + 1 :].split() if b")" in raw else []
    if len(fields) <= _START_TICKS:
        raise Unreadable(f"stat should hold a comm in parentheses and 50 fields, and holds {raw[:40]!r}")
    return fields


def parse_status(raw: bytes) -> Status:
    """/proc/PID/status, the keys that are walls."""
    values: dict[bytes, bytes] = {}
    for line in raw.split(b"\n"):
        key, colon, value = line.partition(b":")
        if colon and key in _STATUS_KEYS:
            values.setdefault(key, value.strip(b" \t"))
    if missing := _STATUS_KEYS - values.keys():
        raise Unreadable(f"status lacks {b', '.join(sorted(missing)).decode()}")
    return Status(
        comm=values[b"Name"].decode("utf-8", "replace")[:_COMM_LENGTH_MAX],
        inheritable_capabilities=_hexadecimal(values[b"CapInh"]),
        permitted_capabilities=_hexadecimal(values[b"CapPrm"]),
        effective_capabilities=_hexadecimal(values[b"CapEff"]),
        bounding_capabilities=_hexadecimal(values[b"CapBnd"]),
        ambient_capabilities=_hexadecimal(values[b"CapAmb"]),
        no_new_privileges=_decimal(values[b"NoNewPrivs"]) != 0,
        seccomp_mode=_decimal(values[b"Seccomp"]),
        threads=_decimal(values[b"Threads"]),
    )


def parse_id_map(raw: bytes) -> tuple[IdRange, ...]:
    """uid_map or gid_map; outside ids are those of the reader's user namespace. Empty: not written yet."""
    ranges = []
    for line in raw.splitlines():
        match line.split():
            case [inside, outside, count]:
                ranges.append(IdRange(_decimal(inside), _decimal(outside), _decimal(count)))
            case _:
                raise Unreadable(f"an id map's line should hold three numbers, and holds {line[:40]!r}")
    return tuple(ranges)


def parse_security_label(raw: bytes) -> str | None:
    """attr/current of any LSM; None when it is empty."""
    label = raw.split(b"\0", 1)[0].strip()
    return label[:_LABEL_LENGTH_MAX].decode("utf-8", "replace") or None


def parse_namespace(target: str) -> int:
    """The inode in the target of a link of /proc/PID/ns."""
    if found := _NAMESPACE.fullmatch(target):
        return int(found.group(1))
    raise Unreadable(f"a namespace should read as net:[4026531840], and reads {target[:40]!r}")


def parse_mountinfo(raw: bytes) -> tuple[MountPoint, ...]:
    """Every mount that the process sees, in the order of mounting."""
    return tuple(_mount_point(line) for line in raw.split(b"\n") if line)


def _mount_point(line: bytes) -> MountPoint:
    before, dash, after = line.partition(b" - ")
    fields, source = before.split(b" "), after.split(b" ")
    if not dash or len(fields) < _MOUNT_FIELDS or len(source) < _SOURCE_FIELDS:
        raise Unreadable(f"mountinfo should hold 10 fields or more, and holds {line[:80]!r}")
    options = source[2] if source[0] == b"overlay" and len(source) > _SOURCE_FIELDS else b""
    upper = _UPPER.search(options)
    return MountPoint(
        mount_point=_unescaped(fields[4]),
        root=_unescaped(fields[3]),
        options=tuple(option.decode("utf-8", "replace") for option in fields[5].split(b",")),
        filesystem=source[0].decode("utf-8", "replace"),
        source=_unescaped(source[1]),
        device=fields[2].decode("utf-8", "replace"),
        layers=_layers(options),
        mount_id=_decimal(fields[0]),
        upper=_unescaped(upper[1]) if upper else "",
        parent_id=_decimal(fields[1]),
    )


def _layers(options: bytes) -> tuple[str, ...]:
    found = [layer for some in _LOWER.findall(options) for layer in _LAYER.split(_unescaped(some)) if layer]
    return tuple(found[:_LAYERS_MAX])


def parse_interfaces(raw: bytes) -> tuple[str, ...]:
    """The names in /proc/PID/net/dev without lo, in the kernel's order."""
    names = [line.split(b":", 1)[0].strip() for line in raw.splitlines()[2:] if b":" in line]
    return tuple(name.decode("utf-8", "replace") for name in names if name != b"lo")


def parse_traffic(raw: bytes) -> tuple[Interface, ...]:
    """The interfaces of /proc/PID/net/dev without lo, in the kernel's order."""
    found = []
    for line in raw.splitlines()[2:]:
        name, colon, figures = line.partition(b":")
        columns = figures.split()
        if not colon or len(columns) != _TRAFFIC_COLUMNS:
            raise Unreadable(f"net/dev should hold a name and 16 numbers a line, and holds {line[:40]!r}")
        if (name := name.strip()) != b"lo":
            counts = [_decimal(column) for column in columns]
            # bytes packets errs drop fifo frame compressed multicast, then the same for what was sent
            found.append(Interface(name.decode("utf-8", "replace"), *counts[:4], *counts[8:12]))
    return tuple(found)


def _unescaped(field: bytes) -> str:
    # The kernel writes space, tab, newline, backslash and # of a path as three octal digits.
    return _OCTAL.sub(lambda found: bytes([int(found.group(1), 8)]), field).decode("utf-8", "replace")


def _hexadecimal(word: bytes) -> int:
    if not _HEX.fullmatch(word):
        raise Unreadable(f"a set of capabilities should be 16 hex digits, and is {word[:40]!r}")
    return int(word, 16)


def _decimal(word: bytes) -> int:
    if not _DECIMAL.fullmatch(word):
        raise Unreadable(f"a number should stand where the kernel wrote {word[:40]!r}")
    return int(word)
