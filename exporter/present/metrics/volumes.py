"""How full each volume is, on whatever file system, and whom SELinux lets into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.present.metrics.family import Family, Kind, labelled_containers
from exporter.report.container import ContainerReport, VolumeReport

_CARDINALITY = "1 a volume of a container, 64 at most"


def _volume(name: str, help_text: str, value: Callable[[VolumeReport], int | None]) -> Family:
    def values(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float | None]]:
        return (((volume.destination, volume.filesystem), value(volume)) for volume in one.volumes)

    labels = ("container", "destination", "fstype")
    return Family(name, help_text, Kind.GAUGE, labels, _CARDINALITY, labelled_containers(values))


def _labels(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    return (((volume.destination, volume.label), 1) for volume in one.volumes if volume.label)


def _selinux(one: ContainerReport) -> Iterator[tuple[tuple[str, ...], float]]:
    if one.selinux:
        yield one.selinux, 1


FAMILIES: tuple[Family, ...] = (
    _volume(
        "bulkhead_container_volume_size_bytes",
        "Size of the volume's file system, or of the project quota that the volume is under; "
        "absent when it does not tell.",
        lambda one: one.size_bytes,
    ),
    _volume(
        "bulkhead_container_volume_used_bytes",
        "Space of the volume's file system, or of its project quota, that is taken.",
        lambda one: one.used_bytes,
    ),
    _volume(
        "bulkhead_container_volume_available_bytes",
        "Space that the container can still take there, without what is reserved for root.",
        lambda one: one.available_bytes,
    ),
    Family(
        "bulkhead_container_volume_label",
        "Whom the SELinux label of the volume lets in: private (this container), shared (all), "
        "foreign (another one), unlabelled (none).",
        Kind.GAUGE,
        ("container", "destination", "kind"),
        _CARDINALITY,
        labelled_containers(_labels),
    ),
    Family(
        "bulkhead_container_selinux_info",
        "Type and level of the SELinux label that the container's first process has in force.",
        Kind.GAUGE,
        ("container", "type", "level"),
        "1 a container",
        labelled_containers(_selinux),
    ),
)
