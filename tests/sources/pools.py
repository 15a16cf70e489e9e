"""A host of pools whose commands print what was recorded, or what a test wants."""

import stat
from pathlib import Path
from typing import Any

from exporter.facts.storage import DeviceErrors, PoolStatus
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.storage import ZfsSource

HOST = Path(__file__).parents[1] / "host"
RECORDED_KSTAT = HOST / "proc" / "spl" / "kstat" / "zfs"
STATUS = PoolStatus(DeviceErrors(0, 0, 0), 0, "none")
# `zfs list -H -o name ...` prints the first column of what `zfs list -Hp -o name,type,...` prints.
ZFS = f'file={HOST}/zfs/zfs-list-tank.tsv; case "$*" in *"-o name "*) cut -f1 $file;; *) cat $file;; esac'
ZPOOL = f"case $1 in list) cat {HOST}/zfs/zpool-list-tank.tsv;; *) cat {HOST}/zfs/zpool-status-tank.txt;; esac"


class Lab:
    """A host of pools: kernel statistics in a directory, and commands that print what was recorded."""

    def __init__(self, directory: Path) -> None:
        self.kstat = directory / "kstat"
        self.kstat.mkdir()
        self._programs = directory / "sbin"
        self._programs.mkdir()
        self.install("zpool", ZPOOL)
        self.install("zfs", ZFS)

    def install(self, name: str, lines: str) -> None:
        program = self._programs / name
        program.write_text(f'#!/bin/sh\nfor pool; do :; done\necho "$0 $pool" >> {self._programs}/calls\n{lines}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def pool(self, name: str, state: str) -> None:
        (self.kstat / name).mkdir(exist_ok=True)
        (self.kstat / name / "state").write_text(f"{state}\n")

    def calls(self) -> list[str]:
        try:
            return (self._programs / "calls").read_text().replace(f"{self._programs}/", "").splitlines()
        except FileNotFoundError:
            return []

    def lists(self) -> float:
        """A clock on which each `zfs list` takes a second, and nothing else takes any time."""
        return float(sum(call.startswith("zfs ") for call in self.calls()))

    def source(self, deadline_seconds: float = 5, **options: Any) -> ZfsSource:
        commands = Commands(f"{self._programs}:/usr/bin:/bin")
        bounds = {
            "budget_seconds": deadline_seconds,
            "deadline_seconds": deadline_seconds,
            "names_seconds": deadline_seconds,
        }
        return ZfsSource(self.kstat, commands=commands, **bounds | options)


# Lists the names that `zfs list -Hp -o COLUMNS -t TYPES NAME...` was asked for.
FIGURES = "\t".join(["filesystem", *["1"] * 12, "/m"])
LIST_ASKED = f"shift 6; for name; do printf '%s\\t{FIGURES}\\n' \"$name\"; done"


def many(lab: Lab, count: int) -> None:
    """A pool of so many datasets."""
    (lab.kstat / "names").write_text("".join(f"tank/{number:04}\n" for number in range(count)))
    lab.install("zfs", f'case "$*" in *"-o name "*) cat {lab.kstat}/names; exit;; esac\n{LIST_ASKED}')
