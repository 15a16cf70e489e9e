"""Which process types of containers the loaded SELinux policy makes permissive: `semanage permissive -a container_t`.

Nothing is denied to such a type while the host enforces. /sys/fs/selinux/policy is the policy as the kernel has it,
some megabytes; near its head is a bitmap of the permissive types, by number, and the types' names stand with their
numbers further on (policydb_write of the kernel's security/selinux/ss/policydb.c, all of it little-endian):

    f97cff8c 8 "SE Linux" 33 config symbols contexts    version 33 of the format; 23 is the first with the bitmap
    unit=64 highest=0 nodes=0                           a bitmap: capabilities of the policy
    unit=64 highest=64 nodes=1, 0 0x10                  a bitmap: type 4 is permissive
    16 4 properties=1 bounds=0 "container_init_t"       a type: length of its name, number, 1 for no alias nor attribute

Looks again: the policy is read when /sys/fs/selinux/status counts another load (each change of a permissive type is
one), and at each read until it could be read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from exporter.facts.reading import Unreadable
from exporter.facts.selinux import TYPES_OF_CONTAINERS

_HEAD = struct.Struct("<II8sIIII")
_BITMAP = struct.Struct("<III")
_NODE = struct.Struct("<IQ")
_TYPE = struct.Struct("<IIII")
_STATUS = struct.Struct("<IIIII")
_MAGIC = 0xF97CFF8C
_FIRST_VERSION = 23  # POLICYDB_VERSION_PERMISSIVE
_NODES_MAX = 4096
_POLICY_BYTES_MAX = 64 * 1024 * 1024
_IS_A_TYPE = 1  # TYPEDATUM_PROPERTY_PRIMARY alone


class PermissiveTypes:
    """The permissive ones among the types of containers, below /sys/fs/selinux."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loads: int | None = None
        self._found: tuple[str, ...] = ()

    def read(self) -> tuple[str, ...]:
        """Their names. Raises OSError, Unreadable."""
        loads = _loads(self._directory.joinpath("status").read_bytes())
        if loads != self._loads:
            with self._directory.joinpath("policy").open("rb") as file:
                self._found = parse_permissive_types(file.read(_POLICY_BYTES_MAX))
            self._loads = loads
        return self._found


def _loads(raw: bytes) -> int:
    """How many policies have been loaded since boot: struct selinux_kernel_status."""
    if len(raw) < _STATUS.size:
        raise Unreadable(f"SELinux's status should hold {_STATUS.size} bytes, and holds {len(raw)}")
    loads: int = _STATUS.unpack_from(raw)[3]
    return loads


def parse_permissive_types(raw: bytes) -> tuple[str, ...]:
    """The permissive ones among the types of containers, by name. Raises Unreadable for what is no such policy."""
    try:
        magic, length, _, version, *_ = _HEAD.unpack_from(raw)
        if (magic, length) != (_MAGIC, 8) or version < _FIRST_VERSION:
            raise Unreadable("the SELinux policy has no head of a policy that has permissive types")
        _, end = _bits(raw, _HEAD.size)
        permissive, _ = _bits(raw, end)
    except struct.error as error:
        raise Unreadable("the SELinux policy ends in its head") from error
    if not permissive:
        return ()
    return tuple(name for name in sorted(TYPES_OF_CONTAINERS) if permissive.intersection(_numbers(raw, name.encode())))


def _bits(raw: bytes, offset: int) -> tuple[set[int], int]:
    """The bits that are set in the bitmap at `offset`, and where it ends."""
    _, _, nodes = _BITMAP.unpack_from(raw, offset)
    if nodes > _NODES_MAX:
        raise Unreadable(f"a bitmap of the SELinux policy should have {_NODES_MAX} nodes at most, and has {nodes}")
    offset += _BITMAP.size
    found: set[int] = set()
    for _ in range(nodes):
        start, bits = _NODE.unpack_from(raw, offset)
        found.update(start + bit for bit in range(64) if bits >> bit & 1)
        offset += _NODE.size
    return found, offset


def _numbers(raw: bytes, name: bytes) -> Iterator[int]:
    """The number of the type of this name: what stands before the name tells it from any other name of the policy."""
    place = raw.find(name, _TYPE.size)
    while place >= 0:
        length, number, properties, _ = _TYPE.unpack_from(raw, place - _TYPE.size)
        if (length, properties) == (len(name), _IS_A_TYPE):
            yield number
        place = raw.find(name, place + 1)
