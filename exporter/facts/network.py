"""What goes through the networks of containers: /proc/PID/net/dev, and podman's networks.

https://docs.kernel.org/networking/statistics.html; `GET /libpod/networks/json`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AddressPool:
    """One element of a network's subnets: where podman takes addresses from. "": not set."""

    subnet: str  # 10.99.0.0/24
    gateway: str = ""
    lease_start: str = ""  # lease_range.start_ip
    lease_end: str = ""  # lease_range.end_ip


@dataclass(frozen=True, slots=True)
class Interface:
    """One line of /proc/PID/net/dev; counters since the interface was made."""

    name: str
    receive_bytes: int
    receive_packets: int
    receive_errors: int
    receive_dropped: int
    transmit_bytes: int
    transmit_packets: int
    transmit_errors: int
    transmit_dropped: int


@dataclass(frozen=True, slots=True)
class NamespaceTraffic:
    """The interfaces of one network namespace, without lo, and the containers that live in it."""

    container_ids: tuple[str, ...]
    interfaces: tuple[Interface, ...]
