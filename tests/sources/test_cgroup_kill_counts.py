from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from exporter.facts.cgroup import Level
from exporter.sources.cgroup.kill_counts import KillCountSource
from exporter.sources.cgroup.tree import FoundContainer, Place
from tests.sources.host_trees import open_files

WEB, DB = "a" * 64, "b" * 64
SLICE = "/services.slice/services-web.slice"


def cgroup(root: Path, path: str, oom_kill: int, oom: int = 0) -> Place:
    directory = root / path[1:]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "memory.events").write_text(f"oom {oom}\noom_kill {oom_kill}\n")
    (directory / "memory.events.local").write_text(f"oom {oom}\noom_kill 0\n")
    return Place(path, directory.stat().st_ino)


def container(root: Path, name: str, container_id: str, home: str = SLICE, kills: int = 0) -> FoundContainer:
    service = f"{home}/{name}.service"
    places = [
        (cgroup(root, f"{service}/libpod-payload-{container_id}", kills), Level.PAYLOAD),
        (cgroup(root, service, kills), Level.SERVICE),
        (cgroup(root, home, kills), Level.SLICE),
    ]
    if "/" in home[1:]:
        places.append((cgroup(root, home.rpartition("/")[0], kills), Level.ANCESTOR))
    return FoundContainer(container_id, 0, tuple(places), f"{service}/libpod-payload-{container_id}")


def source_of(
    root: Path, *containers: FoundContainer, slices: frozenset[str] = frozenset(), open_files_max: int | None = None
) -> KillCountSource:
    return KillCountSource(root, lambda: containers, lambda: slices, open_files_max)


def kills(source: KillCountSource) -> dict[str, int]:
    return {count.path: count.oom_kill for count in source.read().counts}


def test_a_slice_is_read_before_those_below_it_and_the_containers_own_come_last(tmp_path: Path) -> None:
    source = source_of(tmp_path, container(tmp_path, "web", WEB, kills=2))
    counts = source.read().counts
    assert [count.path.rpartition("/")[2] for count in counts] == [
        "services.slice",
        "services-web.slice",
        f"libpod-payload-{WEB}",
        "web.service",
    ]
    assert [count.is_evidence for count in counts] == [False, False, False, True]
    assert {count.oom_kill for count in counts} == {2}
    source.close()


def test_what_several_containers_share_is_nobodys_evidence(tmp_path: Path) -> None:
    pod = f"{SLICE}/pod.service"
    shared = (cgroup(tmp_path, pod, 3), Level.SERVICE)
    both = [
        FoundContainer(one, 0, ((cgroup(tmp_path, f"{pod}/libpod-payload-{one}", 1), Level.PAYLOAD), shared), "")
        for one in (WEB, DB)
    ]
    source = source_of(tmp_path, *both)
    assert [(count.container_id, count.is_evidence) for count in source.read().counts] == [(WEB, True), (DB, True)]
    source.close()


def test_a_slice_is_read_on_when_its_container_is_gone_until_it_is_gone_itself(tmp_path: Path) -> None:
    living = [container(tmp_path, "web", WEB)]
    source = KillCountSource(tmp_path, lambda: tuple(living), frozenset)
    source.read()
    living.clear()
    shutil.rmtree(tmp_path / SLICE[1:] / "web.service")
    cgroup(tmp_path, SLICE, 7)
    assert kills(source) == {SLICE: 7, "/services.slice": 0}
    shutil.rmtree(tmp_path / SLICE[1:])
    reading = source.read()
    assert [count.path for count in reading.counts] == ["/services.slice"]
    assert not reading.unreadable
    source.close()


def test_a_slice_of_a_unit_that_never_ran_is_read_with_all_above_it(tmp_path: Path) -> None:
    cgroup(tmp_path, "/services.slice", 5)
    cgroup(tmp_path, SLICE, 4)
    source = source_of(tmp_path, slices=frozenset({SLICE, "/gone.slice"}))
    assert kills(source) == {SLICE: 4, "/services.slice": 5}
    assert source.read().absent == {"/gone.slice"}
    source.close()


def test_a_file_that_makes_no_sense_is_unreadable_and_the_others_are_read(tmp_path: Path) -> None:
    web = container(tmp_path, "web", WEB)
    (tmp_path / SLICE[1:] / "memory.events").write_bytes(b"oom_kill many\n")
    source = source_of(tmp_path, web)
    reading = source.read()
    assert reading.unreadable == {SLICE}
    assert "/services.slice" in {count.path for count in reading.counts}
    assert source.problems[0].startswith(f"{SLICE}/memory.events: ")
    cgroup(tmp_path, SLICE, 1)
    assert kills(source)[SLICE] == 1
    assert source.problems == ()
    source.close()


def test_a_slice_that_cannot_be_looked_at_is_unreadable_and_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of(tmp_path, container(tmp_path, "web", WEB))
    source.read()
    stat = os.stat

    def denied(path: str) -> os.stat_result:
        if str(path).endswith("services-web.slice"):
            raise PermissionError(13, "Permission denied")
        return stat(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", denied)
        assert source.read().unreadable == {SLICE}
    assert SLICE in kills(source)
    source.close()


def test_a_service_that_was_made_anew_is_not_read_for_its_last_container(tmp_path: Path) -> None:
    web = container(tmp_path, "web", WEB)
    service = tmp_path / SLICE[1:] / "web.service"
    service.rename(tmp_path / "old")  # its inode stays in use: the new one is another
    cgroup(tmp_path, f"{SLICE}/web.service", 1)
    source = source_of(tmp_path, web)
    assert all(not count.container_id for count in source.read().counts)
    source.close()


def test_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    home = os.fsdecode(b"/user-\xff.slice")
    source = source_of(tmp_path, container(tmp_path, "web", WEB, home, kills=1))
    reading = source.read()
    assert r"/user-\xff.slice" in {count.path for count in reading.counts}
    for count in reading.counts:
        count.path.encode()
    assert source.read().counts == reading.counts
    source.close()


def test_all_files_are_closed(tmp_path: Path) -> None:
    before = open_files()
    source = source_of(tmp_path, container(tmp_path, "web", WEB))
    source.read()
    source.close()
    assert not open_files() - before


def test_slices_and_containers_of_root_stay_open_before_a_users(tmp_path: Path) -> None:
    alices = container(tmp_path, "mine", DB, "/user.slice/user-1000.slice/user@1000.service/a.slice", kills=2)
    web = container(tmp_path, "web", WEB, kills=1)
    before = open_files()
    source = source_of(tmp_path, web, alices, open_files_max=8)
    counts = source.read().counts
    kept = {Path(name).parent.name for _, name in open_files() - before}
    assert kept == {"services.slice", "services-web.slice", "web.service", f"libpod-payload-{WEB}"}
    assert {count.oom_kill for count in counts if DB in (count.container_id, count.path[-64:])} == {2}
    assert source.read().counts == counts
    source.close()
    assert not open_files() - before


def test_roots_container_has_its_files_when_a_users_had_them(tmp_path: Path) -> None:
    living = [container(tmp_path, "mine", DB, "/user.slice/user-1000.slice/user@1000.service/a.slice")]
    before = open_files()
    source = KillCountSource(tmp_path, lambda: tuple(living), frozenset, open_files_max=8)
    source.read()
    assert len(open_files() - before) == 6
    living.insert(0, container(tmp_path, "web", WEB))
    source.read()
    opened = open_files() - before
    assert len(opened) == 8
    assert all("user" not in name for _, name in opened)
    source.close()


def test_slices_that_a_user_leaves_behind_are_read_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.sources.cgroup.kill_counts._SLICES_OF_A_USER", 3)
    living: list[FoundContainer] = []
    source = KillCountSource(tmp_path, lambda: tuple(living), lambda: frozenset({SLICE}))
    cgroup(tmp_path, SLICE, 1)
    for number in range(6):
        home = f"/user.slice/user-1000.slice/user@1000.service/{number}.slice"
        living[:] = [container(tmp_path, "mine", f"{number:064}", home)]
        slices = [path for path in kills(source) if path.endswith(".slice")]
        assert SLICE in slices
        assert len([path for path in slices if path.startswith("/user.slice/user-1000.slice/")]) <= 3
    source.close()


def test_a_waker_ends_the_wait_and_a_descriptor_that_was_closed_does_not(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    waker = os.eventfd(0, os.EFD_NONBLOCK)
    gone = os.eventfd(0, os.EFD_NONBLOCK)
    drained: list[int] = []
    source.wake_on(waker, lambda: drained.append(os.eventfd_read(waker)))
    source.wake_on(gone, lambda: None)
    os.close(gone)
    source.wait(0)
    assert not source.wait(0)
    os.eventfd_write(waker, 1)
    assert source.wait(0)
    assert drained == [1]
    assert not source.wait(0)
    os.close(waker)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_counts_that_come_after_their_cgroup_are_read_from_then_on(tmp_path: Path, level: int) -> None:
    web = container(tmp_path, "web", WEB)
    path = web.places[level][0].path
    for name in ("memory.events", "memory.events.local"):
        (tmp_path / path[1:] / name).unlink()
    source = source_of(tmp_path, web)
    assert path not in kills(source)
    cgroup(tmp_path, path, 3)
    assert kills(source)[path] == 3
    source.close()


def test_a_cgroups_own_events_that_come_after_the_others_are_read_from_then_on(tmp_path: Path) -> None:
    web = container(tmp_path, "web", WEB)
    path = web.places[0][0].path
    (tmp_path / path[1:] / "memory.events.local").unlink()
    source = source_of(tmp_path, web)

    def own_ooms() -> int:
        return next(count.local_oom for count in source.read().counts if count.path == path)

    assert own_ooms() == 0
    cgroup(tmp_path, path, 1, oom=2)
    assert own_ooms() == 2
    source.close()
    # Of another cgroup under the same path nothing is taken.
    (tmp_path / path[1:] / "memory.events.local").unlink()
    source.read()
    (tmp_path / path[1:]).rename(tmp_path / "old-life")
    cgroup(tmp_path, path, 5, oom=9)
    assert path not in kills(source)
    source.close()


def test_counts_of_a_controller_that_went_and_came_back_are_read_on_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = container(tmp_path, "web", WEB, kills=1)
    source = source_of(tmp_path, web)
    before = kills(source)
    pread, failures = os.pread, [OSError(errno.ENODEV, os.strerror(errno.ENODEV))]

    def pread_of_old_files(descriptor: int, size: int, offset: int) -> bytes:
        if failures:
            raise failures.pop()
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", pread_of_old_files)
    assert kills(source) == before
    assert source.problems == ()
    source.close()
