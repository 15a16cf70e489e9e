"""The account `containers`, from which --userns=auto takes ids, has enough of them in /etc/subuid and /etc/subgid."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.facts.host import SUBID_OWNER_OF_CONTAINERS
from exporter.report.findings import Outcome, Severity

_IDS_OF_A_CONTAINER = 65536  # what --userns=auto gives at most unless told otherwise


def examine(subject: HostSubject) -> Outcome:
    """Judge both files; ranges of one owner add up."""
    if subject.host is None:
        return unknown("the host not readable")
    unread = [path for path in ("etc/subuid", "etc/subgid") if path in subject.host.unreadable]
    if unread:
        return unknown("id ranges not readable", "/" + unread[0])
    wanted = max(1, subject.containers) * _IDS_OF_A_CONTAINER
    for path, ranges in (("/etc/subuid", subject.host.subuids), ("/etc/subgid", subject.host.subgids)):
        count = sum(one.count for one in ranges if one.owner == SUBID_OWNER_OF_CONTAINERS)
        if not count:
            return failed("no ids for containers", f"{path} has no range of {SUBID_OWNER_OF_CONTAINERS}")
        if count < wanted:
            return failed(
                "too few ids for containers", f"{path} has {count} of {SUBID_OWNER_OF_CONTAINERS}, {wanted} are wanted"
            )
    return passed("there are enough")


CHECK = Check(
    id="subids_for_containers",
    title="There are ids for every container",
    severity=Severity.WARNING,
    why="Without a range of its own, userns=auto fails or has too few ids, and a container ends up with those of "
    "the host.",
    fix_host="containers:2147483647:2147483647 in /etc/subuid and in /etc/subgid",
    references=("subuid(5)", "podman-run(1): userns"),
    examine=examine,
)
