import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.zfs.command import Commands
from exporter.sources.zfs.kstat import pool_of
from exporter.sources.zfs.mounted import MountedDatasetSource
from exporter.sources.zfs.rota import batches

HOST = Path(__file__).parents[1] / "host"


class Kernel:
    """A pyzfs whose pools have these datasets; notes the batches it was asked for."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.batches: list[tuple[str, list[str]]] = []
        self.used_bytes = 1
        self.refuses: set[str] = set()
        self.hangs: set[str] = set()
        self.released = threading.Event()

    def lzc_channel_program_nosync(self, pool: bytes, *arguments: Any) -> object:
        names = [name.decode() for name in arguments[-1][b"names"]]
        self.batches.append((pool.decode(), names))
        if pool.decode() in self.hangs:
            self.released.wait(30)
        if pool.decode() in self.refuses:
            raise OSError(1, "Channel programs must be run as root")
        return {
            name.encode(): {
                b"type": b"filesystem",
                b"used": self.used_bytes,
                b"available": 2,
                b"referenced": 3,
                b"quota": 0,
                b"refquota": 0,
                b"mountpoint": b"/m",
            }
            for name in names
            if name in self.names
        }


@pytest.fixture
def kstat(tmp_path: Path) -> Path:
    for pool in ("tank", "other"):
        (tmp_path / "kstat" / pool).mkdir(parents=True)
        (tmp_path / "kstat" / pool / "state").write_text("ONLINE\n")
    return tmp_path / "kstat"


def commands(directory: Path, lines: str) -> Commands:
    program = directory / "zfs"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Commands(f"{directory}:/usr/bin:/bin", grace_seconds=0.1)


def no_library() -> Any:
    raise Unreadable("pyzfs is not installed")


def source(kstat: Path, kernel: Kernel, names: Callable[[], frozenset[str]], **options: Any) -> MountedDatasetSource:
    return MountedDatasetSource(
        names,
        kstat,
        commands=Commands("/nonexistent"),
        load_library=lambda: kernel,
        **{"deadline_seconds": 5, **options},
    )


def test_the_named_datasets_are_read_by_name_in_one_batch_a_pool(kstat: Path) -> None:
    names = frozenset({"tank/b", "tank/a", "other/c"})
    kernel = Kernel(*names)
    mounted = source(kstat, kernel, lambda: names)

    assert [dataset.name for dataset in mounted.read()] == ["other/c", "tank/a", "tank/b"]
    assert sorted(kernel.batches) == [("other", ["other/c"]), ("tank", ["tank/a", "tank/b"])]
    assert mounted.problems == ()


def test_batches_are_of_twenty(kstat: Path) -> None:
    names = frozenset(f"tank/{number:03}" for number in range(45))
    kernel = Kernel(*names)

    assert len(source(kstat, kernel, lambda: names).read()) == 45
    assert [len(batch) for _, batch in kernel.batches] == [20, 20, 5]


def test_no_names_ask_nothing(kstat: Path) -> None:
    kernel = Kernel()

    assert source(kstat, kernel, frozenset).read() == ()
    assert kernel.batches == []


def test_names_that_are_no_datasets_of_an_imported_pool_are_not_asked_for(kstat: Path) -> None:
    kernel = Kernel("tank/a")

    found = source(kstat, kernel, lambda: frozenset({"tank/a", "tank/a@s", "-rf", "gone/x", "tank/\n", "/x"})).read()

    assert [dataset.name for dataset in found] == ["tank/a"]
    assert kernel.batches == [("tank", ["tank/a"])]


def test_a_dataset_that_vanishes_is_left_out_and_loses_no_other(kstat: Path) -> None:
    kernel = Kernel("tank/a", "tank/b")
    mounted = source(kstat, kernel, lambda: frozenset({"tank/a", "tank/b"}))
    mounted.read()

    kernel.names.remove("tank/a")

    assert [dataset.name for dataset in mounted.read()] == ["tank/b"]


def test_a_dataset_that_is_no_longer_mounted_is_forgotten(kstat: Path) -> None:
    names = {"tank/a", "tank/b"}
    kernel = Kernel(*names)
    mounted = source(kstat, kernel, lambda: frozenset(names))
    mounted.read()

    names.remove("tank/a")

    assert [dataset.name for dataset in mounted.read()] == ["tank/b"]
    assert set(mounted._rota._asked_at) == set(mounted._rota._known) == {"tank/b"}


def test_a_read_stops_at_its_budget_and_the_next_begins_with_the_oldest(kstat: Path) -> None:
    names = frozenset(f"tank/{number:03}" for number in range(60))
    kernel = Kernel(*names)
    now = [0.0]

    def clock() -> float:
        now[0] += 0.4  # twice a batch
        return now[0]

    mounted = source(kstat, kernel, lambda: names, budget_seconds=1.5, clock=clock)

    assert len(mounted.read()) == 40
    assert [batch[0] for _, batch in kernel.batches] == ["tank/000", "tank/020"]
    kernel.used_bytes = 7
    second = mounted.read()
    assert [batch[0] for _, batch in kernel.batches[2:]] == ["tank/040", "tank/000"]
    assert [dataset.used_bytes for dataset in second] == [7] * 20 + [1] * 20 + [7] * 20


def test_no_zfs_module_is_not_a_failure(tmp_path: Path) -> None:
    with pytest.raises(NotHere):
        source(tmp_path / "none", Kernel(), frozenset).read()


def test_a_suspended_pool_is_not_asked_and_costs_the_others_nothing(kstat: Path) -> None:
    kernel = Kernel("tank/a", "other/b")
    mounted = source(kstat, kernel, lambda: frozenset({"tank/a", "other/b"}))
    mounted.read()
    kernel.batches.clear()
    (kstat / "tank" / "state").write_text("SUSPENDED\n")

    assert [dataset.name for dataset in mounted.read()] == ["other/b"]
    assert kernel.batches == [("other", ["other/b"])]
    assert "Pool tank is suspended" in mounted.problems[0]


def test_when_all_are_in_a_suspended_pool_none_is_served_rather_than_figures_of_before(kstat: Path) -> None:
    mounted = source(kstat, Kernel("tank/a"), lambda: frozenset({"tank/a"}))
    mounted.read()
    (kstat / "tank" / "state").write_text("SUSPENDED\n")

    assert mounted.read() == ()
    assert "zpool clear tank" in mounted.problems[0]


def test_a_suspended_pool_that_no_container_uses_is_no_problem_here(kstat: Path) -> None:
    (kstat / "tank" / "state").write_text("SUSPENDED\n")
    mounted = source(kstat, Kernel("other/b"), lambda: frozenset({"other/b"}))

    assert len(mounted.read()) == 1
    assert mounted.problems == ()


def test_a_pool_that_hangs_costs_the_others_nothing_and_is_not_asked_again(kstat: Path) -> None:
    kernel = Kernel("tank/a", "other/b")
    kernel.hangs = {"other"}
    mounted = source(kstat, kernel, lambda: frozenset({"tank/a", "other/b"}), deadline_seconds=0.05)

    assert [dataset.name for dataset in mounted.read()] == ["tank/a"]
    assert "Pool other: a channel program did not end" in mounted.problems[0]
    assert [dataset.name for dataset in mounted.read()] == ["tank/a"]
    assert "has not come back" in mounted.problems[0]
    assert [pool for pool, _ in kernel.batches].count("other") == 1
    kernel.released.set()


def test_where_pyzfs_is_missing_the_command_lists_the_names(kstat: Path, tmp_path: Path) -> None:
    lines = f'echo "$@" > {tmp_path}/asked; cat {HOST}/zfs/zfs-list-mounted.tsv'
    names = frozenset({"tank/bh test", "tank/containers/objects02", "tank/shared", "tank/zvol-bhtest"})
    mounted = MountedDatasetSource(lambda: names, kstat, commands=commands(tmp_path, lines), load_library=no_library)

    assert {dataset.name for dataset in mounted.read()} == names
    assert (tmp_path / "asked").read_text() == (
        "list -Hp -o name,type,used,available,referenced,quota,refquota,mountpoint -t filesystem,volume "
        "tank/bh test tank/containers/objects02 tank/shared tank/zvol-bhtest\n"
    )


def test_a_pyzfs_that_is_installed_later_is_used_after_ten_minutes(kstat: Path, tmp_path: Path) -> None:
    now_seconds = 0.0
    tries: list[float] = []
    kernel = Kernel("tank/shared")

    def load() -> Any:
        tries.append(now_seconds)
        return kernel if len(tries) > 1 else no_library()

    mounted = MountedDatasetSource(
        lambda: frozenset({"tank/shared"}),
        kstat,
        commands=commands(tmp_path, f"grep shared {HOST}/zfs/zfs-list-mounted.tsv"),
        load_library=load,
        clock=lambda: now_seconds,
    )
    batches_read = []
    for at_seconds in (0.0, 300.0, 600.0, 700.0):
        now_seconds = at_seconds
        assert [dataset.name for dataset in mounted.read()] == ["tank/shared"]
        batches_read.append(len(kernel.batches))
    assert batches_read == [0, 0, 1, 2]
    assert tries == [0.0, 600.0]


def test_a_dataset_that_comes_after_it_was_asked_for_is_read_from_then_on(kstat: Path) -> None:
    kernel = Kernel("tank/a")
    mounted = source(kstat, kernel, lambda: frozenset({"tank/a", "tank/later"}))
    assert [dataset.name for dataset in mounted.read()] == ["tank/a"]
    kernel.names.add("tank/later")
    assert [dataset.name for dataset in mounted.read()] == ["tank/a", "tank/later"]


def test_where_the_kernel_refuses_the_program_the_command_lists_the_names(kstat: Path, tmp_path: Path) -> None:
    kernel = Kernel("tank/shared")
    kernel.refuses = {"tank"}
    mounted = MountedDatasetSource(
        lambda: frozenset({"tank/shared"}),
        kstat,
        commands=commands(tmp_path, f"grep shared {HOST}/zfs/zfs-list-mounted.tsv"),
        load_library=lambda: kernel,
    )

    (by_command,) = mounted.read()
    kernel.refuses = set()
    (by_program,) = mounted.read()
    assert by_command.name == by_program.name == "tank/shared"
    assert (by_command.used_bytes, by_program.used_bytes) == (24_576, kernel.used_bytes)


def test_a_vanished_dataset_makes_the_command_fail_and_is_no_problem(kstat: Path, tmp_path: Path) -> None:
    lines = f"cat {HOST}/zfs/zfs-list-mounted.tsv; echo \"cannot open 'tank/gone': dataset does not exist\" >&2; exit 1"
    mounted = MountedDatasetSource(
        lambda: frozenset({"tank/shared", "tank/gone"}),
        kstat,
        commands=commands(tmp_path, lines),
        load_library=no_library,
    )

    assert "tank/shared" in {dataset.name for dataset in mounted.read()}
    assert mounted.problems == ()


def test_a_command_that_fails_for_another_reason_is_a_failure(kstat: Path, tmp_path: Path) -> None:
    mounted = MountedDatasetSource(
        lambda: frozenset({"tank/shared"}),
        kstat,
        commands=commands(tmp_path, "echo 'Permission denied' >&2; exit 1"),
        load_library=no_library,
    )

    with pytest.raises(Unreadable, match="Permission denied: run as root"):
        mounted.read()


def test_pyzfs_is_not_even_imported_where_there_is_no_zfs(tmp_path: Path) -> None:
    loaded = []
    mounted = MountedDatasetSource(frozenset, tmp_path / "none", load_library=lambda: loaded.append(SimpleNamespace()))

    with pytest.raises(NotHere):
        mounted.read()
    assert loaded == []


names_of_datasets = st.sets(st.from_regex(r"[ab]/[a-z]{1,3}", fullmatch=True), max_size=60)


@given(names_of_datasets, st.dictionaries(st.from_regex(r"[ab]/[a-z]{1,3}", fullmatch=True), st.floats(0, 100)))
def test_batches_hold_every_name_once_of_one_pool_and_the_oldest_first(
    names: set[str], asked_at: dict[str, float]
) -> None:
    cut = batches(asked_at, names, 20)

    assert sorted(name for _, batch in cut for name in batch) == sorted(names)
    assert all(pool_of(name) == pool for pool, batch in cut for name in batch)
    assert all(1 <= len(batch) <= 20 for _, batch in cut)
    firsts = [asked_at.get(batch[0], -1) for _, batch in cut]
    assert firsts == sorted(firsts)
