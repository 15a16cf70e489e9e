"""Which of a container's mounts are its volumes, what label each carries, and which other containers share each.

/proc/PID/mountinfo says what is mounted; podman says which mounts were asked for as volumes. Where podman is not
asked (another user's container), a mount is a volume unless the engine or the kernel makes one at that place.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from exporter.assess.isolation.selinux import categories_of, label_kind, process_label
from exporter.facts.container import Container, DeclaredMount
from exporter.facts.process import ContainerProcesses, MountPoint
from exporter.facts.volume import Volume
from exporter.report.container import VolumeReport

VIRTUAL_FILESYSTEMS = frozenset({
    *("autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
    *("fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore", "ramfs", "rpc_pipefs", "securityfs", "selinuxfs"),
    *("sysfs", "tmpfs", "tracefs"),
})  # fmt: skip
"""Nothing of theirs is on a disk."""
NEVER_RELABELLED = frozenset({
    *("/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow", "/home", "/lib", "/lib64"),
    *("/media", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/var", "/var/lib", "/var/log"),
    "/tmp",  # noqa: S108 - no file is made there
})  # fmt: skip
"""The host's own directories, which podman refuses to relabel (opencontainers/selinux, label_linux.go)."""
_OF_THE_ENGINE = frozenset({
    *("/", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/run/.containerenv"),
    *("/run/podman-init", "/run/secrets"),
    "/run/notify",  # with --sdnotify=container, podman mounts the place of the socket
})  # fmt: skip
_BELOW_THE_ENGINE_S = ("/dev/", "/proc/", "/sys/", "/run/secrets/")
_SHARERS_MAX = 64  # of one source, with write access and without each: beyond, names add nothing to a judgement


@dataclass(frozen=True, slots=True)
class Sharer:
    """Another container that has the same source."""

    name: str
    writable: bool
    flags: tuple[str, ...] = ()  # as it was asked for there
    categories: frozenset[int] | None = None  # of its processes; None: not known


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """One volume of a container as checks see it."""

    mount: MountPoint
    asked: DeclaredMount | None = None  # None: podman does not report it
    facts: Volume | None = None  # None: not read
    sharers: tuple[Sharer, ...] = ()  # of the same device and part of it
    writers: tuple[str, ...] = ()  # others that write anywhere on its device

    @property
    def writable(self) -> bool:
        """Whether the container may write to it."""
        return "rw" in self.mount.options

    @property
    def is_on_disk(self) -> bool:
        """Whether what is written to it takes space on a disk."""
        return self.mount.filesystem not in VIRTUAL_FILESYSTEMS

    @property
    def may_be_relabelled(self) -> bool:
        """Whether podman would ever label it."""
        return may_be_relabelled(self.asked) if self.asked else True


def volumes_of(container: Container | None, processes: ContainerProcesses | None) -> tuple[MountPoint, ...]:
    """The volumes among a container's mounts, those that were asked for first."""
    asked = asked_volumes(container)
    # Mounts stack: of several at one point, the last is the one that processes see.
    visible = {mount.mount_point: mount for mount in (processes.mounts if processes else ())}
    chosen = [mount for point, mount in visible.items() if point in asked or _is_volume(mount)]
    return tuple(sorted(chosen, key=lambda mount: (mount.mount_point not in asked, mount.mount_point)))


def _is_volume(mount: MountPoint) -> bool:
    return (
        mount.filesystem not in VIRTUAL_FILESYSTEMS
        and mount.mount_point not in _OF_THE_ENGINE
        and not mount.mount_point.startswith(_BELOW_THE_ENGINE_S)
    )


def asked_volumes(container: Container | None) -> dict[str, DeclaredMount]:
    """What was asked for, by destination."""
    mounts = container.mounts if container else ()
    return {posixpath.normpath(one.destination): one for one in mounts if one.kind in {"bind", "volume"}}


def may_be_relabelled(asked: DeclaredMount) -> bool:
    """Whether podman would label the source if it was asked to."""
    return posixpath.normpath(asked.source) not in NEVER_RELABELLED


@dataclass(frozen=True, slots=True)
class VolumeHolder:
    """One container that mounts volumes, or asks for them."""

    name: str
    user: str
    group: str  # containers of one pod share label and ids; "" is a group of none
    container_id: str
    mounts: tuple[MountPoint, ...] | None  # its volumes; None: its mounts are not readable
    asked: Mapping[str, DeclaredMount]  # by destination
    categories: frozenset[int] | None  # of its processes


def holder_of(name: str, container: Container | None, processes: ContainerProcesses | None) -> VolumeHolder:
    """One container with what of it concerns volumes."""
    readable = processes is not None and bool(processes.mounts)
    return VolumeHolder(
        name=name,
        user=container.user if container else "",
        group=f"{container.user}/{container.pod}" if container and container.pod else "",
        container_id=processes.container_id if processes else "",
        mounts=volumes_of(container, processes) if readable else None,
        asked=asked_volumes(container),
        categories=categories_of(process_label(processes)),
    )


class SharerIndex:
    """The containers that have each source, whatever a source is known by; made once for all containers."""

    def __init__(self) -> None:
        self._found: defaultdict[tuple[Hashable, bool], list[tuple[str, Sharer]]] = defaultdict(list)

    def add(self, source: Hashable, group: str, sharer: Sharer) -> None:
        """Note one more container that has this source."""
        known = self._found[source, sharer.writable]
        if len(known) < _SHARERS_MAX:
            known.append((group, sharer))

    def others(self, source: Hashable, name: str, group: str) -> tuple[Sharer, ...]:
        """Sharers of another name and another pod, each once, by name; one that writes anywhere counts as a writer."""
        found: dict[str, Sharer] = {}
        for writable in (True, False):
            for of_group, sharer in self._found.get((source, writable), ()):
                if sharer.name != name and not (group and of_group == group):
                    found.setdefault(sharer.name, sharer)
        return tuple(found[one] for one in sorted(found))


class MountedSources:
    """What each running container mounts."""

    def __init__(self, holders: Iterable[VolumeHolder]) -> None:
        self._by_part = SharerIndex()
        self._by_device = SharerIndex()
        for holder in holders:
            for mount in holder.mounts or ():
                sharer = Sharer(holder.name, "rw" in mount.options, categories=holder.categories)
                self._by_part.add((mount.device, mount.root), holder.group, sharer)
                self._by_device.add(mount.device, holder.group, sharer)

    def volumes(
        self, holder: VolumeHolder, facts: Mapping[tuple[str, str], Volume]
    ) -> tuple[MountedVolume, ...] | None:
        """The volumes of one container, `facts` by container id and destination; None: its mounts are not readable."""
        if holder.mounts is None:
            return None
        found = []
        for mount in holder.mounts:
            told = facts.get((holder.container_id, mount.mount_point))
            on_device = self._by_device.others(mount.device, holder.name, "")
            found.append(
                MountedVolume(
                    mount=mount,
                    asked=holder.asked.get(mount.mount_point),
                    facts=told if told is not None and told.mount_id == mount.mount_id else None,
                    sharers=self._by_part.others((mount.device, mount.root), holder.name, holder.group),
                    writers=tuple(one.name for one in on_device if one.writable),
                )
            )
        return tuple(found)


class AskedSources:
    """What each container of a host, or each quadlet of a tree, asks for."""

    def __init__(self, holders: Iterable[VolumeHolder]) -> None:
        self._index = SharerIndex()
        for holder in holders:
            for wish in holder.asked.values():
                sharer = Sharer(holder.name, wish.writable, wish.flags)
                self._index.add(_source_key(holder, wish), holder.group, sharer)

    def of_others(self, holder: VolumeHolder) -> dict[str, tuple[Sharer, ...]]:
        """By source that the container asks for: the other containers that ask for it."""
        return {
            wish.source: self._index.others(_source_key(holder, wish), holder.name, holder.group)
            for wish in holder.asked.values()
            if wish.source  # a volume without a name is never shared
        }


def _source_key(holder: VolumeHolder, wish: DeclaredMount) -> tuple[str, str]:
    """A path is the host's; a volume's name is its user's."""
    if wish.source.startswith("/"):
        return "", posixpath.normpath(wish.source)
    return holder.user, wish.source


def volume_reports(volumes: tuple[MountedVolume, ...] | None, label: str | None) -> tuple[VolumeReport, ...]:
    """What pages show of a container's volumes; `label` is that of its processes."""
    return tuple(
        VolumeReport(
            destination=one.mount.mount_point,
            filesystem=one.mount.filesystem,
            size_bytes=one.facts.size_bytes,
            used_bytes=one.facts.used_bytes,
            available_bytes=one.facts.available_bytes,
            label=label_kind(one.facts.security_label, label),
        )
        for one in volumes or ()
        if one.facts is not None
    )
