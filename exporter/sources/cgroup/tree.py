"""Where each container's cgroups are: one walk over the tree below the cgroup mount.

A payload is a directory that podman or crun named after its container. Nothing below it is of
interest but crun's `container`, which holds the processes of a scope (facts/cgroup.py has samples).
A container may own what is below its payload, and a user what is below user@UID.service: neither
can hide another's container, nor make the walk endless.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.facts.cgroup import Level, container_id_of, owner_uid_of
from exporter.facts.reading import NotHere, Unreadable

# user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container is 6 deep; slices nest by name.
_DEPTH_MAX = 32
# A container with a cgroup file system of its own can make as many cgroups as cgroup.max.descendants lets it.
_NESTED_MAX = 4096


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


def find_containers(root: Path) -> tuple[FoundContainer, ...]:
    """Every container with a cgroup below `root`, by path. Raises NotHere on cgroup v1, Unreadable when denied."""
    require_unified(root)
    try:
        found = sorted(_walk(str(root), (), 0), key=lambda container: (container.owner_uid != 0, container.top))
    except OSError as error:
        raise Unreadable(f"{root} cannot be listed: {error.strerror}; run as root") from error
    # A user can name a cgroup after root's container: the first to claim an id has it, and root's come first.
    first: dict[str, FoundContainer] = {}
    for container in found:
        first.setdefault(container.container_id, container)
    return tuple(first.values())


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


def nested_directories(top: str) -> tuple[list[str], bool]:
    """`top` and the directories below it, and whether these are all: False when there are too many or one is denied."""
    directories, complete = [top], True
    for directory in directories:  # grows while it is walked: breadth first
        try:
            directories.extend(entry.path for entry in _directories(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            complete = False
        if len(directories) > _NESTED_MAX:
            return directories[:_NESTED_MAX], False
    return directories, complete


def _walk(directory: str, above: tuple[Place, ...], depth: int) -> Iterator[FoundContainer]:
    try:
        entries = _directories(directory)
    except OSError:
        if not above:
            raise
        return  # gone meanwhile, or denied below: the others are found
    parent = above[0].path if above else ""
    for entry in entries:
        here = (Place(f"{parent}/{entry.name}", entry.inode()), *above)
        container_id = container_id_of(entry.name)
        if container_id is not None:
            yield _container(container_id, entry.path, here)
        elif depth < _DEPTH_MAX:
            yield from _walk(entry.path, here, depth + 1)


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


def _directories(directory: str) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
