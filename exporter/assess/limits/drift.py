"""Limits that were asked for, against one another and against what the kernel has in force.

podman has been seen not to apply limits, so careful units ask twice: podman for the payload's cgroup, and systemd for
the service's, which holds conmon too. For each resource and container:

    not_applied  a source was asked, and its cgroup does not have exactly that (rounding of the kernel allowed)
    mismatch     two sources ask for different limits: when one fails, the other is no like replacement
    single       one source alone was asked
    none         nobody was asked

A unit's and podman's default (TasksMax=15 %, --pids-limit 2048) are limits like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.limits.resources import MEMORY_SWAP, PAGE_BYTES, PIDS, RESOURCES, Resource
from exporter.facts.cgroup import COMMON_SLICES, CgroupLevel, ContainerCgroups, Level, container_id_of
from exporter.report.container import Drift, LimitDeclared, LimitDrift, LimitSource


@dataclass(frozen=True, slots=True)
class _Request:
    """What one source was asked for, and the cgroups that should have it; the innermost source comes first."""

    source: LimitSource
    figure: Callable[[Resource], float | None]
    levels: tuple[CgroupLevel, ...]


def declared_limits(subject: ContainerSubject) -> tuple[LimitDeclared, ...]:
    """Every limit that is known to have been asked for."""
    requests = _requests(subject)
    return tuple(
        LimitDeclared(resource.name, request.source, figure)
        for resource in RESOURCES
        for request in requests
        if (figure := request.figure(resource)) is not None
    )


def limit_drifts(subject: ContainerSubject) -> tuple[LimitDrift, ...]:
    """Every kind of drift that could be judged, and whether there is one. What could not is left out."""
    requests, all_known = _requests(subject), _is_all_known(subject)
    drifts = []
    for resource in RESOURCES:
        judged: dict[Drift, bool | None] = {Drift.NOT_APPLIED: None}
        complaints = _complaints(subject, resource, requests, all_known=all_known)
        if complaints is not None:
            judged[Drift.NOT_APPLIED] = bool(complaints)
        if all_known:
            asked = [figure for request in requests if (figure := request.figure(resource)) is not None]
            judged[Drift.MISMATCH] = not all(resource.agree(inner, outer) for inner, outer in pairwise(asked))
            judged[Drift.SINGLE] = len(asked) == 1
            judged[Drift.NONE] = not asked
        drifts += [
            LimitDrift(resource.name, kind, holds)
            for kind, holds in judged.items()
            if holds is not None and kind in resource.kinds
        ]
    return tuple(drifts)


def not_applied(subject: ContainerSubject) -> tuple[str, ...] | None:
    """A sentence for each limit that was asked for and is not in force; None when that cannot be judged."""
    requests, all_known = _requests(subject), _is_all_known(subject)
    found = [_complaints(subject, resource, requests, all_known=all_known) for resource in RESOURCES]
    complaints = tuple(complaint for each in found for complaint in each or ())
    return complaints if complaints or all(each is not None for each in found) else None


def _requests(subject: ContainerSubject) -> tuple[_Request, ...]:
    requests = []
    if subject.container is not None and subject.container.inspected:
        limits = subject.container.limits
        requests.append(
            _Request(LimitSource.PODMAN, lambda resource: resource.of_podman(limits), _podmans_levels(subject.cgroups))
        )
    unit = subject.unit
    if unit is not None:
        levels = _levels_named(unit.name, subject.cgroups)
        # A container outside its unit's cgroup meets none of the unit's limits: each is drift but TasksMax, which has a
        # default that nobody asked for.
        outside = subject.cgroups is not None and not levels
        requests.append(
            _Request(
                LimitSource.UNIT,
                lambda resource: None if outside and resource is PIDS else resource.of_unit(unit),
                levels,
            )
        )
    own_slice = subject.slice_unit
    if own_slice is not None and _is_own_slice(subject):
        requests.append(
            _Request(
                LimitSource.SLICE,
                lambda resource: resource.of_unit(own_slice),
                _levels_named(own_slice.name, subject.cgroups),
            )
        )
    return tuple(requests)


def what_is_not_known(subject: ContainerSubject) -> tuple[str, ...]:
    """What keeps limits from being judged, in words; nothing where all is known."""
    missing = _sources_not_known(subject)
    if subject.cgroups is None or not subject.cgroups.levels:
        return (*missing, "its cgroup was not read")
    return (*missing, *subject.cgroups.unreadable[:3])


def _sources_not_known(subject: ContainerSubject) -> tuple[str, ...]:
    container = subject.container
    if container is None or not container.inspected:
        return ("podman did not answer for it",)
    # Units of users are not read; a container that root started by hand has no unit.
    if subject.unit is None and (container.unit or container.user):
        return (f"systemd did not answer for {container.unit or 'its unit'}",)
    if subject.slice_unit is None and _is_own_slice(subject):
        return (f"systemd did not answer for {_name_at(Level.SLICE, subject.cgroups)}",)
    return ()


def _is_all_known(subject: ContainerSubject) -> bool:
    return not _sources_not_known(subject)


def _is_own_slice(subject: ContainerSubject) -> bool:
    name = _name_at(Level.SLICE, subject.cgroups) or (subject.slice_unit.name if subject.slice_unit else "")
    return bool(name) and name not in COMMON_SLICES and not subject.other_occupants


def _complaints(
    subject: ContainerSubject, resource: Resource, requests: tuple[_Request, ...], *, all_known: bool
) -> tuple[str, ...] | None:
    """What was asked for and is not in force; None when there is none and not all could be looked at."""
    cgroups = subject.cgroups
    if cgroups is None or not cgroups.levels:
        return None
    if resource is MEMORY_SWAP and cgroups.use.memory_swap_bytes is None:
        # A kernel that does not account swap cannot limit it, and podman then does not ask.
        return None if cgroups.is_unread(cgroups.levels[0], "memory.swap.current") else ()
    page_bytes = subject.host.page_bytes if subject.host else PAGE_BYTES
    complaints = []
    all_read = all_known
    for request in requests:
        asked = request.figure(resource)
        if asked is None:
            continue
        figures = [figure for level in request.levels if (figure := resource.in_force(level)) is not None]
        in_force = min(figures, default=None)
        if in_force is None and _has_unreadable(cgroups, request.levels):
            all_read = False
        elif in_force is None or not resource.is_applied(asked, in_force, page_bytes):
            stands = "its cgroup has no limit" if in_force is None else f"its cgroup has {in_force:.15g}"
            if not request.levels:
                stands = "the container runs outside its cgroup"
            complaints.append(f"{resource.name}: {request.source.value} was asked for {asked:.15g}, and {stands}")
    return tuple(complaints) if complaints or all_read else None


def _podmans_levels(cgroups: ContainerCgroups | None) -> tuple[CgroupLevel, ...]:
    """The payload, and the libpod scope around it that podman makes where no unit has split its cgroup."""
    return tuple(
        level
        for level in (cgroups.levels if cgroups else ())
        if level.level is Level.PAYLOAD or container_id_of(level.name) is not None
    )


def _levels_named(name: str, cgroups: ContainerCgroups | None) -> tuple[CgroupLevel, ...]:
    return tuple(level for level in (cgroups.levels if cgroups else ()) if level.name == name)


def _name_at(wanted: Level, cgroups: ContainerCgroups | None) -> str:
    return next((level.name for level in (cgroups.levels if cgroups else ()) if level.level is wanted), "")


def _has_unreadable(cgroups: ContainerCgroups, levels: tuple[CgroupLevel, ...]) -> bool:
    # "path/file: why": a file directly in one of these cgroups.
    places = {line.partition(": ")[0].rpartition("/")[0] for line in cgroups.unreadable}
    return any(level.path in places for level in levels)
