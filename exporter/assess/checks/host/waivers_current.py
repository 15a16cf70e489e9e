"""No waiver of the configuration has expired: who accepted a failure for a time is asked again."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity, last_day


def examine(subject: HostSubject) -> Outcome:
    """Judge the date of every waiver."""
    if not subject.waivers:
        return not_applicable("there are no waivers")
    expired = [
        f"{waiver.check} of {waiver.container or 'the host'}, until {last_day(waiver.ends_at_seconds)}: {waiver.reason}"
        for waiver in subject.waivers
        if waiver.ends_at_seconds is not None and waiver.has_expired(subject.now_seconds)
    ]
    return failed("a waiver has expired", "; ".join(expired[:5])) if expired else passed("none has expired")


CHECK = Check(
    id="waivers_current",
    title="No waiver has expired",
    severity=Severity.WARNING,
    why="A failure was accepted for a time, and the time is over: mend it, or decide again.",
    fix_host="Mend what was waived and remove the waiver from /etc/bulkhead/config.toml, or set another until",
    references=("bulkhead: waivers",),
    examine=examine,
)
