"""The host has the unified hierarchy of cgroups: /sys/fs/cgroup/cgroup.controllers."""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, passed, unknown
from exporter.assess.checks.subject import HostSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: HostSubject) -> Outcome:
    """Judge the version that is mounted."""
    if subject.host is None or subject.host.cgroup_version is None:
        return unknown("cgroup mount not readable", "/sys/fs/cgroup")
    return passed("version 2") if subject.host.cgroup_version == 2 else failed("cgroup version 1 or hybrid")  # noqa: PLR2004 - its name


CHECK = Check(
    id="cgroup_v2",
    title="Cgroups are unified",
    severity=Severity.CRITICAL,
    why="Memory, pressure and OOM kills of a container can be limited and told only by cgroup v2.",
    fix_host="systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
    references=("systemd.special(7)", "podman-run(1): cgroups"),
    examine=examine,
)
