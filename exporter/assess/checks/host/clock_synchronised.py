"""Somebody keeps the kernel's clock right: STA_UNSYNC of adjtimex(2) is not set."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge what the time service told the kernel."""
    if subject.host is None or subject.host.clock_synchronised is None:
        return unknown("the clock's state not readable")
    return passed("synchronised") if subject.host.clock_synchronised else failed("nobody synchronises the clock")


CHECK = Check(
    id="clock_synchronised",
    title="The clock is synchronised",
    severity=Severity.WARNING,
    why="Certificates, tokens, logs and alerts are only as right as the clock.",
    fix_host="Enable chrony (with rtcsync, as it comes) or systemd-timesyncd",
    references=("adjtimex(2)", "chrony.conf(5): rtcsync", "CIS RHEL 2.3"),
    examine=examine,
)
