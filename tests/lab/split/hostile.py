"""Runs in the guest in place of the front's code, behind all of the front's walls: tries what a break-in would try.

    python3 hostile.py PID_OF_COLLECTOR >result.json

What succeeded is printed as JSON; what is refused is left out.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

COLLECTOR = "/run/bulkhead/collector.sock"
HEAD = struct.Struct(">4sBI")


def connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        one.connect(path)
    return True


def reads(path: str) -> bool:
    return bool(Path(path).read_bytes())


def lists(path: str) -> bool:
    return any(Path(path).iterdir())


def opens_socket(family: int, kind: int, protocol: int = 0) -> bool:
    socket.socket(family, kind, protocol).close()
    return True


def becomes_root() -> bool:
    os.setuid(0)
    return True


def mounts() -> bool:
    return bool(ctypes.CDLL(None, use_errno=True).mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0)


def makes_namespace() -> bool:
    return bool(ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0)  # CLONE_NEWUSER


def writes(path: str) -> bool:
    Path(path).write_text("x")
    return True


def asked(body: bytes, version: int = 1) -> bytes:
    """What the collector answers to a frame; b"" if it hangs up."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(20)
        one.connect(COLLECTOR)
        one.sendall(HEAD.pack(b"BLKH", version, len(body)) + body)
        answer = b""
        while piece := one.recv(1 << 20):
            answer += piece
    return answer[HEAD.size :]


def floods() -> int:
    """How many connections of garbage were made; all are held at once."""
    held = []
    for number in range(500):
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(2)
        try:
            one.connect(COLLECTOR)
            one.sendall(os.urandom(2000) if number % 2 else HEAD.pack(b"BLKH", 1, 0xFFFFFFFF))
        except OSError:
            pass
        held.append(one)
    for one in held:
        one.close()
    return len(held)


def main() -> None:
    collector = sys.argv[1]
    tries: dict[str, Callable[[], object]] = {
        "connects to podman": lambda: connects("/run/podman/podman.sock"),
        "connects to D-Bus": lambda: connects("/run/dbus/system_bus_socket"),
        "reads the ledger": lambda: reads("/var/lib/bulkhead/ledger.db"),
        "reads the configuration": lambda: reads("/etc/bulkhead/config.toml"),
        "reads the collector's environment": lambda: reads(f"/proc/{collector}/environ"),
        "sees the collector's process": lambda: lists(f"/proc/{collector}"),
        "reads the environment of init": lambda: reads("/proc/1/environ"),
        "reads shadow": lambda: reads("/etc/shadow"),
        "lists root's home": lambda: lists("/root"),
        "lists homes": lambda: lists("/home"),
        "lists containers": lambda: lists("/var/lib/containers"),
        "reads the kernel's log": lambda: reads("/dev/kmsg"),
        "opens a netlink socket": lambda: opens_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "opens a raw socket": lambda: opens_socket(socket.AF_PACKET, socket.SOCK_RAW),
        "becomes root": becomes_root,
        "mounts": mounts,
        "makes a namespace": makes_namespace,
        "writes beside the collector's socket": lambda: writes("/run/bulkhead/x"),
        "writes to etc": lambda: writes("/etc/x"),
    }
    done = {}
    for name, attempt in tries.items():
        try:
            if attempt():
                done[name] = True
        except OSError:
            pass
    flooded = floods()
    page = asked(b"\x83\xa4type\xa4Page\xa4path\xa8/metrics\xafaccept_encoding\xa4gzip")
    odd = [asked(body) for body in (b"", b"\xc0", os.urandom(300), b"\x82\xa4type\xa3Run\xa7command\xa6reboot")]
    result = {"done": done, "flooded": flooded, "page_bytes": len(page), "odd": [len(each) for each in odd]}
    result["another version"] = len(asked(b"", version=2))
    print(json.dumps(result))


main()
