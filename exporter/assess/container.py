"""One container: what every source knows of it, and what is judged of it beside all others."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.judgements import unknown
from exporter.assess.checks.subject import ContainerSubject, Sharers
from exporter.assess.inventory import KnownContainer
from exporter.assess.isolation.networks import own_networks
from exporter.assess.isolation.selinux import process_label, type_and_level
from exporter.assess.kernel_counts import memory_events_of_empty_slice, own_memory_events, restart_loop, restarts
from exporter.assess.limits.drift import declared_limits, limit_drifts
from exporter.assess.limits.memory import judge_memory
from exporter.assess.limits.resources import limits_in_force
from exporter.assess.lives import is_running
from exporter.assess.overview import Overview
from exporter.assess.storage.datasets import datasets_of
from exporter.assess.storage.places import unseen_mounts
from exporter.assess.storage.volumes import MountedVolume, holder_of, volume_reports
from exporter.assess.waivers import with_waivers
from exporter.facts.cgroup import ContainerCgroups, Level, slice_of
from exporter.facts.reading import Read, fresh, latest
from exporter.report.container import ContainerReport
from exporter.report.findings import Finding, Verdict

_AMISS = frozenset({Verdict.FAIL, Verdict.UNKNOWN})


def container_report(known: KnownContainer, overview: Overview) -> ContainerReport:
    """What is known and judged of one container."""
    if known.cgroups is not None:
        events = own_memory_events(known.cgroups, overview.occupants)
    else:
        events = memory_events_of_empty_slice(known.unit, overview.snapshot)
    counts = overview.counts.get(known.name)
    # Where totals are kept, a number of now would look like a fall or a rise.
    has_ledger = overview.snapshot.totals is not None
    volumes = overview.mounted.volumes(overview.volume_holders[known.name], overview.volumes)
    subject = _subject(known, overview, volumes)
    label = process_label(known.processes)
    is_starting = known.id in overview.starting
    life = overview.lives.get(known.id)
    return ContainerReport(
        name=known.name,
        state=known.state,
        container=known.container,
        cgroups=known.cgroups,
        unit=known.unit,
        id=known.id,
        slice=_slice_name(known),
        memory=judge_memory(known.cgroups, overview.thresholds),
        oom_kills=counts.oom_kills if counts else events.oom_kill if events and not has_ledger else None,
        memory_events=events,
        restarts=counts.restarts if counts else None if has_ledger else restarts(known),
        counts=counts,
        restart_loop=restart_loop(counts, known.unit, overview.snapshot.totals, overview.thresholds),
        datasets=datasets_of(known.processes),
        volumes=volume_reports(volumes, label),
        selinux=type_and_level(label) if all(type_and_level(label)) else None,
        findings=with_waivers(
            known.name,
            () if is_starting else _findings(subject, overview, is_known=known.container is not None),
            overview.waivers,
            overview.snapshot.taken_at_seconds,
        ),
        limits_declared=declared_limits(subject),
        limits_in_force=limits_in_force(known.cgroups),
        limit_drifts=() if is_starting else limit_drifts(subject),
        networks=own_networks(known, latest(overview.snapshot.host)),
        interfaces=overview.interfaces.get(known.id, ()),
        is_starting=is_starting,
        lacks=life.lacks if life else "",
    )


def _subject(known: KnownContainer, overview: Overview, volumes: tuple[MountedVolume, ...] | None) -> ContainerSubject:
    # A source that fails now decides nothing: its last answer names and shows, and never passes a check.
    snapshot = overview.snapshot
    processes_now, podman_now = isinstance(snapshot.process, Read), isinstance(snapshot.podman, Read)
    if volumes is not None and not isinstance(snapshot.volume, Read):
        volumes = tuple(replace(volume, facts=None) for volume in volumes)
    others = _others_in(_slice_path(known.cgroups), known, overview)
    return ContainerSubject(
        name=known.name,
        user=known.user,
        container=known.container if podman_now else None,
        processes=known.processes if processes_now else None,
        cgroups=known.cgroups if isinstance(snapshot.cgroup, Read) else None,
        unit=known.unit if isinstance(snapshot.systemd, Read) else None,
        host=fresh(snapshot.host),
        running=is_running(known, snapshot),
        other_occupants=tuple(sorted(overview.names.get(other, other[:12]) for other in others)),
        shared_levels=frozenset(
            level.path
            for level in (known.cgroups.levels if known.cgroups else ())
            if _others_in(level.path, known, overview)
        ),
        slice_unit=overview.units.get(_slice_name(known)),
        host_namespaces=snapshot.process.value.host_namespaces if isinstance(snapshot.process, Read) else (),
        host_mounts=overview.host_mounts,
        quadlets=None if overview.quadlets is None or known.user else overview.quadlets.get(known.name, ()),
        ids_shared_with=overview.ids_shared_with.get(known.name, Sharers()),
        label_shared_with=overview.labels_shared_with.get(known.name, Sharers()),
        volumes=volumes if processes_now else None,
        unseen_mounts=unseen_mounts(known.container, known.processes.mounts, overview.host_mounts)
        if podman_now and processes_now and known.processes
        else (),
        asked_by_others=overview.asked.of_others(overview.volume_holders[known.name]),
        datasets=overview.datasets,
    )


def _elsewhere(subject: ContainerSubject, overview: Overview) -> tuple[ContainerSubject, ...]:
    """The container as it looks from each further mount namespace in it."""
    processes = subject.processes
    if processes is None:
        return ()
    # What was read of a volume is true of it wherever it is mounted.
    facts = {(one.mount.device, one.mount.root): one.facts for one in subject.volumes or ()}
    found = []
    for mounts in processes.other_mounts:
        there = replace(processes, mounts=mounts, other_mounts=())
        volumes = overview.mounted.volumes(holder_of(subject.name, subject.container, there), {})
        if volumes is not None:
            volumes = tuple(replace(one, facts=facts.get((one.mount.device, one.mount.root))) for one in volumes)
        # What a sandbox leaves out of its own namespace is still seen in the first one.
        found.append(replace(subject, processes=there, volumes=volumes, unseen_mounts=()))
    return tuple(found)


def _findings(subject: ContainerSubject, overview: Overview, *, is_known: bool) -> tuple[Finding, ...]:
    elsewhere = _elsewhere(subject, overview)
    judged = (check for check in CHECKS if subject.running or (check.judges_stopped and is_known))
    return tuple(_everywhere(check.judge(subject), [check.judge(one) for one in elsewhere]) for check in judged)


def _everywhere(finding: Finding, elsewhere: list[Finding]) -> Finding:
    """The finding; unknown where nothing is amiss, and in another mount namespace of the container something is.

    A program that sandboxes itself mounts what it likes in a namespace of its own, and so does a podman within the
    container: a writable `/` there need not be the image's. So it fails nothing, and nothing passes by it.
    """
    if finding.outcome.verdict in _AMISS:
        return finding
    amiss = next((one.outcome for one in elsewhere if one.outcome.verdict in _AMISS), None)
    if amiss is None:
        return finding
    seen = "not so" if amiss.verdict is Verdict.FAIL else "not known"
    words = ": ".join(filter(None, (amiss.reason, amiss.detail)))
    return replace(finding, outcome=unknown(f"{seen} in another mount namespace of the container", words))


def _others_in(path: str, known: KnownContainer, overview: Overview) -> frozenset[str]:
    return overview.occupants.get(path, frozenset()) - {known.id} - overview.starting


def _slice_name(known: KnownContainer) -> str:
    inside = slice_of(known.cgroups.levels[0].path) if known.cgroups and known.cgroups.levels else ""
    return inside or (known.unit.slice if known.unit else "")


def _slice_path(cgroups: ContainerCgroups | None) -> str:
    for level in cgroups.levels if cgroups else ():
        if level.level is Level.SLICE:
            return level.path
    return ""
