"""What the host itself says: the mode of SELinux, and files of quadlets that have no unit."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.present.metrics.family import Family, Kind, Sample, state_set
from exporter.report.host import Report

SELINUX_MODES = ("enforcing", "permissive", "disabled")


def _selinux_mode(report: Report) -> Iterator[Sample]:
    for labels, value in state_set(SELINUX_MODES, report.host.selinux_mode if report.host else None):
        yield Sample(labels, value)


def _unmade_quadlets(report: Report) -> Iterator[Sample]:
    return (Sample((one.path, str(one.line or "")), 1) for one in report.unmade_quadlets)


FAMILIES: tuple[Family, ...] = (
    Family(
        "bulkhead_selinux_mode",
        "1 for the mode of SELinux, 0 for the others; absent when the kernel has no SELinux.",
        Kind.GAUGE,
        ("mode",),
        "3",
        _selinux_mode,
    ),
    Family(
        "bulkhead_quadlet_without_unit",
        "1 for each .container file of root's of which quadlet made no unit, with the line that keeps it from that.",
        Kind.GAUGE,
        ("file", "line"),
        "up to 100",
        _unmade_quadlets,
    ),
)
