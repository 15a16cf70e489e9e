"""No id inside a container is an id that means anything outside.

Declared: userns=auto. In force: every process's uid_map and gid_map map to host ids at or above the
start of the `containers` range of /etc/subuid and /etc/subgid, and nothing else.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, judge_every_process, of_another, promise, unknown, with_ranges_read
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import IdRange
from exporter.facts.host import SUBID_OWNER_OF_CONTAINERS, Host, SubIds
from exporter.report.findings import Outcome, Severity

# Without a `containers` range, ids below this are those of the system and its accounts (login.defs: SUB_UID_MIN).
_FIRST_SUBORDINATE_ID = 100_000


def _lowest(ranges: tuple[SubIds, ...]) -> int:
    starts = [one.start for one in ranges if one.owner == SUBID_OWNER_OF_CONTAINERS]
    return min(starts, default=_FIRST_SUBORDINATE_ID)


def _lowest_of(host: Host | None) -> tuple[int, int]:
    return _lowest(host.subuids if host else ()), _lowest(host.subgids if host else ())


def _is_private(id_map: tuple[IdRange, ...], lowest_id: int) -> bool:
    return bool(id_map) and all(line.outside >= lowest_id for line in id_map)


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the mode, or the maps, that podman was asked for."""
    if subject.container is None:
        return asked("ids are private", "ids are the host's", stands=None)
    if anothers := of_another(subject, "user"):
        return anothers
    security = subject.container.security
    private = security.userns_auto
    if private is False and security.uid_map and security.gid_map:
        lowest_uid, lowest_gid = _lowest_of(subject.host)
        private = _is_private(security.uid_map, lowest_uid) and _is_private(security.gid_map, lowest_gid)
    outcome = asked(
        "ids are private", "ids are the host's", stands=private, detail=f"UserNS={security.userns_mode or 'host'}"
    )
    # A mode needs no range to be judged by.
    return outcome if security.userns_auto or subject.host is None else with_ranges_read(outcome, subject.host)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the id maps of every process."""
    if subject.host is None:
        return unknown("host's id ranges not readable")
    lowest_uid, lowest_gid = _lowest_of(subject.host)
    outcome = judge_every_process(
        subject,
        lambda process: _is_private(process.uid_map, lowest_uid) and _is_private(process.gid_map, lowest_gid),
        declared=promise(declared(subject)),
        good="ids are private",
        bad="ids are the host's",
    )
    return with_ranges_read(outcome, subject.host)


CHECK = Check(
    id="private_user_namespace",
    title="Ids are private",
    severity=Severity.CRITICAL,
    why="A process that escapes its container owns no file and can signal no process of the host or of a neighbour.",
    fix_quadlet="UserNS=auto",
    fix_podman="--userns auto",
    references=("podman-run(1): --userns", "CIS Docker 5.30", "user_namespaces(7)", "subuid(5)"),
    examine=examine,
    declared=declared,
    causes=("--pod-id-file", "--pod", "--userns", "--uidmap", "--gidmap", "[Container]"),
)
