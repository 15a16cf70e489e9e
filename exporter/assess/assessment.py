"""One snapshot in, one report out: the only function that sees everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.assess.checks.subject import HostSubject
from exporter.assess.collectors import collector_reports
from exporter.assess.container import container_report
from exporter.assess.inventory import KnownContainer, known_containers
from exporter.assess.isolation.ids import id_use
from exporter.assess.isolation.networks import networks
from exporter.assess.lives import lives_after
from exporter.assess.overview import overview_of
from exporter.assess.shares import gone_of, left_out_of, shown_of
from exporter.assess.storage.datasets import merged_datasets
from exporter.assess.waivers import waiver_reports, with_waivers
from exporter.facts.life import Life
from exporter.facts.reading import Failed, Read, fresh, last_read, latest
from exporter.facts.snapshot import Snapshot
from exporter.facts.storage import Dataset
from exporter.report.findings import Finding
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from exporter.report.waiver import Waiver


@dataclass(frozen=True, slots=True)
class Build:
    """What program made the report."""

    product_version: str = ""
    revision: str = ""
    python_version: str = ""
    is_example: bool = False
    has_podman: bool | None = None  # the host on which an example is served; None: nobody looked
    max_containers: int = 2000
    is_web_exposed: bool | None = None  # None: nothing is served


def assess(snapshot: Snapshot, thresholds: Thresholds, build: Build, waivers: tuple[Waiver, ...] = ()) -> Report:
    """The report of one snapshot."""
    containers, lives = _containers(snapshot)
    overview = overview_of(snapshot, containers, lives, thresholds, waivers)
    # podman still names the ids and addresses of a container that has no cgroup, or not yet: they are free.
    holding = tuple(one for one in containers if one.id not in overview.starting or one.cgroups is not None)
    shown, beyond = shown_of(containers, build.max_containers)
    left_out = left_out_of(snapshot, beyond)
    storage = latest(snapshot.zfs)
    reports = tuple(container_report(known, overview) for known in shown)
    host_findings = _host_findings(snapshot, containers, waivers)
    judged = {"": host_findings} | {report.name: report.findings for report in reports}
    names = frozenset(known.name for known in containers) if isinstance(snapshot.podman, Read) else None
    return Report(
        taken_at_seconds=snapshot.taken_at_seconds,
        containers=reports,
        collectors=collector_reports(snapshot),
        datasets=merged_datasets(storage.datasets if storage else (), _quick_datasets(snapshot)),
        pools=storage.pools if storage else (),
        dataset_io=storage.io if storage else (),
        host=latest(snapshot.host),
        gone=gone_of(overview.counts, (known.name for known in containers), build.max_containers - len(shown)),
        totals=replace(snapshot.totals, containers=()) if snapshot.totals else None,
        checks=(*(check.info for check in CHECKS), *(check.info for check in HOST_CHECKS)),
        host_findings=host_findings,
        id_use=id_use(holding, latest(snapshot.host), podman_told=latest(snapshot.podman) is not None),
        networks=networks(holding, latest(snapshot.host)),
        unmade_quadlets=latest(snapshot.quadlet_file) or (),
        waivers=waiver_reports(waivers, judged, names, snapshot.taken_at_seconds),
        thresholds=thresholds.as_pairs(),
        dropped_containers=sum(count for _, count in left_out),
        dropped_by_owner=left_out,
        agent=snapshot.agent,
        product_version=build.product_version,
        revision=build.revision,
        python_version=build.python_version,
        is_example=build.is_example,
        has_podman=build.has_podman,
        is_web_exposed=build.is_web_exposed,
    )


def _containers(snapshot: Snapshot) -> tuple[tuple[KnownContainer, ...], Mapping[str, Life]]:
    """The containers of the host and the life of each, without processes that are a runtime's and not the payload's."""
    containers = known_containers(snapshot)
    lives = lives_after(None, snapshot, containers) if snapshot.lives is None else snapshot.lives
    return tuple(replace(one, processes=None) if _is_runtimes(one) else one for one in containers), lives


def _is_runtimes(known: KnownContainer) -> bool:
    return known.processes is not None and known.processes.is_runtimes


def _quick_datasets(snapshot: Snapshot) -> tuple[Dataset, ...]:
    """Those of the quick clock, unless it has failed and the slow one has read since."""
    slow, quick = last_read(snapshot.zfs), last_read(snapshot.zfs_mounted)
    is_stale = (
        isinstance(snapshot.zfs_mounted, Failed) and slow and quick and slow.read_at_seconds > quick.read_at_seconds
    )
    return quick.value if quick and not is_stale else ()


def _host_findings(
    snapshot: Snapshot, containers: tuple[KnownContainer, ...], waivers: tuple[Waiver, ...]
) -> tuple[Finding, ...]:
    subject = HostSubject(
        now_seconds=snapshot.taken_at_seconds,
        host=fresh(snapshot.host),
        storage=snapshot.zfs,
        firewall=snapshot.firewall,
        containers=sum(1 for known in containers if not known.user),
        waivers=waivers,
    )
    findings = tuple(check.judge(subject) for check in HOST_CHECKS)
    return with_waivers("", findings, waivers, snapshot.taken_at_seconds)
