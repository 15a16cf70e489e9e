"""The running kernel is the newest installed of its flavour, and no package has asked for a reboot.

/run/reboot-required (Debian), and the names of /boot/vmlinuz-RELEASE against `uname -r`:
5.14.0-570.12.1.el9_6.x86_64 is newer than 5.14.0-570.el9.x86_64, and a cloud or rt kernel is none of its successors.
"""

from __future__ import annotations

import re

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_DISTRIBUTION = re.compile(r"(?:deb|bpo|el|fc|uek|lp)\d+.*|rc\d*")
_PART = re.compile(r"\d+|[a-z]+")


def _flavour(release: str) -> frozenset[str]:
    """amd64, cloud, rt, x86_64: what of its name is no version."""
    return frozenset(word for word in _WORD.findall(release) if not _DISTRIBUTION.fullmatch(word))


def _age_key(release: str) -> tuple[tuple[bool, int, str], ...]:
    # As rpm and dpkg compare: part by part, and a number is newer than a word.
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in _PART.findall(release))


def examine(subject: HostSubject) -> Outcome:  # noqa: PLR0911 - one return for each thing it says
    """Judge the request first: it also tells of libraries."""
    host = subject.host
    if host is None or host.reboot_required is None:
        return unknown("the host not readable")
    if host.reboot_required:
        return failed("a package asks for a reboot", "/run/reboot-required")
    if host.kernels is None:
        return unknown("installed kernels not readable", "/boot, /lib/modules")
    if not host.kernels:
        return not_applicable("no kernel is installed on this host")
    if host.kernel not in host.kernels:
        return failed("the running kernel is not installed any more", f"{host.kernel} runs")
    newest = max((one for one in host.kernels if _flavour(one) == _flavour(host.kernel)), key=_age_key)
    if _age_key(newest) > _age_key(host.kernel):
        return failed("a newer kernel is installed", f"{host.kernel} runs, {newest} is installed")
    return passed("the newest kernel runs")


CHECK = Check(
    id="reboot_not_pending",
    title="The newest kernel runs",
    severity=Severity.WARNING,
    why="An update of the kernel protects nobody before it runs.",
    fix_host="Reboot",
    references=("uname(1)",),
    examine=examine,
)
