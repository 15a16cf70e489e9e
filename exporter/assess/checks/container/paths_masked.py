"""The parts of /proc and /sys that tell of the host are masked, and those that change it are read-only.

Declared: linux.maskedPaths and linux.readonlyPaths of the OCI configuration. In force: at each of podman's own masked
paths that this kernel has, /proc/PID/mountinfo shows a mask and nothing over it. crun and runc cover a file with
/dev/null, the host's or the container's own, and a directory with an empty tmpfs that is read-only; a newer crun covers
all directories with one that is empty:

    823 800 0:6  /null                      /proc/kcore   ro,nosuid,relatime - devtmpfs udev rw
    822 799 0:64 /                          /sys/firmware ro,relatime        - tmpfs tmpfs rw,size=0k
    812 798 0:27 /run/crun/.empty-directory /sys/firmware ro                 - tmpfs tmpfs rw

Whatever else is mounted there (a directory of the host, another procfs) is no mask. Nor may a procfs or sysfs that is
mounted once more, or a part of it, show them at another place. At each path that podman makes read-only, nothing is
mounted that can be written, nor below it:

    7408 7389 0:513 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, passed, promise, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.isolation.mounts import MountTree
from exporter.assess.storage.places import is_below
from exporter.facts.container import MASKED_PATHS, READ_ONLY_PATHS
from exporter.facts.process import MountPoint
from exporter.report.findings import Outcome, Severity

_WRITABLE = "paths of the kernel can be written"
_OF_NULL = frozenset({"devtmpfs", "tmpfs"})
"""Where /dev/null is: the host's, and that of a container whose /dev holds nodes of its own."""
_HOMES = {"proc": "/proc", "sysfs": "/sys", "selinuxfs": "/sys/fs/selinux"}
_FURTHER_MAX = 32
"""Further mounts of these that are looked at: podman makes six, of what it has read-only."""


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the paths that podman was asked to mask."""
    masked = subject.container.security.masked_paths if subject.container else None
    lacking = _lacking(subject, frozenset(masked or ()))
    if masked is None or lacking:
        stands = None if masked is None else False
        return asked("paths masked", "paths of the host not masked", stands=stands, detail=", ".join(lacking[:5]))
    closed = subject.container.security.read_only_paths if subject.container else None
    # An older recording does not tell.
    opened = [path for path in _to_be_read_only(subject) if closed is not None and path not in closed]
    return asked("paths masked", _WRITABLE, stands=not opened, detail=", ".join(opened[:5]))


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the mounts of the container's first process."""
    promised = promise(declared(subject))
    if subject.host is None or subject.host.maskable_paths is None or subject.host.read_only_paths is None:
        return unknown("host's paths not readable")
    mounts = subject.processes.mounts if subject.processes else ()
    if not mounts:
        return unknown("mounts not readable")
    tree = MountTree(mounts)
    further = [mount for mount in mounts if mount.mount_point != _HOMES.get(mount.filesystem, mount.mount_point)]
    if len(further) > _FURTHER_MAX:
        return failed("paths of the host not masked", f"{len(further)} mounts of them", drift=promised is True)
    masked = (path for path in subject.host.maskable_paths if _is_masked(tree.met(path), path))
    lacking = _lacking(subject, frozenset(path for path in masked if not _is_shown(tree, further, path)))
    if lacking:
        return failed("paths of the host not masked", ", ".join(lacking[:5]), drift=promised is True)
    closed = [path for path in subject.host.read_only_paths if _is_read_only(path, tree, mounts)]
    closed = [path for path in closed if not _is_shown(tree, filter(_is_writable, further), path)]
    if writable := [path for path in subject.host.read_only_paths if path not in closed]:
        return failed(_WRITABLE, ", ".join(writable[:5]), drift=promised is True)
    return passed("paths masked", drift=promised is False)


def _is_read_only(path: str, tree: MountTree, mounts: tuple[MountPoint, ...]) -> bool:
    met = tree.met(path)
    if met is None:
        return False
    # With the host's pids comes what the host has mounted below its /proc: that is for no_host_namespaces to judge.
    parts = [one for one in mounts if one.filesystem == met.filesystem and is_below(one.mount_point, path)]
    return all("ro" in one.options for one in (met, *parts) if one is tree.met(one.mount_point))


def _is_writable(mount: MountPoint) -> bool:
    return "ro" not in mount.options


def _is_shown(tree: MountTree, mounts: Iterable[MountPoint], path: str) -> bool:
    return any(_shows(tree, mount, path) for mount in mounts)


def _shows(tree: MountTree, mount: MountPoint, path: str) -> bool:
    """Whether this mount shows the path, or a part of what is below it, where it is mounted."""
    home, root = _HOMES[mount.filesystem], mount.root.rstrip("/")
    if not is_below(path, home):
        return False
    inside = path[len(home) :]
    if is_below(inside, root):
        place = mount.mount_point.rstrip("/") + inside[len(root) :]
    elif is_below(root, inside):
        place = mount.mount_point
    else:
        return False
    return tree.met(place or "/") is mount


def _is_masked(met: MountPoint | None, path: str) -> bool:
    if met is None or met.mount_point != path:
        return False
    if met.root == "/null":
        return met.filesystem in _OF_NULL
    is_empty = met.root.endswith("/.empty-directory") or (met.filesystem == "tmpfs" and met.root == "/")
    return is_empty and "ro" in met.options


def _to_be_read_only(subject: ContainerSubject) -> tuple[str, ...]:
    there = subject.host.read_only_paths if subject.host else None
    return READ_ONLY_PATHS if there is None else there


def _lacking(subject: ContainerSubject, masked: frozenset[str]) -> list[str]:
    there = subject.host.maskable_paths if subject.host and subject.host.maskable_paths is not None else MASKED_PATHS
    return [path for path in there if path not in masked]


CHECK = Check(
    id="paths_masked",
    title="Paths of the host are masked or read-only",
    severity=Severity.WARNING,
    why="/proc/kcore, /proc/keys, /sys/firmware and their like tell of the host, /proc/sys and its like change it.",
    fix_quadlet="Remove Unmask=",
    fix_podman="Remove --security-opt unmask=",
    references=("PSS baseline: /proc mount type", "podman-run(1): --security-opt mask, unmask"),
    examine=examine,
    declared=declared,
    causes=("--security-opt=unmask", "--privileged", "[Container]"),
)
