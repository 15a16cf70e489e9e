"""No part of the host's own system is mounted into the container, nor the socket of a container engine.

Declared: the sources of volumes and bind mounts. In force: /proc/PID/mountinfo, whose device and root say what is
mounted, against the mounts of pid 1, which say where that lies on the host:

    container   912 790 254:1 /etc /host/etc ro,relatime - ext4 /dev/vda1 rw
    host         26   1 254:1 /    /         rw,relatime - ext4 /dev/vda1 rw

What podman mounts by itself is none of that: /etc/hosts and its like from its own directories, /proc, /sys, /dev/null,
and the empty directory that a newer crun masks paths with.
"""

from __future__ import annotations

import posixpath
import re

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
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
    return asked("no path of the system", "paths of the system mounted", stands=not found, detail=_shown(found))


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
    seen = [path for mount in mounts for path in _paths_on_host(subject, mount) if _is_of_system(path, _ro(mount))]
    if found := list(dict.fromkeys([*wanted, *seen])):
        return failed("paths of the system mounted", _shown(found), drift=promised is True)
    if not subject.host_mounts:
        return unknown("host's mounts not readable")
    return passed("no path of the system", drift=promised is False)


def _is_asked_for(mount: DeclaredMount) -> bool:
    return mount.source.startswith("/") and _is_of_system(mount.source, read_only=not mount.writable)


def _is_of_system(path: str, read_only: bool) -> bool:  # noqa: FBT001 - which of the two is named by each caller
    path = posixpath.normpath("/" + path.lstrip("/"))
    if posixpath.basename(path) in _SOCKETS or path in _AROUND:
        return True
    if read_only and any(_is_below(path, harmless) for harmless in _HARMLESS):
        return False
    return any(_is_below(path, directory) for directory in _SYSTEM)


def _paths_on_host(subject: ContainerSubject, mount: MountPoint) -> list[str]:
    """Where on the host lies what is mounted; none for what lies nowhere there, and for what podman mounts itself."""
    if mount.mount_point == "/" or _is_of_podman(subject, mount):
        return []
    found = []
    for outside in subject.host_mounts.get(mount.device, ()):
        if _is_below(mount.root, outside.root):
            rest = mount.root[len(outside.root.rstrip("/")) :]
            found.append("/" + posixpath.normpath(f"{outside.mount_point}/{rest}").lstrip("/"))
    # Into a pod, with the host's pids or its ipc, podman takes these of the host as they are.
    taken = any(_is_below(mount.mount_point, home) for home in ("/proc", "/sys", "/dev/shm"))  # noqa: S108 - no file
    return [] if taken and mount.mount_point in found else found


def _is_of_podman(subject: ContainerSubject, mount: MountPoint) -> bool:
    if _OF_PODMAN.search(mount.root) or mount.mount_point in _POINTS_OF_PODMAN or _is_mask(mount):
        return True
    if mount.filesystem == "devtmpfs":
        # A device that was added is told by no_added_devices.
        devices = subject.container.security.devices if subject.container else ()
        return mount.root in _DEVICES_OF_PODMAN or f"/dev{mount.root}" in devices
    home = _KERNEL.get(mount.filesystem)
    return home is not None and _is_below(mount.mount_point, home)


def _is_mask(mount: MountPoint) -> bool:
    # A newer crun keeps one empty directory in its own below /run, and masks with it (containers/crun#1859).
    over_the_kernel_s = any(_is_below(mount.mount_point, home) for home in ("/proc", "/sys"))
    return over_the_kernel_s and mount.root.endswith("/.empty-directory") and _ro(mount)


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


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
    causes=("--volume", "--mount", "[Container]"),
)
