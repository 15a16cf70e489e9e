"""No id of the container is another's: not of a container, an account, a group, or an owner of subordinate ids.

Declared: IDMappings. In force: uid_map and gid_map of every process, against those of every other container, against
/etc/passwd, /etc/group, /etc/subuid and /etc/subgid. A pod's members share one user namespace on purpose. A container
that has ids of its own and one process with the host's shares all of the host's.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import (
    failed,
    judge_unshared,
    named,
    not_applicable,
    of_another,
    passed,
    promise,
    unknown,
    with_ranges_read,
)
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.sharers import own_ids
from exporter.facts.process import Process
from exporter.report.findings import Outcome, Severity, Verdict

_GROUPS = "etc/group"


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
    return outcome if subject.host is None else with_ranges_read(outcome, subject.host, _GROUPS)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the id maps of every process against everybody else's."""
    if subject.host is None:
        return unknown("host's accounts not readable")
    promised = promise(declared(subject))
    outcome = judge_unshared(
        subject,
        subject.ids_shared_with,
        lambda process: bool(own_ids((*process.uid_map, *process.gid_map))),
        declared=promised,
        noun="ids",
    )
    processes = subject.processes.processes if subject.processes else ()
    of_host = [process.comm for process in processes if _has_hosts(process)]
    if of_host and outcome.verdict is Verdict.PASS:
        return failed("ids shared", f"with the host, by {named(of_host)}", drift=promised is True)
    return with_ranges_read(outcome, subject.host, _GROUPS)


def _has_hosts(process: Process) -> bool:
    """Whether one of its maps has a line of all the host's ids."""
    lines = (*process.uid_map, *process.gid_map)
    return len(own_ids(lines)) < len(lines)


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
