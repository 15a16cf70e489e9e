"""Which mount a path leads into, of those that a process sees: path_resolution(7), mount_namespaces(7).

    812 798 0:107 / /proc       rw - proc proc rw
    823 812 0:6   /null /proc/kcore ro - devtmpfs udev rw     lies on 812: a path is followed through it
    640 798 0:22  / /proc       rw - proc proc rw             was moved over 812, and 823 is below it

The order of the lines is that in which mounts were made, and not that in which they lie over each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.facts.process import MountPoint


class MountTree:
    """The mounts of one mount namespace."""

    def __init__(self, mounts: Sequence[MountPoint]) -> None:
        self._mounts = mounts
        self._on: dict[tuple[int | None, str], MountPoint] = {
            (mount.parent_id, mount.mount_point): mount for mount in mounts if mount.parent_id is not None
        }
        roots = (mount for mount in mounts if mount.mount_point == "/" and mount.parent_id is not None)
        self._root = next(roots, None)

    def met(self, path: str) -> MountPoint | None:
        """The mount that the path leads into; None where nothing is mounted above it."""
        if self._root is None:
            # An older recording does not say what lies on what: the later mount then lies over the earlier.
            points = frozenset(_points(path))
            return next((mount for mount in reversed(self._mounts) if mount.mount_point in points), None)
        here = self._root
        for point in _points(path):
            # What was mounted over `/` hides nothing from the processes that were there before.
            while point != "/" and (above := self._on.get((here.mount_id, point))) is not None:
                here = above
        return here


def _points(path: str) -> Iterator[str]:
    """Every place that the path goes through: `/`, `/proc`, `/proc/kcore`."""
    yield "/"
    end = path.find("/", 1)
    while end > 0:
        yield path[:end]
        end = path.find("/", end + 1)
    if path != "/":
        yield path
