"""Where each container's cgroups are: one walk over the tree below the cgroup mount.

A payload is a directory that podman or crun named after its container. Nothing below it is of
interest but crun's `container`, which holds the processes of a scope (facts/cgroup.py has samples).
A container may own what is below its payload, and a user what is below user@UID.service: neither
can hide another's container, nor make the walk endless. What a user makes there without a process is
no container, and what is beyond a user's share is left out and counted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from exporter.facts.cgroup import Level, container_id_of, owner_uid_of
from exporter.facts.owners import CONTAINERS_OF_A_USER, in_turn
from exporter.facts.reading import NotHere, Unreadable

# user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container is 6 deep; slices nest by name.
_DEPTH_MAX = 32
# A container with a cgroup file system of its own can make as many cgroups as cgroup.max.descendants lets it.
NESTED_MAX = 4096
"""Cgroups in which processes are looked for: of each of root's containers, and of all of one user's."""
# A desktop session has some 300 cgroups, and each container of a user two or three of its own.
_OF_A_USER_MAX = 4096
_ANY = f"libpod-payload-{'0' * 64}"


@dataclass(frozen=True, slots=True)
class Place:
    """One cgroup on the way from a container to the root."""

    path: str  # below the cgroup mount, starts with /; undecodable bytes as surrogates
    inode: int


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """One container's payload and the cgroups above it."""

    container_id: str
    owner_uid: int
    places: tuple[tuple[Place, Level], ...]  # payload first, without the root
    top: str  # the directory named after the container: all its processes are in or below it


@dataclass(frozen=True, slots=True)
class FoundContainers:
    """What a walk found: root's containers first, then the users' in turn."""

    containers: tuple[FoundContainer, ...]
    left_out: Mapping[int, int]  # uid of a user -> cgroups beyond the user's share: containers, or not looked into


def find_containers(root: Path) -> FoundContainers:
    """Every container with a cgroup below `root`. Raises NotHere on cgroup v1, Unreadable when denied."""
    require_unified(root)
    walk = _Walk()
    try:
        found = sorted(walk.below(str(root), (), 0), key=lambda container: (container.owner_uid != 0, container.top))
    except OSError as error:
        raise Unreadable(f"{root} cannot be listed: {error.strerror}; run as root") from error
    # A user can name a cgroup after root's container: the first to claim an id has it, and root's come first.
    first: dict[str, FoundContainer] = {}
    for container in found:
        first.setdefault(container.container_id, container)
    containers, left_out = in_turn(first.values(), lambda container: container.owner_uid, CONTAINERS_OF_A_USER)
    return FoundContainers(containers, Counter(left_out) + walk.left_out)


def require_unified(root: Path) -> None:
    """Pass on cgroup v2; NotHere that says which hierarchy there is instead."""
    if (root / "cgroup.controllers").exists():
        return
    advice = "boot with systemd.unified_cgroup_hierarchy=1"
    if (root / "unified").is_dir():
        raise NotHere(f"{root} is the hybrid hierarchy (cgroup v1 with a v2 tree that has no controllers): {advice}")
    if (root / "memory").is_dir() or (root / "systemd").is_dir():
        raise NotHere(f"{root} is cgroup v1: {advice}")
    raise NotHere(f"no cgroup file system at {root}: mount cgroup2 there, or show the host's to this process")


def nested_directories(top: str, most: int) -> tuple[list[str], bool]:
    """`top` and the directories below it, and whether these are all: False when there are too many or one is denied."""
    directories, complete = [top], True
    for directory in directories:  # grows while it is walked: breadth first
        try:
            directories.extend(entry.path for entry in _directories(directory, most + 1))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            complete = False
        if len(directories) > most:
            return directories[:most], False
    return directories, complete


@dataclass(slots=True)
class _Walk:
    """One walk, with what each user has had of his share."""

    walked: Counter[int] = field(default_factory=Counter)
    left_out: Counter[int] = field(default_factory=Counter)

    def below(
        self, directory: str, above: tuple[Place, ...], depth: int, owner_uid: int = 0
    ) -> Iterator[FoundContainer]:
        """The containers in or below a directory of this owner."""
        parent = above[0].path if above else ""
        for entry in self._listed(directory, owner_uid, is_root=not above):
            here = (Place(f"{parent}/{entry.name}", entry.inode()), *above)
            container_id = container_id_of(entry.name)
            if container_id is None:
                if depth < _DEPTH_MAX:
                    yield from self.below(entry.path, here, depth + 1, _owner_in(here[0].path))
            elif not (owner_uid and _has_no_process(entry.path)):
                yield _container(container_id, entry.path, here)

    def _listed(self, directory: str, owner_uid: int, *, is_root: bool) -> list[os.DirEntry[str]]:
        room = max(0, _OF_A_USER_MAX - self.walked[owner_uid]) if owner_uid else None
        try:
            entries = _directories(directory, None if room is None else room + 1)
        except OSError:
            if is_root:
                raise
            return []  # gone meanwhile, or denied below: the others are found
        if room is not None and len(entries) > room:
            self.left_out[owner_uid] += 1
            entries = entries[:room]
        self.walked[owner_uid] += len(entries)
        return entries


def _owner_in(path: str) -> int:
    """Whose a container right in this cgroup is, and so who makes cgroups in it."""
    return owner_uid_of(f"{path}/{_ANY}") if "user" in path else 0  # in most paths it is not


def _has_no_process(directory: str) -> bool:
    """Whether neither the cgroup nor any below it has a process."""
    try:
        return b"populated 0" in Path(directory, "cgroup.events").read_bytes()
    except OSError:
        return False


def _container(container_id: str, directory: str, places: tuple[Place, ...]) -> FoundContainer:
    top = places[0].path
    if top.endswith(".scope"):
        try:
            inode = Path(directory, "container").lstat().st_ino
            places = (Place(f"{top}/container", inode), *places)
        except OSError:
            pass  # runc and old crun put the processes into the scope itself
    return FoundContainer(container_id, owner_uid_of(top), tuple(zip(places, levels_of(places), strict=True)), top)


def levels_of(places: tuple[Place, ...]) -> tuple[Level, ...]:
    """What each cgroup is to its container, payload first; a service above the innermost slice is an ancestor."""
    levels = [Level.PAYLOAD]
    for place in places[1:]:
        if place.path.endswith(".slice") and Level.SLICE not in levels:
            levels.append(Level.SLICE)
        elif place.path.endswith((".service", ".scope")) and Level.SERVICE not in levels and Level.SLICE not in levels:
            levels.append(Level.SERVICE)
        else:
            levels.append(Level.ANCESTOR)
    return tuple(levels)


def _directories(directory: str, most: int | None = None) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return list(islice((entry for entry in entries if entry.is_dir(follow_symlinks=False)), most))
