"""Every container's cgroups, on two clocks.

`discover` walks the tree and opens files in the background; `read` asks the open files again at every
scrape. A level that several containers share, as services.slice, is open once and read once. Files are kept
open, and nested cgroups walked, for root's containers first.

Looks again: for containers and levels at each walk (`cgroup_tree_seconds`, and at each event of podman), for files that
were not there yet as `files` says.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import threading
from collections.abc import Mapping
from pathlib import Path

from exporter.facts.cgroup import ContainerCgroups, PayloadPlace
from exporter.facts.reading import Unreadable
from exporter.sources.cgroup.figures import LEVEL_FILES, PAYLOAD_FILES, Figures, printable
from exporter.sources.cgroup.files import CgroupFiles, Texts, Vanished
from exporter.sources.cgroup.parse import parse_pids
from exporter.sources.cgroup.tree import NESTED_MAX, FoundContainer, find_containers, nested_directories

# Removed meanwhile; or a threaded cgroup, whose processes stand in the one above it.
_NO_PROCESSES = frozenset({errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP})


class CgroupSource:
    """The cgroups of every container below the cgroup mount at `root`. Safe to use from several threads.

    `open_files_max`: how many files may stay open; None is half of RLIMIT_NOFILE, asked at each walk. Cgroups beyond
    it are opened, read and closed at each read.
    """

    def __init__(self, root: Path, open_files_max: int | None = None) -> None:
        self._root = root
        self._open_files_max = open_files_max
        self._discovering = threading.Lock()
        self._reading = threading.Lock()  # while it is held, no file is closed
        self._containers: tuple[FoundContainer, ...] | None = None
        self.left_out: Mapping[int, int] = {}
        """Cgroups that the last walk left out, for each uid that has more of them than its share."""
        self._payloads: tuple[PayloadPlace, ...] = ()
        self._files: Mapping[str, CgroupFiles] = {}

    def discover(self) -> None:
        """Walk the tree: open the files of new containers, close those of the gone. Raises NotHere, Unreadable."""
        with self._discovering:
            found = find_containers(self._root)
            containers, self.left_out = found.containers, found.left_out
            files = self._opened(containers)
            with self._reading:
                before, self._files = self._files, files
                self._containers = containers
                self._payloads = tuple(
                    PayloadPlace(one.container_id, one.owner_uid, one.places[0][0].path if one.places else "")
                    for one in containers
                )
            _close(before, files)

    def read(self) -> tuple[ContainerCgroups, ...]:
        """The figures of every container found at the last walk and still there. Raises NotHere, Unreadable."""
        if self._containers is None:
            self.discover()
        with self._reading:
            containers, texts = self._containers or (), self._read_texts()
        figures = Figures(texts)
        return tuple(found for container in containers if (found := figures.of(container)) is not None)

    def members(self) -> Mapping[str, tuple[int, ...]]:
        """The pids in each container, ascending, read now; those in cgroups that it made below its own included.

        A 0 stands for processes that cannot be named: of a foreign pid namespace, or in too many nested cgroups.
        """
        if self._containers is None:
            self.discover()
        rooms: dict[int, int] = {}  # of each user: what is made below one container takes no time from another owner's
        members: dict[str, tuple[int, ...]] = {}
        for container in self._containers or ():
            room = rooms.get(container.owner_uid, NESTED_MAX) if container.owner_uid else NESTED_MAX
            directories, complete = nested_directories(f"{self._root}{container.top}", room)
            rooms[container.owner_uid] = room - len(directories)
            members[container.container_id] = _pids_in(directories, complete=complete)
        return members

    def found(self) -> tuple[FoundContainer, ...]:
        """Every container found at the last walk; none before the first."""
        return self._containers or ()

    def payloads(self) -> tuple[PayloadPlace, ...]:
        """Where the payload of each container lies, as of the last walk."""
        return self._payloads

    def paths(self) -> tuple[str, ...]:
        """The payload's path of each container found at the last walk: below the mount, starts with /."""
        return tuple(printable(container.places[0][0].path) for container in self._containers or ())

    def close(self) -> None:
        """Close all files; the next read walks anew."""
        with self._discovering, self._reading:
            _close(self._files, {})
            self._files, self._containers = {}, None

    def _read_texts(self) -> dict[str, Texts]:
        texts = {}
        for path, files in self._files.items():
            try:
                texts[path] = files.read()
            except Vanished:
                continue
            except OSError as error:
                where = f"{self._root}{printable(path)}"
                raise Unreadable(f"{where}: {error.strerror}; raise LimitNOFILE= of the service") from error
        return texts

    def _opened(self, containers: tuple[FoundContainer, ...]) -> dict[str, CgroupFiles]:
        budget = self._open_files_max
        if budget is None:
            # The other half is for scrapes, podman, D-Bus and /proc.
            budget = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2
        payloads = {container.places[0][0].path for container in containers}
        inodes = {place.path: place.inode for container in containers for place, _ in container.places}
        files: dict[str, CgroupFiles] = {}
        for path, inode in inodes.items():
            names = PAYLOAD_FILES if path in payloads else LEVEL_FILES
            known = self._files.get(path)
            if known is not None and known.serves(inode, names, budget):
                known.look_again()
                files[path] = known
            else:
                with contextlib.suppress(Vanished):
                    files[path] = CgroupFiles(f"{self._root}{path}", inode, names, budget)
            if path in files:
                budget -= files[path].open_count
        return files


def _pids_in(directories: list[str], *, complete: bool) -> tuple[int, ...]:
    pids = set() if complete else {0}
    for directory in directories:
        try:
            pids.update(parse_pids(Path(directory, "cgroup.procs").read_bytes()))
        except OSError as error:
            if error.errno not in _NO_PROCESSES:
                pids.add(0)
        except Unreadable:
            pids.add(0)
    return tuple(sorted(pids))


def _close(before: Mapping[str, CgroupFiles], after: Mapping[str, CgroupFiles]) -> None:
    for path, files in before.items():
        if after.get(path) is not files:
            files.close()
