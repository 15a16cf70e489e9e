"""What the host itself says: kills for want of memory, and the mode of SELinux."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.present.metrics.family import Family, Kind, Sample, state_set
from exporter.report.host import Report

SELINUX_MODES = ("enforcing", "permissive", "disabled")


def _selinux_mode(report: Report) -> Iterator[Sample]:
    for labels, value in state_set(SELINUX_MODES, report.host.selinux_mode if report.host else None):
        yield Sample(labels, value)


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_selinux_mode",
        "1 for the mode of SELinux, 0 for the others; absent when the kernel has no SELinux.",
        Kind.GAUGE,
        ("mode",),
        "3",
        _selinux_mode,
    ),
)
