"""Every ZFS pool is online and has lost no data: the state and the errors of `zpool status`."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.facts.reading import Absent, Read
from exporter.facts.storage import Pool
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge the state of each pool."""
    if not isinstance(subject.storage, Read):
        return (
            not_applicable("no ZFS on this host")
            if isinstance(subject.storage, Absent)
            else unknown("ZFS not readable", subject.storage.reason)
        )
    pools = subject.storage.value.pools
    if not pools:
        return not_applicable("no pool on this host")
    bad = [f"{pool.name} is {pool.state}" for pool in pools if pool.state not in ("online", "")]
    if bad:
        return failed("a pool is not healthy", ", ".join(bad[:5]))
    lost = [f"{pool.name} has {pool.status.data_errors}" for pool in pools if pool.status and pool.status.data_errors]
    if lost:
        return failed("a pool has lost data", ", ".join(lost[:5]))
    unread = [pool.name for pool in pools if not _is_known(pool)]
    return unknown("a pool's status not readable", ", ".join(unread[:5])) if unread else passed("online")


def _is_known(pool: Pool) -> bool:
    # A dataset that could not be read says nothing of its pool: what could not be read of the pool itself is None here.
    return bool(pool.state) and pool.status is not None and pool.status.data_errors is not None


CHECK = Check(
    id="zfs_pool_healthy",
    title="Every pool is healthy",
    severity=Severity.CRITICAL,
    why="A degraded pool loses data with the next disk; a suspended one stops every container on it.",
    fix_host="zpool status -xv tells the disk and the files: zpool replace it, restore them, then zpool clear",
    references=("zpoolconcepts(7)",),
    examine=examine,
)
