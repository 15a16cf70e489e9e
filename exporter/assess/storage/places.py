"""Where on the host lies what a container mounts, and which mounts that were asked for are seen no more.

The mounts of pid 1 say where on the host a device is mounted, and the options of an overlay what it is made of:

    container   912 790 254:1 /etc /host/etc ro,relatime - ext4 /dev/vda1 rw
    host         26   1 254:1 /    /         rw,relatime - ext4 /dev/vda1 rw
    container   913 790 0:77  /    /config   rw,relatime - overlay overlay rw,lowerdir=/etc,upperdir=/x/upper,workdir=..
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from exporter.facts.container import Container, DeclaredMount
from exporter.facts.process import MountPoint

HostMounts = Mapping[str, tuple[MountPoint, ...]]

# A layer of an image, wherever its store lies: bootc keeps one below /usr.
_OF_A_STORE = re.compile(r"/overlay/(l/[A-Z0-9]{26}|[0-9a-f]{64}/(diff[0-9]*|mapped|merged))(/|$)")


def is_below(path: str, directory: str) -> bool:
    """Whether a path is this directory or in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def places_on_host(mount: MountPoint, host_mounts: HostMounts) -> list[str]:
    """Every path at which the host has what is mounted; for an overlay, the directories that it shows and writes to."""
    found = [path for path in (*mount.layers, mount.upper) if path.startswith("/") and not _OF_A_STORE.search(path)]
    for outside in host_mounts.get(mount.device, ()):
        if is_below(mount.root, outside.root):
            rest = mount.root[len(outside.root.rstrip("/")) :]
            found.append("/" + posixpath.normpath(f"{outside.mount_point}/{rest}").lstrip("/"))
    return found


def unseen_mounts(
    container: Container | None, mounts: Sequence[MountPoint], host_mounts: HostMounts
) -> tuple[DeclaredMount, ...]:
    """What was asked for from the host and is nowhere among `mounts`: unmounted, or hidden from whoever looks.

    A destination may be a link in the image, so that the mount is seen at another place: its source tells then.
    """
    asked = [one for one in (container.mounts if container else ()) if one.kind in {"bind", "volume"}]
    points = {mount.mount_point for mount in mounts}
    lacking = [one for one in asked if posixpath.normpath(one.destination) not in points]
    if not lacking or not mounts:
        return ()
    places = {place for mount in mounts for place in places_on_host(mount, host_mounts)}
    return tuple(one for one in lacking if posixpath.normpath(one.source) not in places)
