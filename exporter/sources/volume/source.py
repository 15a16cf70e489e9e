"""Every volume of every container: one question for each device and part of it that is mounted, to each a deadline.

Looks again: at every mount at each read (`volume_seconds`, and at once when a container has a mount that it had not).
Only a mount that hangs is not asked again before it has answered. What a mount said last is kept for a moment when it
is gone: its container has ended, and whoever named it finds that out with the next look at /proc.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from exporter.facts.process import MountPoint
from exporter.facts.reading import NotHere, Unreadable, words_of
from exporter.facts.volume import Volume, VolumeMounts
from exporter.sources.volume.reach import Figures, Gone, read_figures
from exporter.sources.volume.workers import Workers

VOLUMES_MAX = 64
"""Of one container: it may have mounted more to keep us busy."""
_PROBLEMS_MAX = 5
_KEPT_SECONDS = 30.0  # longer than processes are read after (`process_seconds`)
_LOCAL = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "vfat", "xfs", "zfs"})

_Share: TypeAlias = tuple[str, str]  # device, and what of it is mounted
_Places: TypeAlias = list[tuple[VolumeMounts, MountPoint]]


class VolumeSource:
    """The volumes that `wanted` names, reached below `proc`.

    `deadline_seconds` is for each mount; `budget_seconds` bounds how long a read goes on to ask: what it does not
    reach is told, and comes first the next time. Local file systems come before those that may be away.
    `problems` says what the last read could not get.
    """

    def __init__(
        self,
        wanted: Callable[[], tuple[VolumeMounts, ...]],
        proc: Path = Path("/proc"),
        *,
        deadline_seconds: float = 2,
        budget_seconds: float = 15,
        read: Callable[[str, int, str, int | None], Figures] = read_figures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = wanted
        self._proc = proc
        self._workers = Workers(deadline_seconds)
        self._budget_seconds = budget_seconds
        self._read = read
        self._clock = clock
        self._asked_at: dict[_Share, float] = {}
        self._answered: frozenset[_Share] = frozenset()  # the last time
        self._kept: dict[_Share, tuple[float, tuple[Volume, ...]]] = {}  # when each answered last, and what
        self.problems: tuple[str, ...] = ()

    def read(self) -> tuple[Volume, ...]:
        """Every volume that answered, by container and destination. Raises NotHere: no /proc."""
        if not (self._proc / "self").exists():
            raise NotHere(f"no process file system at {self._proc}: mount proc there")
        problems: list[str] = []
        shares = self._shares(problems)
        self._asked_at = {share: at for share, at in self._asked_at.items() if share in shares}
        self._kept = {share: kept for share, kept in self._kept.items() if share in shares}
        volumes: list[Volume] = []
        answered: list[_Share] = []
        ends_at = self._clock() + self._budget_seconds
        for share in sorted(shares, key=lambda one: self._turn(one, shares[one])):
            places = shares[share]
            if self._clock() >= ends_at:
                problems.append(f"{_words(places)}: no time was left, it comes first the next time")
                continue
            self._asked_at[share] = self._clock()
            trusted = share in self._answered or _is_local(places)
            try:
                figures = self._workers.ask(share[0], partial(self._first, places), trusted=trusted)
            except Gone:
                volumes += self._kept_of(share, places)
                continue
            except (Unreadable, OSError) as error:
                problems.append(f"{_words(places)}: {words_of(error)}")
                continue
            answered.append(share)
            found = tuple(_volume(mounts.container_id, mount, figures) for mounts, mount in places)
            self._kept[share] = self._clock(), found
            volumes += found
        self._answered = frozenset(answered)
        self._workers.rest()
        more = len(problems) - _PROBLEMS_MAX
        self.problems = (*problems[:_PROBLEMS_MAX], *((f"{more} more like these",) if more > 0 else ()))
        return tuple(sorted(volumes, key=lambda one: (one.container_id, one.destination)))

    def _kept_of(self, share: _Share, places: _Places) -> list[Volume]:
        """What these places said a moment ago."""
        at, volumes = self._kept.get(share, (float("-inf"), ()))
        if self._clock() - at > _KEPT_SECONDS:
            return []
        named = {(mounts.container_id, mount.mount_point, mount.mount_id or 0) for mounts, mount in places}
        return [one for one in volumes if (one.container_id, one.destination, one.mount_id) in named]

    def _turn(self, share: _Share, places: _Places) -> tuple[object, ...]:
        """What sorts it: local ones first, then those asked the longest ago, or never."""
        return not _is_local(places), self._asked_at.get(share, float("-inf")), share

    def _shares(self, problems: list[str]) -> dict[_Share, _Places]:
        """Who mounts each part of each device."""
        shares: dict[_Share, _Places] = {}
        for wanted in self._wanted():
            beyond = len(wanted.mounts) - VOLUMES_MAX
            if beyond > 0:
                problems.append(f"{wanted.container}: of its volumes {beyond} beyond {VOLUMES_MAX} are not read")
            for mount in wanted.mounts[:VOLUMES_MAX]:
                shares.setdefault((mount.device, mount.root), []).append((wanted, mount))
        return shares

    def _first(self, places: Iterable[tuple[VolumeMounts, MountPoint]]) -> Figures:
        """What the first of them says that is still there."""
        for wanted, mount in places:
            try:
                return self._read(str(self._proc), wanted.pid, mount.mount_point, mount.mount_id)
            except Gone:
                continue
        raise Gone


def _volume(container_id: str, mount: MountPoint, figures: Figures) -> Volume:
    return Volume(
        container_id=container_id,
        destination=mount.mount_point,
        mount_id=mount.mount_id or 0,
        filesystem=mount.filesystem,
        size_bytes=figures.size_bytes,
        used_bytes=figures.used_bytes,
        available_bytes=figures.available_bytes,
        security_label=figures.security_label,
        is_under_project_quota=figures.is_under_project_quota,
    )


def _is_local(places: _Places) -> bool:
    return places[0][1].filesystem in _LOCAL


def _words(places: _Places) -> str:
    wanted, mount = places[0]
    others = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f"{mount.mount_point[:100]} of {wanted.container}{others} ({mount.filesystem[:40]})"
