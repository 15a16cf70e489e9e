"""Images and containers are kept in one place, below /var/lib/containers.

Declared: StaticDir, which lies below the storage's graph root whatever its driver. In force: the lower directories of
the overlay at `/` in /proc/PID/mountinfo; other drivers do not show them, and what podman says decides.

    790 708 0:94 / / ro,relatime - overlay overlay rw,lowerdir=/var/lib/containers/storage/overlay/l/CNKI...
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, not_applicable, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity, Verdict

_SYSTEM_STORAGE = "/var/lib/containers/"


def declared(subject: ContainerSubject) -> Outcome:
    """Judge where podman keeps the container."""
    container = subject.container
    if container is None or not (container.image or container.image_id or container.storage_path):
        return unknown("podman did not say")
    if container.image.startswith("/") or not (container.image or container.image_id):
        return not_applicable("no image: its root is a directory")
    place = container.storage_path
    return asked(
        "images in the system's storage",
        "images elsewhere",
        stands=place.startswith(_SYSTEM_STORAGE) if place else None,
        detail=place[:200],
    )


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the layers of the root file system."""
    wanted = declared(subject)
    if wanted.verdict is Verdict.NOT_APPLICABLE:
        return wanted
    promised = promise(wanted)
    roots = [mount for mount in (subject.processes.mounts if subject.processes else ()) if mount.mount_point == "/"]
    if not roots:
        return unknown("mounts not readable")
    layers = [layer for layer in roots[-1].layers if layer.startswith("/")]
    outside = [layer for layer in layers if not layer.startswith(_SYSTEM_STORAGE)]
    if outside:
        return failed("images elsewhere", outside[0][:200], drift=promised is True)
    if layers:
        return passed("images in the system's storage", drift=promised is False)
    return wanted


CHECK = Check(
    id="images_in_system_storage",
    title="Images are in the system's storage",
    severity=Severity.INFO,
    why="Images in one place are updated, scanned and counted together; in homes they are spread over all users.",
    fix_quadlet="Have the .container file in /etc/containers/systemd; graphroot= is in /etc/containers/storage.conf",
    fix_podman="Run podman as root, without --root",
    references=("containers-storage.conf(5)",),
    examine=examine,
    declared=declared,
    causes=("[Container]",),
)
