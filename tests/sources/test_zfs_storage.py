import stat
from pathlib import Path

import pytest

from exporter.facts.reading import NotHere, Unreadable
from exporter.facts.storage import Pool
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.storage import ZfsSource

HOST = Path(__file__).parents[1] / "host"
RECORDED_KSTAT = HOST / "proc" / "spl" / "kstat" / "zfs"


class Lab:
    """A host of pools: kernel statistics in a directory, and commands that print what was recorded."""

    def __init__(self, directory: Path) -> None:
        self.kstat = directory / "kstat"
        self.kstat.mkdir()
        self._programs = directory / "sbin"
        self._programs.mkdir()
        self.install("zpool", f"cat {HOST}/zfs/zpool-list-tank.tsv")
        self.install("zfs", f"cat {HOST}/zfs/zfs-list-tank.tsv")

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

    def source(self, deadline_seconds: float = 5) -> ZfsSource:
        return ZfsSource(
            self.kstat, commands=Commands(f"{self._programs}:/usr/bin:/bin"), deadline_seconds=deadline_seconds
        )


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_everything_of_a_recorded_pool_is_read(lab: Lab) -> None:
    source = lab.source()
    source._kstat = RECORDED_KSTAT

    storage = source.read()

    assert len(storage.datasets) == 7
    assert storage.pools == (Pool("tank", "online", 2013265920, 1281536, 2011984384, 0.03),)
    assert [io.name for io in storage.io] == ["tank/bh test", "tank/containers", "tank/containers/objects02"]
    assert source.problems == ()
    assert lab.calls() == ["zpool tank", "zfs tank"]


def test_no_zfs_module_is_not_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotHere):
        ZfsSource(tmp_path / "none").read()


def test_a_module_without_pools_is_an_empty_storage_and_starts_nothing(lab: Lab) -> None:
    storage = lab.source().read()

    assert (storage.datasets, storage.pools, storage.io) == ((), (), ())
    assert lab.calls() == []


def test_the_kernels_word_on_the_state_is_the_newer(lab: Lab) -> None:
    lab.pool("tank", "DEGRADED")

    assert lab.source().read().pools[0].state == "degraded"


def test_an_old_module_that_tells_no_state_leaves_the_commands_word(lab: Lab) -> None:
    (lab.kstat / "tank").mkdir()

    assert lab.source().read().pools[0].state == "online"


def test_a_suspended_pool_is_not_asked_and_its_state_is_told(lab: Lab) -> None:
    lab.pool("tank", "SUSPENDED")
    source = lab.source()

    storage = source.read()

    assert storage.pools == (Pool("tank", "suspended"),)
    assert storage.datasets == ()
    assert lab.calls() == []
    assert "zpool clear tank" in source.problems[0]


def test_a_suspended_pool_costs_the_others_nothing(lab: Lab) -> None:
    lab.pool("bad", "SUSPENDED")
    lab.pool("tank", "ONLINE")
    source = lab.source()

    storage = source.read()

    assert [pool.state for pool in storage.pools] == ["suspended", "online"]
    assert len(storage.datasets) == 7
    assert len(source.problems) == 1


def test_a_pool_that_hangs_costs_the_others_nothing(lab: Lab) -> None:
    lab.pool("slow", "ONLINE")
    lab.pool("tank", "ONLINE")
    lab.install("zpool", f"[ $pool = slow ] && exec sleep 60; cat {HOST}/zfs/zpool-list-tank.tsv")
    source = lab.source(deadline_seconds=0.3)

    storage = source.read()

    assert storage.pools[0] == Pool("slow", "online")
    assert len(storage.datasets) == 7
    assert "Pool slow: `zpool list` did not end within 0.3 s" in source.problems[0]


def test_a_host_whose_only_pool_hangs_is_a_failure_so_that_the_last_figures_are_kept(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zfs", "exec sleep 60")

    with pytest.raises(Unreadable, match="`zfs list` did not end"):
        lab.source(deadline_seconds=0.3).read()


def test_a_faulted_pool_that_does_not_answer_still_shows_its_state(lab: Lab) -> None:
    lab.pool("tank", "FAULTED")
    lab.install("zfs", "echo \"cannot open 'tank': I/O error\" >&2; exit 1")
    source = lab.source()

    storage = source.read()

    assert storage.pools[0].state == "faulted"
    assert source.problems == ("Pool tank: `zfs list` says: cannot open 'tank': I/O error: see `zpool status tank`",)


def test_a_missing_command_says_what_to_install(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    source = ZfsSource(lab.kstat, commands=Commands("/nonexistent"))

    with pytest.raises(Unreadable, match="install zfsutils-linux"):
        source.read()


def test_a_device_that_may_not_be_opened_says_what_to_allow(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    for name in ("zfs", "zpool"):
        lab.install(name, "echo 'Permission denied the ZFS utilities must be run as root.' >&2; exit 1")

    with pytest.raises(Unreadable, match="allow /dev/zfs"):
        lab.source().read()


def test_a_pool_whose_sizes_cannot_be_read_keeps_its_datasets(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zpool", "echo nonsense")
    source = lab.source()

    storage = source.read()

    assert storage.pools == (Pool("tank", "online"),)
    assert len(storage.datasets) == 7
    assert "has 1 columns, not 6" in source.problems[0]


def test_a_line_that_makes_no_sense_is_a_problem_until_the_next_good_read(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zfs", f"cat {HOST}/zfs/zfs-list-tank.tsv; echo nonsense")
    source = lab.source()

    assert len(source.read().datasets) == 7
    assert "too few columns" in source.problems[0]
    lab.install("zfs", f"cat {HOST}/zfs/zfs-list-tank.tsv")
    source.read()
    assert source.problems == ()
