"""Who is who: which container owns which id, unit, slice and SELinux level, and what is not known yet.

Pure: from the latest answers of the sources, what the ledger remembers, and the time. Its facts are podman's list, the
cgroup tree, conmon's command lines, systemd's units and the quadlets:

    names_by_id      id of a live or listed container              -> its name
    names_by_unit    web.service                                    -> web
    occupants        /services.slice/services-web.slice             -> {web}
                     /services.slice                                -> {web, dns, ""}: nobody's own
    unidentified     ids of containers whose name is not known yet: each makes its slices shared

Three rules decide what may be counted for whom:

- A container that is stopped still belongs to the slice of its unit. Until systemd was asked for the units of all
  quadlets, another container of that slice would wrongly look like its only occupant: until then
  `slices_complete` is False.
- An id is no name. A new container's name comes from podman or from its conmon within a moment: until then, for
  `NAME_US`, it is unidentified. Later it goes by the head of its id for good.
- A new container of a quadlet's unit can be no other than the quadlet's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from exporter.facts.cgroup import COMMON_SLICES, PayloadPlace, path_of_slice, unit_of
from exporter.facts.container import Container, full_name
from exporter.facts.host import Host
from exporter.facts.naming import Listed, is_unnamed, listed_by_id, names_of_conmons, own_name, user_of
from exporter.facts.process import ContainerProcesses, ProcessTable
from exporter.facts.reading import Absent, Failed, Read, Reading, last_read, latest
from exporter.facts.selinux import parse_context
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.unit_claims import with_believed_units
from exporter.ledger.patience import ANSWERS_US, NAME_US, UNITS_US
from exporter.ledger.state import Identities

_NOBODYS = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """The latest answers of the sources that know something of who is who."""

    podman: Reading[tuple[Container, ...]]
    process: Reading[ProcessTable]
    systemd: Reading[tuple[Unit, ...]]
    quadlet: Reading[tuple[Quadlet, ...]]
    host: Reading[Host]
    payloads: tuple[PayloadPlace, ...]  # of every container with a cgroup now
    have_all_answered: bool  # each source has answered, refused or failed at least once


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is awaited, from one look to the next. Times are of the monotonic clock."""

    began_us: int
    unnamed: Mapping[str, int] = field(default_factory=dict)  # container id -> when it was first seen without a name
    quadlet_units: frozenset[str] = frozenset()
    quadlets_since_seconds: float | None = None  # unix time at which the newest of these units was first reported
    knows_units: bool = False  # systemd has answered for the units of all these quadlets


@dataclass(frozen=True, slots=True)
class Member:
    """One container that is known now, by any source."""

    name: str
    container_id: str  # "" when it is not alive and not listed
    path: str  # of its payload's cgroup; "" when it is not alive
    unit: Unit | None  # root's systemd runs it
    labels: tuple[str, ...] = ()  # of SELinux, asked for and in force
    is_nameless: bool = False  # not listed by podman, and no conmon has a name for it


def waiting_after(waiting: Waiting, answers: Answers) -> Waiting:
    """What is awaited of quadlets and units once these answers are known."""
    quadlets = last_read(answers.quadlet)
    units, since, knows = waiting.quadlet_units, waiting.quadlets_since_seconds, waiting.knows_units
    if quadlets is not None:
        named = frozenset(quadlet.unit for quadlet in quadlets.value)
        if since is None or not named <= units:
            units, since, knows = named, quadlets.read_at_seconds, False
    knows = knows or _has_systemd_answered(answers, since)
    return replace(waiting, quadlet_units=units, quadlets_since_seconds=since, knows_units=knows)


def can_identify(answers: Answers, waiting: Waiting, now_us: int) -> bool:
    """Whether all sources have answered, or were silent for too long."""
    has_answers = waiting.knows_units and answers.have_all_answered
    return has_answers or now_us - waiting.began_us >= ANSWERS_US


def are_slices_complete(waiting: Waiting, now_us: int) -> bool:
    """Whether each slice's occupants are known, the stopped ones too; True also once that was awaited for too long."""
    return waiting.knows_units or now_us - waiting.began_us > UNITS_US


def identify(
    answers: Answers, waiting: Waiting, remembered_units: Mapping[str, str], now_us: int
) -> tuple[Identities, Waiting]:
    """Who is who now, and since when each unidentified container has been waiting for its name.

    `waiting` is what `waiting_after` made of the same answers; `remembered_units` the unit of each container's name, as
    the ledger remembers it.
    """
    answers = _with_believed_units(answers, remembered_units)
    everyone = _alive_and_listed(answers)
    nameless = [member.container_id for member in everyone if member.is_nameless]
    unnamed = {each: waiting.unnamed.get(each, now_us) for each in nameless}
    patient = {each for each, since in unnamed.items() if now_us - since < NAME_US}
    known = [member for member in everyone if member.container_id not in patient]
    units = {unit.name: unit for unit in latest(answers.systemd) or ()}
    here = {member.name for member in known}
    # A quadlet that is not started now may have had kills before, and will be known when it is.
    stopped = [
        Member(quadlet.container, "", "", units.get(quadlet.unit))
        for quadlet in latest(answers.quadlet) or ()
        if quadlet.container not in here
    ]
    stopped += _remembered([*known, *stopped], units, remembered_units)
    settled = {(member.container_id, member.path) for member in known}
    others = [one for one in answers.payloads if (one.container_id, one.path) not in settled]
    alive = _listed_by_id(answers).alive
    identities = identities_of(
        [*known, *stopped],
        # A container that podman lists twice under one name, or is removing, still lives somewhere.
        also_here=[(alive[one.container_id].name, one.path) for one in others if one.container_id in alive],
        # A user's cgroup that is named after root's container is no known container's.
        unidentified=[(one.container_id, one.path) for one in others if one.container_id not in alive],
        slices_complete=are_slices_complete(waiting, now_us),
        account_uids=_account_uids(answers),
    )
    return identities, replace(waiting, unnamed=unnamed)


def _with_believed_units(answers: Answers, remembered_units: Mapping[str, str]) -> Answers:
    match answers.podman:
        case Read(value=containers):
            paths = {one.container_id: one.path for one in answers.payloads if not one.owner_uid}
            quadlets = latest(answers.quadlet) or ()
            believed = with_believed_units(containers, paths, quadlets, remembered_units)
            return replace(answers, podman=replace(answers.podman, value=believed))
        case _:
            return answers


def _account_uids(answers: Answers) -> dict[str, int]:
    host = latest(answers.host)
    return dict(host.account_uids) if host else {}


def _has_systemd_answered(answers: Answers, quadlets_since_seconds: float | None) -> bool:
    """Whether systemd was asked for the units of all quadlets, after the newest of them was reported."""
    match answers.systemd:
        case Absent():
            return True  # nothing has a unit
        case Failed():
            return False
        case Read(read_at_seconds=at, duration_seconds=duration):
            since = 0.0 if isinstance(answers.quadlet, Absent) else quadlets_since_seconds
            return since is not None and at - duration >= since


def _listed_by_id(answers: Answers) -> Listed:
    owner_uids = {one.container_id: one.owner_uid for one in answers.payloads}
    containers = latest(answers.podman) or ()
    return listed_by_id(containers, owner_uids, _account_uids(answers))


def _alive_and_listed(answers: Answers) -> list[Member]:
    """The containers that podman lists, and those that have a cgroup and that podman does not list."""
    quadlets = latest(answers.quadlet) or ()
    promised = {quadlet.unit: quadlet.container for quadlet in quadlets}
    found: dict[str, Member] = {}
    listed = _listed_by_id(answers)
    for member in (*_listed(answers, listed), *_unlisted(answers, listed)):
        # A restart makes a new id before podman's list has dropped the old id: the container that lives is meant.
        known = found.get(member.name)
        if known is None or (not known.path and member.path):
            found[member.name] = member
    ordered = (found[name] for name in sorted(found))
    return [
        replace(member, name=promised[member.unit.name], is_nameless=False)
        if member.container_id not in listed.by_id and member.unit is not None and member.unit.name in promised
        else member
        for member in ordered
    ]


def _listed(answers: Answers, listed: Listed) -> Iterator[Member]:
    payloads = {one.container_id: one for one in answers.payloads}
    processes = _processes(answers)
    units = {unit.name: unit for unit in latest(answers.systemd) or ()}
    units_of_quadlets = {quadlet.container: quadlet.unit for quadlet in latest(answers.quadlet) or ()}
    for container in listed.by_id.values():
        unit = "" if container.user else container.unit or units_of_quadlets.get(container.name, "")
        is_alive = container.id in listed.alive
        path = payloads[container.id].path if is_alive else ""
        # A user's podman may declare the label of root's container: of a user's, only what is in force counts.
        asked = "" if container.user else container.security.selinux_process_label or ""
        in_force = _labels_in_force(processes.get(container.id)) if is_alive else ()
        yield Member(container.name, container.id, path, units.get(unit), (asked, *in_force))


def _unlisted(answers: Answers, listed: Listed) -> Iterator[Member]:
    processes = _processes(answers)
    names = names_of_conmons(latest(answers.process))
    units = {unit.name: unit for unit in latest(answers.systemd) or ()}
    accounts = {uid: account for account, uid in _account_uids(answers).items()}
    for place in answers.payloads:
        if place.container_id in listed.by_id:
            continue
        user = user_of(place.owner_uid, accounts)
        name = own_name(place.container_id, place.owner_uid, names)
        unit = None if user else units.get(unit_of(place.path))
        labels = _labels_in_force(processes.get(place.container_id))
        is_nameless = is_unnamed(name, place.container_id)
        yield Member(full_name(user, name), place.container_id, place.path, unit, labels, is_nameless)


def _processes(answers: Answers) -> dict[str, ContainerProcesses]:
    table = latest(answers.process)
    return {one.container_id: one for one in table.containers} if table else {}


def _labels_in_force(processes: ContainerProcesses | None) -> tuple[str, ...]:
    first = processes.processes[:1] if processes else ()
    return tuple(process.security_label or "" for process in first)


def _remembered(
    members: Iterable[Member], units: Mapping[str, Unit], remembered_units: Mapping[str, str]
) -> Iterator[Member]:
    """Stopped containers that only the ledger knows: a unit that is still there may start them again."""
    here = {member.name for member in members}
    taken = {member.unit.name for member in members if member.unit is not None}
    for name, unit_name in remembered_units.items():
        unit = units.get(unit_name)
        if name not in here and unit_name not in taken and unit is not None and unit.load_state != "not-found":
            yield Member(name, "", "", unit)


def identities_of(
    members: Iterable[Member],
    also_here: Iterable[tuple[str, str]] = (),
    unidentified: Iterable[tuple[str, str]] = (),
    *,
    slices_complete: bool = True,
    account_uids: Mapping[str, int],
) -> Identities:
    """Every container's name; `also_here` (by name) and `unidentified` (by id) live at these cgroup paths, too.

    Only the slice right above a container can be its own: what lies above that slice, and the slices that systemd gives
    to whatever has none, are nobody's.
    """
    names_by_id: dict[str, str] = {}
    names_by_unit: dict[str, str] = {}
    names_by_level: dict[str, str] = {}
    occupants: dict[str, set[str]] = {}
    for member in members:
        if member.container_id:
            names_by_id[member.container_id] = member.name
        if member.unit is not None:
            names_by_unit[member.unit.name] = member.name
        for level in {parse_context(label).level for label in member.labels} - {""}:
            shared = names_by_level.get(level, member.name) != member.name
            names_by_level[level] = _NOBODYS if shared else member.name
        # A container that is between two lives still has its slice.
        home = member.path or (path_of_slice(member.unit.slice) + "/" if member.unit else "")
        _add_occupant(occupants, member.name, home)
    for name, path in also_here:
        _add_occupant(occupants, name, path)
    unnamed = {f"?{container_id}": path for container_id, path in unidentified}  # no container's name begins so
    for name, path in unnamed.items():
        _add_occupant(occupants, name, path)
    return Identities(
        names_by_id,
        names_by_unit,
        {path: frozenset(names) for path, names in occupants.items()},
        frozenset(unnamed),
        names_by_level,
        slices_complete,
        account_uids,
    )


def _add_occupant(occupants: dict[str, set[str]], name: str, home: str) -> None:
    for depth, path in enumerate(_slices_above(home)):
        occupants.setdefault(path, set()).add(name)
        if depth or path.rpartition("/")[2] in COMMON_SLICES:
            occupants[path].add(_NOBODYS)


def _slices_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        if path.endswith(".slice"):
            yield path
