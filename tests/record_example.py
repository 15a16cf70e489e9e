"""Records the example host: asks every source of the host that it runs on, once, and prints the answers.

Run in the emulated host while all its containers are up:

    python3 -m tests.record_example > host.json
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from exporter.app.agent import build_sources
from exporter.config import Config
from exporter.sources.example.recording import Recording, render_recording
from exporter.sources.example.script import FILLING, INTRUDED, KILLED, LOOPING


def record() -> Recording:
    sources = build_sources(Config(), Path("/"))
    interest = sources.interest
    sources.cgroup.discover()
    podman = sources.podman.read()
    quadlet = sources.quadlet.read()
    interest.containers = lambda: podman
    interest.quadlets = lambda: quadlet
    interest.cgroup_paths = sources.cgroup.paths
    process = sources.process.read()
    interest.processes = lambda: process
    return Recording(
        recorded_at_seconds=time.time(),
        podman=podman,
        cgroup=sources.cgroup.read(),
        process=process,
        systemd=sources.systemd.read(),
        quadlet=quadlet,
        zfs=sources.zfs.read(),
        host=sources.host.read(),
        firewall=sources.firewall.read(),
        volume=sources.volume.read(),
        traffic=sources.traffic.read(),
    )


def main() -> int:
    recording = record()
    ids = {container.name: container.id for container in recording.podman}
    alive = {tree.container_id for tree in recording.cgroup}
    for name in (KILLED, LOOPING, INTRUDED, FILLING):
        if ids.get(name) not in alive:
            print(f"{name} is not alive at this moment: start it and record again", file=sys.stderr)  # noqa: T201 - a tool
            return 1
    sys.stdout.buffer.write(render_recording(recording))
    return 0


if __name__ == "__main__":
    sys.exit(main())
