"""Updates are installed by themselves, and were lately: unattended-upgrade(8) or dnf-automatic(8).

apt stamps each success; of dnf only the start of its timer is known.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity

_DAY_SECONDS = 86400
_RECENT_DAYS = 3  # both run daily, some hours late by chance; a host may be off for a day


def examine(subject: HostSubject) -> Outcome:  # noqa: PLR0911 - one return for each thing it says
    """Judge the settings, then how long ago the last run was."""
    updates = subject.host.updates if subject.host else None
    if updates is None:
        return unknown("the host not readable")
    if not updates.manager:
        return not_applicable("neither apt nor dnf on this host")
    if updates.installs is None:
        return unknown("settings of updates not readable")
    if not updates.installs:
        return failed("updates are not installed by themselves", f"{updates.manager} is not set up to")
    if updates.last_run_at_seconds is None:
        return failed("never ran", f"{updates.manager} is set up to, and has not yet")
    days = (subject.now_seconds - updates.last_run_at_seconds) / _DAY_SECONDS
    if days > _RECENT_DAYS:
        return failed("did not run lately", f"{updates.manager} last did {days:.0f} days ago")
    return passed("on and recent")


CHECK = Check(
    id="automatic_updates",
    title="Updates are installed by themselves",
    severity=Severity.WARNING,
    why="Containers share the kernel: a hole in it that is known and not mended is open to each of them.",
    fix_host="apt install unattended-upgrades and dpkg-reconfigure unattended-upgrades; or dnf install dnf-automatic "
    "and systemctl enable --now dnf-automatic-install.timer",
    references=("unattended-upgrade(8)", "dnf-automatic(8)"),
    examine=examine,
)
