"""SELinux's policy as a kernel shows it, as far as it says what types are permissive: policydb_write of its sources."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

TYPES = {"container_t": 3, "container_init_t": 5}  # name and number


def policy_texts(permissive: Iterable[str]) -> dict[str, str]:
    """The files below /sys/fs/selinux, as text from which the bytes come back."""
    head = struct.pack("<II8sIIII", 0xF97CFF8C, 8, b"SE Linux", 33, 0, 8, 7)
    bits = sum(1 << TYPES[name] for name in permissive)
    capabilities, bitmap = struct.pack("<III", 64, 0, 0), struct.pack("<IIIIQ", 64, 64, 1, 0, bits)
    names = b"".join(struct.pack("<IIII", len(name), number, 1, 0) + name.encode() for name, number in TYPES.items())
    return {
        "sys/fs/selinux/status": os.fsdecode(struct.pack("<IIIII", 1, 0, 1, 1, 0)),
        "sys/fs/selinux/policy": os.fsdecode(head + capabilities + bitmap + names),
    }
