"""Snapshots of one moment, made of the secure container; tests change one reading at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from exporter.facts.host import Firewall, InputChain
from exporter.facts.process import Conmon, ProcessTable
from exporter.facts.reading import Absent, Failed, Read, Reading
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import DeviceErrors, Pool, PoolStatus, Storage
from tests.assess.secure import (
    CGROUPS,
    CONTAINER,
    DATASET,
    HOST,
    HOST_MOUNTS,
    HOST_NAMESPACES,
    ID,
    PROCESSES,
    QUADLET,
    SLICE,
    UNIT,
    VOLUME,
)

T = TypeVar("T")

POOL = Pool("tank", "online", 2000, 900, 1100, 0.02, PoolStatus(DeviceErrors(0, 0, 0), 0, "none"))

NOW = 1_800_000_000.0

CONMON = Conmon(ID, "objects02", 4000, 0)


def answered(value: T) -> Read[T]:
    """A reading of five seconds ago."""
    return Read(value, NOW - 5, 0.01)


def silent(last: Read[T] | None = None) -> Reading[T]:
    """A source that is here and does not answer."""
    return Failed("no answer within 10 s", 10.0, last)


SNAPSHOT = Snapshot(
    taken_at_seconds=NOW,
    podman=answered((CONTAINER,)),
    cgroup=answered((CGROUPS,)),
    process=answered(ProcessTable((PROCESSES,), (CONMON,), HOST_NAMESPACES, HOST_MOUNTS)),
    systemd=answered((UNIT, SLICE)),
    quadlet=answered((QUADLET,)),
    zfs=answered(Storage((DATASET,), (POOL,))),
    quadlet_file=answered(()),
    zfs_mounted=answered((replace(DATASET, used_bytes=810),)),
    host=answered(HOST),
    volume=answered((VOLUME,)),
    firewall=answered(Firewall((InputChain("inet", "filter", "input", "drop", denies=True),))),
    traffic=answered(()),
)
WITHOUT_ZFS = replace(SNAPSHOT, zfs=Absent("ZFS is not on this host"), zfs_mounted=Absent("ZFS is not on this host"))
