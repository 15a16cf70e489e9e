"""No part of the host's own system is mounted into the container, nor the socket of a container engine.

Declared: the sources of volumes and bind mounts. In force: /proc/PID/mountinfo, against the
mounts of pid 1 (places.py).

What podman mounts by itself is none of that: /etc/hosts and its like from its own directories, /proc, /sys, /dev/null,
and the empty directory that a newer crun masks paths with. A /proc or /sys of the container's own is a file system that
the host has not mounted; where it is the host's, only podman says whether it was asked for.
"""

from __future__ import annotations

import posixpath
import re

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, asked_of_own, failed, passed, promise, unknown, with_mounts_seen
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.places import is_below, places_on_host
from exporter.facts.container import DeclaredMount
from exporter.facts.process import MountPoint
from exporter.report.findings import Outcome, Severity

_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run")
# Above them, or above all that podman keeps.
_AROUND = frozenset({"/", "/var", "/var/lib", "/var/lib/containers", "/var/lib/containers/storage"})
# What containers read and nobody learns from: time zones and certificates of authorities.
_HARMLESS = (
    *("/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/ssl/certs", "/etc/pki/ca-trust"),
    *("/etc/pki/tls/certs", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/share/pki"),
)
_SOCKETS = frozenset({"buildkitd.sock", "containerd.sock", "crio.sock", "docker.sock", "podman.sock"})
_OF_PODMAN = re.compile(r"/[a-z]+-containers/[0-9a-f]{64}/userdata(/|$)")
# catatonit for --init, the policy of a host in FIPS mode: podman mounts them from /usr.
_POINTS_OF_PODMAN = frozenset({"/run/podman-init", "/dev/init", "/etc/crypto-policies/back-ends"})
_OPAQUE = "fuse.fuse-overlayfs"  # where root's kernel may mount no overlay for a user: it shows no directories
_KERNEL = {
    "cgroup": "/sys",
    "cgroup2": "/sys",
    "devpts": "/dev",
    "mqueue": "/dev/mqueue",
    "proc": "/proc",
    "sysfs": "/sys",
}
_DEVICES_OF_PODMAN = frozenset({"/null", "/zero", "/full", "/tty", "/random", "/urandom"})


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the sources that podman was asked for."""
    container = subject.container
    if container is None or not container.inspected:
        return unknown("nothing says what was asked for")
    found = [mount.source for mount in container.mounts if _is_asked_for(mount)]
    outcome = asked("no path of the system", "paths of the system mounted", stands=not found, detail=_shown(found))
    return asked_of_own(outcome, subject, "mounts")


def examine(subject: ContainerSubject) -> Outcome:
    """Judge what is mounted."""
    promised = promise(declared(subject))
    mounts = subject.processes.mounts if subject.processes else ()
    if not mounts:
        return unknown("mounts not readable")
    # What was asked for and is there is in force, also where the kernel does not tell it from podman's own.
    points = {mount.mount_point for mount in mounts}
    wanted = [
        mount.source
        for mount in (subject.container.mounts if subject.container else ())
        if _is_asked_for(mount) and mount.destination in points
    ]
    seen, like_podmans = _paths_of_the_system(subject, mounts)
    if found := list(dict.fromkeys([*wanted, *seen])):
        return failed("paths of the system mounted", _shown(found), drift=promised is True)
    if not subject.host_mounts:
        return unknown("host's mounts not readable")
    if opaque := [one.mount_point for one in mounts if one.filesystem == _OPAQUE and one.mount_point != "/"]:
        return unknown("nothing says what an overlay is made of", _shown(opaque))
    if promised is None and like_podmans:
        return unknown("podman did not say", f"it mounts these by itself, or was asked to: {_shown(like_podmans)}")
    outcome = passed("no path of the system", drift=promised is False)
    return with_mounts_seen(outcome, filter(_is_asked_for, subject.unseen_mounts))


def _is_asked_for(mount: DeclaredMount) -> bool:
    return mount.source.startswith("/") and _is_of_system(mount.source, read_only=not mount.writable)


def _is_of_system(path: str, read_only: bool) -> bool:  # noqa: FBT001 - which of the two is named by each caller
    path = posixpath.normpath("/" + path.lstrip("/"))
    if posixpath.basename(path) in _SOCKETS or path in _AROUND:
        return True
    if read_only and any(is_below(path, harmless) for harmless in _HARMLESS):
        return False
    return any(is_below(path, directory) for directory in _SYSTEM)


def _paths_of_the_system(subject: ContainerSubject, mounts: tuple[MountPoint, ...]) -> tuple[list[str], list[str]]:
    """The host's paths that are mounted: those that podman mounts only if it is asked to, and those that it may not."""
    seen: list[str] = []
    like_podmans: list[str] = []
    for mount in mounts:
        if not _is_podmans(subject, mount):
            places = places_on_host(mount, subject.host_mounts)
            paths = [path for path in places if _is_of_system(path, _ro(mount))]
            (like_podmans if _is_like_podmans(subject, mount, places) else seen).extend(paths)
    return seen, like_podmans


def _is_podmans(subject: ContainerSubject, mount: MountPoint) -> bool:
    """Whether the kernel says that podman mounted it by itself."""
    if _OF_PODMAN.search(mount.root) or mount.mount_point in _POINTS_OF_PODMAN or _is_mask(mount):
        return True
    if mount.filesystem == "cgroup2":
        own = subject.processes.container_id if subject.processes else ""
        return bool(own) and own in mount.root and is_below(mount.mount_point, _KERNEL["cgroup2"])
    return mount.filesystem == "devtmpfs" and mount.root in _DEVICES_OF_PODMAN


def _is_like_podmans(subject: ContainerSubject, mount: MountPoint, places: list[str]) -> bool:
    """Whether podman mounts such by itself, so that only what it was asked for says whether it was asked to."""
    if mount.filesystem == "devtmpfs" and mount.root != "/":
        # A device that was added is told by no_added_devices.
        container = subject.container
        return container is None or not container.inspected or f"/dev{mount.root}" in container.security.devices
    home = _KERNEL.get(mount.filesystem)
    if home is not None and is_below(mount.mount_point, home):
        return True
    # Into a pod, with the host's pids or its ipc, podman takes these of the host as they are.
    taken = any(is_below(mount.mount_point, directory) for directory in ("/proc", "/sys", "/dev/shm"))  # noqa: S108 - no file
    return taken and mount.mount_point in places


def _is_mask(mount: MountPoint) -> bool:
    # A newer crun keeps one empty directory in its own below /run, and masks with it (containers/crun#1859).
    over_the_kernel_s = any(is_below(mount.mount_point, home) for home in ("/proc", "/sys"))
    return over_the_kernel_s and mount.root.endswith("/.empty-directory") and _ro(mount)


def _ro(mount: MountPoint) -> bool:
    return "ro" in mount.options


def _shown(paths: list[str]) -> str:
    return ", ".join(path[:200] for path in paths[:5])


CHECK = Check(
    id="no_host_path_of_the_system",
    title="No path of the host's system is mounted",
    severity=Severity.CRITICAL,
    why="Who reads the host's /etc knows it, who writes there owns it, and an engine's socket is a shell of root.",
    fix_quadlet="Remove that Volume= or Mount=; copy single files into the container's own dataset, or use Secret=",
    fix_podman="Remove that --volume or --mount",
    references=("CIS Docker 5.5, 5.31", "PSS baseline: hostPath volumes"),
    examine=examine,
    declared=declared,
    causes=("--volume", "--mount", "--volumes-from", "[Container]"),
)
