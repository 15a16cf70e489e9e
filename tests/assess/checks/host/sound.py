"""One host that passes every check of its own; tests change one thing at a time."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.host import HOST_CHECKS
from exporter.assess.checks.subject import HostSubject
from exporter.facts.host import Firewall, InputChain, SubIds, Updates
from exporter.facts.reading import Failed
from exporter.facts.storage import DeviceErrors, Pool, PoolStatus, Storage
from exporter.report.findings import Verdict
from exporter.report.waiver import Waiver
from tests.assess.secure import HOST
from tests.assess.snapshots import NOW, answered

INPUT = InputChain("inet", "filter", "input", "drop", denies=True)
SOUND_HOST = replace(
    HOST,
    kernel="6.12.117+deb13-amd64",
    subgids=(SubIds("containers", 2147483647, 2147483647),),
    sysctls=(
        ("kernel.kptr_restrict", "1"),
        ("kernel.dmesg_restrict", "1"),
        ("kernel.unprivileged_bpf_disabled", "2"),
        ("kernel.yama.ptrace_scope", "1"),
        ("kernel.kexec_load_disabled", "1"),
        ("kernel.modules_disabled", "0"),
    ),
    lockdown="integrity",
    module_signatures="Y",
    kernels=("6.12.107+deb13-amd64", "6.12.117+deb13-amd64"),
    reboot_required=False,
    updates=Updates("apt", installs=True, last_run_at_seconds=NOW - 3600),
    clock_synchronised=True,
)
POOL = Pool("tank", "online", status=PoolStatus(DeviceErrors(0, 0, 0), 0, "none"))
SOUND = HostSubject(
    now_seconds=NOW,
    host=SOUND_HOST,
    storage=answered(Storage((), (POOL,))),
    firewall=answered(Firewall((INPUT,))),
    containers=3,
    waivers=(Waiver("web", "rootful", "alice's own", NOW + 86400),),
)
IN_THE_DARK = HostSubject(NOW, None, Failed("no answer", 1.0), Failed("no answer", 1.0))


def with_host(**changes: object) -> HostSubject:
    """The sound host whose own facts differ."""
    return replace(SOUND, host=replace(SOUND_HOST, **changes))  # type: ignore[arg-type]  # the tests name real fields


def with_sysctl(name: str, value: str | None) -> HostSubject:
    """The sound host with another value of a sysctl; None: the kernel has none."""
    others = tuple(pair for pair in SOUND_HOST.sysctls if pair[0] != name)
    return with_host(sysctls=others if value is None else (*others, (name, value)))


def verdicts(subject: HostSubject) -> dict[str, Verdict]:
    """What every check says, by its id."""
    return {check.id: check.examine(subject).verdict for check in HOST_CHECKS}


def turned(subject: HostSubject) -> dict[str, Verdict]:
    """What is no pass."""
    return {check: verdict for check, verdict in verdicts(subject).items() if verdict is not Verdict.PASS}
