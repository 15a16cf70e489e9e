"""One survey of the host: every source is asked once, each within its deadline, and those that can, side by side.

    host, cgroup, podman, quadlet, zfs,
    firewall                              at once
    process, systemd                      when the cgroup tree, podman and the quadlets have named whom to ask about
    cgroup                                once more, its figures, when the processes were read
    zfs_mounted, volume, traffic          when the processes have named what they mount, and where they live

A source that hangs costs its deadline, is told as a failure, and the others are read.
"""

from __future__ import annotations

import time

from exporter.app.agent import ZFS_DEADLINES, Sources
from exporter.facts.cgroup import ContainerCgroups
from exporter.facts.reading import Read, fresh
from exporter.facts.snapshot import Snapshot
from exporter.runtime.poller import start_reading

DEADLINE_SECONDS = 30.0


def survey(sources: Sources, deadline_seconds: float = DEADLINE_SECONDS) -> Snapshot:
    """All that the host says now."""

    def walk_and_read() -> tuple[ContainerCgroups, ...]:
        sources.cgroup.discover()
        return sources.cgroup.read()

    asked_host = start_reading(deadline_seconds, sources.host.read)
    asked_cgroup = start_reading(deadline_seconds, walk_and_read)
    asked_podman = start_reading(deadline_seconds, sources.podman.read, lambda: sources.podman.problems)
    asked_quadlet = start_reading(deadline_seconds, sources.quadlet.read, lambda: sources.quadlet.problems)
    asked_zfs = start_reading(ZFS_DEADLINES * deadline_seconds, sources.zfs.read, lambda: sources.zfs.problems)
    asked_firewall = start_reading(deadline_seconds, sources.firewall.read)

    walked, podman, quadlet = asked_cgroup(), asked_podman(), asked_quadlet()
    sources.interest.cgroup_paths = sources.cgroup.paths
    sources.interest.containers = lambda: fresh(podman) or ()
    sources.interest.quadlets = lambda: fresh(quadlet) or ()
    asked_process = start_reading(deadline_seconds, sources.process.read)
    asked_systemd = start_reading(deadline_seconds, sources.systemd.read)

    process = asked_process()
    # The runtime sets limits before the payload runs: figures count from after the payload was seen.
    asked_figures = start_reading(deadline_seconds, sources.cgroup.read)
    sources.interest.processes = lambda: fresh(process)
    asked_traffic = start_reading(deadline_seconds, sources.traffic.read, lambda: sources.traffic.problems)
    asked_mounted = start_reading(deadline_seconds, sources.zfs_mounted.read, lambda: sources.zfs_mounted.problems)
    asked_volume = start_reading(deadline_seconds, sources.volume.read, lambda: sources.volume.problems)

    return Snapshot(
        taken_at_seconds=time.time(),
        podman=podman,
        cgroup=asked_figures() if isinstance(walked, Read) else walked,
        process=process,
        systemd=asked_systemd(),
        quadlet=quadlet,
        zfs=asked_zfs(),
        zfs_mounted=asked_mounted(),
        host=asked_host(),
        firewall=asked_firewall(),
        volume=asked_volume(),
        traffic=asked_traffic(),
    )
