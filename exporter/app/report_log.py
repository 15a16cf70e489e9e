"""What is logged of reports, once each time that it begins.

Waivers that do not hold, starts that do not end, and whose containers are left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from exporter.report.findings import WaiverReport, WaiverState
from exporter.report.host import Report

log = logging.getLogger("bulkhead")

_AILING = {
    WaiverState.EXPIRED: "a waiver has expired: mend the failure or set another date",
    WaiverState.UNMATCHED: "a waiver matches no container",
}


def logging_waivers(make_report: Callable[[], Report]) -> Callable[[], Report]:
    """Logs each waiver that has expired or matches nothing, once each time that this begins."""
    logged: frozenset[WaiverReport] = frozenset()

    def report() -> Report:
        nonlocal logged
        made = make_report()
        ailing = [one for one in made.waivers if one.state in _AILING]
        for waiver in ailing:
            if waiver not in logged:
                subject = {"container": waiver.container or "the host", "check": waiver.check, "reason": waiver.reason}
                log.warning(_AILING[waiver.state], extra=subject)
        logged = frozenset(ailing)
        return made

    return report


def logging_overdue_starts(make_report: Callable[[], Report]) -> Callable[[], Report]:
    """Logs each start that was seen to last longer than its bound, once."""
    starting: frozenset[str] = frozenset()

    def report() -> Report:
        nonlocal starting
        made = make_report()
        for one in made.containers:
            if one.lacks and not one.is_starting and one.id in starting:
                log.warning(
                    "a container is judged as it is, for what it lacks has not come within a minute",
                    extra={"container": one.name, "id": one.id, "reason": one.lacks},
                )
        starting = frozenset(one.id for one in made.containers if one.is_starting)
        return made

    return report


def logging_left_out(make_report: Callable[[], Report]) -> Callable[[], Report]:
    """Logs whose containers are not all on the page, once each time that this begins."""
    logged: frozenset[str] = frozenset()

    def report() -> Report:
        nonlocal logged
        made = make_report()
        for owner, count in made.dropped_by_owner:
            if owner not in logged:
                log.warning(
                    "containers are left out: there are more than series.max_containers, or than one user's share",
                    extra={"owner": owner or "root", "count": count},
                )
        logged = frozenset(owner for owner, _ in made.dropped_by_owner)
        return made

    return report
