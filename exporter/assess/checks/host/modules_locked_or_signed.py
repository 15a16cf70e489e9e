"""Only signed modules can be loaded, or none: module.sig_enforce, kernel_lockdown(7), kernel.modules_disabled."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:  # noqa: PLR0911 - one return for each thing it says
    """Judge by whichever of the three holds."""
    if subject.host is None:
        return unknown("the host not readable")
    disabled = dict(subject.host.sysctls).get("kernel.modules_disabled")
    if disabled == "1":
        return passed("no more modules can be loaded")
    if subject.host.module_signatures == "Y":
        return passed("signatures are enforced")
    if subject.host.lockdown in {"integrity", "confidentiality"}:
        return passed("lockdown enforces signatures")
    if "proc/sys/kernel/modules_disabled" in subject.host.unreadable:
        return unknown("kernel.modules_disabled not readable", "/proc/sys/kernel/modules_disabled")
    if disabled is None:
        return not_applicable("the kernel loads no modules")
    if subject.host.module_signatures is None or subject.host.lockdown is None:
        return unknown("enforcement of signatures not readable", "/sys/module/module/parameters/sig_enforce")
    return failed("unsigned modules can be loaded")


CHECK = Check(
    id="modules_locked_or_signed",
    title="Modules are signed, or no more can be loaded",
    severity=Severity.WARNING,
    why="A module is code of the kernel: whoever loads one of their own has won.",
    fix_host="module.sig_enforce=1 or lockdown=integrity on the kernel's command line, or kernel.modules_disabled = 1 "
    "once all are loaded",
    references=("admin-guide/module-signing",),
    examine=examine,
)
