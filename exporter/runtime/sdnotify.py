r"""Tells systemd how the service is doing: sd_notify(3), for Type=notify and WatchdogSec=.

    READY=1\nSTATUS=serving on :9946

The protocol is one datagram of lines to the unix socket that NOTIFY_SOCKET names; systemd promises
to keep it so. PyPI's `sdnotify` is unmaintained since 2017 and python3-systemd is a C extension.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


def notify(*lines: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send the lines; False when nobody listens. A lost word to systemd stops nothing."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # an abstract socket: its name starts with a zero byte
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(1)
            sender.sendto("\n".join(lines).encode(errors="replace"), address)
    except OSError:
        return False
    return True


def watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants to hear WATCHDOG=1 (half of its patience); None when it does not."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 2e6 if microseconds > 0 else None
