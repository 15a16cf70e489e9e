"""What was recorded: the answer of every source at one moment, as JSON.

{"recorded_at_seconds": 1795000000.0, "podman": [{"id": "97c7...", "name": "objects02", ...}], ...}
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import msgspec

from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.container import Container
from exporter.facts.host import Firewall, Host
from exporter.facts.network import NamespaceTraffic
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Unreadable
from exporter.facts.storage import Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume


@dataclass(frozen=True, slots=True)
class Recording:
    """Every source's answer; the fields are those of Snapshot."""

    recorded_at_seconds: float
    podman: tuple[Container, ...]
    cgroup: tuple[ContainerCgroups, ...]
    process: ProcessTable
    systemd: tuple[Unit, ...]
    quadlet: tuple[Quadlet, ...]
    zfs: Storage
    host: Host
    # An older recording does not tell of these.
    firewall: Firewall | None = None
    traffic: tuple[NamespaceTraffic, ...] | None = None
    volume: tuple[Volume, ...] | None = None


def parse_recording(raw: bytes) -> Recording:
    """The recording in these bytes; Unreadable if they are none."""
    try:
        return msgspec.json.decode(raw, type=Recording)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"the embedded example host is damaged ({error}); install Bulkhead again") from error


def load_recording() -> Recording:
    """The recording that is part of the package."""
    return parse_recording(files(__package__).joinpath("host.json").read_bytes())


def render_recording(recording: Recording) -> bytes:
    """One line a fact, so that a new recording can be read as a diff."""
    return msgspec.json.format(msgspec.json.encode(recording), indent=1)
