"""No id of the container is another's: not of another container, of an account, or of an owner of subordinate ids.

Declared: IDMappings. In force: uid_map and gid_map of every process, against those of every other container, against
/etc/passwd, /etc/subuid and /etc/subgid. A pod's members share one user namespace on purpose.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    failed,
    judge_unshared,
    not_applicable,
    of_another,
    passed,
    promise,
    unknown,
    with_ranges_read,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.sharers import own_ids
from exporter.report.findings import Outcome, Severity


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the ranges that podman was asked for, or chose."""
    if subject.container is None or subject.container.security.userns_auto is None:
        return unknown("nothing says what was asked for")
    if anothers := of_another(subject, "user"):
        return anothers
    security = subject.container.security
    if others := subject.ids_shared_with.declared:
        return failed("ids shared", f"with {', '.join(others)}")
    if not security.userns_auto and not own_ids((*security.uid_map, *security.gid_map)):
        return not_applicable("no ids of its own")
    outcome = passed("ids not shared")
    return outcome if subject.host is None else with_ranges_read(outcome, subject.host)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the id maps of every process against everybody else's."""
    if subject.host is None:
        return unknown("host's accounts not readable")
    outcome = judge_unshared(
        subject,
        subject.ids_shared_with,
        lambda process: bool(own_ids((*process.uid_map, *process.gid_map))),
        declared=promise(declared(subject)),
        noun="ids",
    )
    return with_ranges_read(outcome, subject.host)


CHECK = Check(
    id="user_namespace_disjoint",
    title="Ids overlap with nobody's",
    severity=Severity.CRITICAL,
    why="Once out of its container, who has a neighbour's ids owns the neighbour's files and may signal its processes.",
    fix_quadlet="UserNS=auto instead of UIDMap= and GIDMap=",
    fix_podman="--userns auto instead of --uidmap and --gidmap",
    references=("CIS Docker 5.30", "subuid(5)", "user_namespaces(7)"),
    examine=examine,
    declared=declared,
    causes=("--userns", "--uidmap", "--gidmap", "--pod", "[Container]"),
)
