from pathlib import Path

import pytest

from exporter.facts.reading import NotHere, Unreadable
from exporter.facts.storage import Pool
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.storage import ZfsSource
from tests.sources.pools import FIGURES, HOST, RECORDED_KSTAT, STATUS, ZFS, ZPOOL, Lab, many


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_everything_of_a_recorded_pool_is_read(lab: Lab) -> None:
    source = lab.source()
    source._kstat = RECORDED_KSTAT

    storage = source.read()

    assert len(storage.datasets) == 7
    assert storage.pools == (Pool("tank", "online", 2013265920, 1281536, 2011984384, 0.03, STATUS),)
    assert [io.name for io in storage.io] == ["tank/bh test", "tank/containers", "tank/containers/objects02"]
    assert source.problems == ()
    assert lab.calls() == ["zpool tank", "zpool tank", "zfs tank", "zfs tank/zvol-bhtest"]


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
    lab.install("zpool", f"[ $pool = slow ] && exec sleep 60; {ZPOOL}")
    source = lab.source(deadline_seconds=2)

    storage = source.read()

    assert storage.pools[0] == Pool("slow", "online")
    assert len(storage.datasets) == 7
    assert "Pool slow: `zpool list` did not end within 2 s" in source.problems[0]


def test_a_host_whose_only_pool_hangs_is_a_failure_so_that_the_last_figures_are_kept(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zfs", "exec sleep 60")

    with pytest.raises(Unreadable, match="`zfs list` of names has not ended"):
        lab.source(deadline_seconds=5, budget_seconds=0.2, names_seconds=2).read()


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
    lab.install("zpool", f"[ $1 = list ] && echo nonsense || cat {HOST}/zfs/zpool-status-tank.txt")
    source = lab.source()

    storage = source.read()

    assert storage.pools == (Pool("tank", "online", status=STATUS),)
    assert len(storage.datasets) == 7
    assert "has 1 columns, not 6" in source.problems[0]


def test_a_line_that_makes_no_sense_is_a_problem_until_the_next_good_read(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zfs", f"{ZFS}; echo nonsense")
    source = lab.source()

    assert len(source.read().datasets) == 7
    assert "too few columns" in source.problems[0]
    lab.install("zfs", ZFS)
    source.read()
    assert source.problems == ()


def test_a_pool_whose_status_cannot_be_read_keeps_its_sizes_and_datasets(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    lab.install("zpool", f"[ $1 = status ] && {{ echo 'no such thing' >&2; exit 1; }}; {ZPOOL}")
    source = lab.source()

    storage = source.read()

    assert storage.pools[0].size_bytes == 2013265920
    assert storage.pools[0].status is None
    assert len(storage.datasets) == 7
    assert source.problems == ("Pool tank: `zpool status` says: no such thing: see `zpool status tank`",)


def test_pools_are_read_side_by_side(lab: Lab) -> None:
    # Each waits for the other: one after the other would never end.
    lab.pool("a", "ONLINE")
    lab.pool("b", "ONLINE")
    lab.install(
        "zpool",
        f"touch {lab.kstat}/$pool.here; until [ -e {lab.kstat}/a.here -a -e {lab.kstat}/b.here ]; do sleep 0.01; done",
    )
    source = lab.source(deadline_seconds=10)

    assert [pool.name for pool in source.read().pools] == ["a", "b"]
    assert not [problem for problem in source.problems if "did not end" in problem]


def test_more_pools_than_are_read_at_once_are_all_read(lab: Lab) -> None:
    names = [f"pool{number:02}" for number in range(20)]
    for name in names:
        lab.pool(name, "SUSPENDED")

    assert [pool.name for pool in lab.source().read().pools] == names


def test_many_datasets_are_read_two_hundred_at_a_time(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 450)
    source = lab.source()

    assert len(source.read().datasets) == 450
    assert source.problems == ()
    assert lab.calls()[2:] == ["zfs tank", "zfs tank/0199", "zfs tank/0399", "zfs tank/0449"]


def test_what_a_read_does_not_reach_is_told_keeps_its_figures_and_comes_first_the_next_time(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 500)
    source = lab.source(budget_seconds=3, clock=lab.lists)

    assert len(source.read().datasets) == 400
    assert "Pool tank: 100 of 500 datasets not reached within 3 s; they keep their last" in source.problems[0]
    assert len(source.read().datasets) == 500
    assert source.problems == ()
    assert lab.calls()[-3:] == ["zfs tank/0099", "zfs tank/0299", "zfs tank/0399"]


def test_a_dataset_that_is_mounted_is_known_before_names_are_listed_anew(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 1)
    source = lab.source(budget_seconds=9, clock=lab.lists)
    source.read()
    for objset in (RECORDED_KSTAT / "tank").glob("objset-*"):
        (lab.kstat / "tank" / objset.name).write_bytes(objset.read_bytes())

    found = {dataset.name for dataset in source.read().datasets}
    assert found == {"tank/0000", "tank/bh test", "tank/containers", "tank/containers/objects02"}


def test_a_dataset_that_is_gone_is_shown_no_more(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 3)
    source = lab.source(clock=lambda: 0.0)
    source.read()

    many(lab, 2)

    assert [dataset.name for dataset in source.read().datasets] == ["tank/0000", "tank/0001"]


def test_a_dataset_that_is_gone_is_shown_no_more_before_names_are_listed_anew(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 2)
    source = lab.source(budget_seconds=9, clock=lab.lists)
    source.read()

    complaint = "cannot open 'tank/0001': dataset does not exist"
    lab.install("zfs", f'printf "tank/0000\t{FIGURES}\n"; echo "{complaint}" >&2; exit 1')

    assert [dataset.name for dataset in source.read().datasets] == ["tank/0000"]
    assert source.problems == ()


def test_a_pool_that_was_suspended_shows_no_figures_of_before(lab: Lab) -> None:
    lab.pool("tank", "ONLINE")
    many(lab, 500)
    source = lab.source(budget_seconds=9, clock=lab.lists)
    assert len(source.read().datasets) == 500
    lab.pool("tank", "SUSPENDED")
    source.read()
    lab.pool("tank", "ONLINE")
    source._budget_seconds = 1

    assert len(source.read().datasets) == 200


def test_datasets_that_match_a_pattern_are_not_read_while_no_container_mounts_them(lab: Lab) -> None:
    source = lab.source(
        leave_out=("tank/containers/*", "tank/bh*"), keep=lambda: frozenset({"tank/containers/objects02"})
    )
    source._kstat = RECORDED_KSTAT
    many(lab, 0)
    (lab.kstat / "names").write_text(
        "tank\ntank/bh test\ntank/containers\ntank/containers/objects02\ntank/containers/web\n"
    )

    storage = source.read()

    assert [dataset.name for dataset in storage.datasets] == ["tank", "tank/containers", "tank/containers/objects02"]
    assert [io.name for io in storage.io] == ["tank/containers", "tank/containers/objects02"]


def test_a_bug_in_one_pool_is_no_silence(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.pool("tank", "ONLINE")
    monkeypatch.setattr(ZfsSource, "_figures_of_pool", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        lab.source().read()
