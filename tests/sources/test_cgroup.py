from __future__ import annotations

import errno
import os
import resource
import shutil
import threading
from pathlib import Path

import pytest

from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, MemoryEvents, PayloadUse, Pressure
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.cgroup import CgroupSource
from exporter.sources.cgroup.figures import LEVEL_FILES, PAYLOAD_FILES
from exporter.sources.cgroup.tree import FoundContainers, find_containers
from tests.sources.host_trees import CONTAINER_ID, HOST, OTHER_ID, add_cgroup, cgroup_mount, open_files, payload_path

RECORDED = HOST / "sys/fs/cgroup"
WEB = payload_path("web")
DB = payload_path("db", OTHER_ID)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mount = cgroup_mount(tmp_path / "cgroup")
    add_cgroup(mount, WEB)
    return mount


def only(source: CgroupSource) -> ContainerCgroups:
    (container,) = source.read()
    return container


def failing(monkeypatch: pytest.MonkeyPatch, suffix: str, number: int) -> None:
    """Make reads of the files whose path ends so fail, as the kernel does."""
    pread = os.pread

    def failing_pread(descriptor: int, size: int, offset: int) -> bytes:
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()).endswith(suffix):
            raise OSError(number, os.strerror(number))
        return pread(descriptor, size, offset)

    monkeypatch.setattr("os.pread", failing_pread)


def test_every_figure_of_a_recorded_container_is_its_files() -> None:
    containers = {c.levels[1].path.rsplit("/")[-1]: c for c in CgroupSource(RECORDED).read()}
    good = containers["objects02.service"]
    payload, service, own_slice, ancestor = good.levels
    for level in good.levels:
        for figure, name in [(level.memory_current_bytes, "memory.current"), (level.memory_max_bytes, "memory.max")]:
            text = (RECORDED / level.path[1:] / name).read_text().strip()
            assert figure == (None if text == "max" else int(text))
        assert level.inode == (RECORDED / level.path[1:]).stat().st_ino
        assert level.path.startswith("/")
    assert payload.memory_max_bytes == service.memory_max_bytes == 128_000_000
    assert (own_slice.memory_max_bytes, ancestor.memory_max_bytes) == (None, None)
    assert [level.path.rsplit("/")[-1][:16] for level in good.levels] == [
        "libpod-payload-2",
        "objects02.servic",
        "services-objects",
        "services.slice",
    ]
    assert payload.cpu_max_cores == 1.0
    assert payload.pids_max == 128
    assert "memory" in payload.controllers
    assert good.use.memory_peak_bytes is not None
    assert good.use.memory_unreclaimable_bytes is not None
    assert good.use.memory_unreclaimable_bytes < good.use.memory_peak_bytes
    assert good.use.cpu_pressure is not None
    assert good.use.pids == 3
    assert all(container.unreadable == () for container in containers.values())


def test_the_level_that_binds_is_where_the_recorded_host_has_it() -> None:
    containers = {c.levels[1].path.rsplit("/")[-1]: c for c in CgroupSource(RECORDED).read()}
    limits = {
        name: {level.level: level.memory_max_bytes for level in containers[name].levels[:3]}
        for name in ("service-binds.service", "slice-binds.service")
    }
    assert limits["service-binds.service"][Level.SERVICE] == 95_997_952
    assert limits["slice-binds.service"][Level.SLICE] == 95_997_952


def test_a_rootless_and_a_handmade_container_are_found_in_the_recorded_tree() -> None:
    owners = {container.owner_uid for container in CgroupSource(RECORDED).read()}
    assert owners == {0, 1000}
    (scope,) = [c for c in CgroupSource(RECORDED).read() if c.levels[0].path.endswith("/container")]
    assert [level.level for level in scope.levels] == [Level.PAYLOAD, Level.SERVICE, Level.SLICE]
    assert scope.levels[0].memory_max_bytes == 33_554_432


def test_every_field_is_filled_from_the_files(root: Path) -> None:
    container = only(CgroupSource(root))
    assert container.use == PayloadUse(
        memory_unreclaimable_bytes=3_000_015,
        memory_peak_bytes=5_000_000,
        memory_swap_bytes=0,
        cpu_pressure=Pressure(3.0, None),
        memory_pressure=Pressure(2.0, 1.0),
        io_pressure=Pressure(0.0, 0.0),
        cpu_user_seconds=2.0,
        cpu_system_seconds=1.0,
        cpu_throttled_seconds=5e-6,
        cpu_periods=7,
        cpu_throttled_periods=1,
        pids=3,
        io_read_bytes=11,
        io_written_bytes=22,
    )
    assert container.levels[0] == CgroupLevel(
        path=WEB,
        inode=(root / WEB[1:]).stat().st_ino,
        level=Level.PAYLOAD,
        memory_current_bytes=4_096_000,
        memory_inactive_file_bytes=96_000,
        memory_max_bytes=8_192_000,
        memory_high_bytes=None,
        memory_swap_max_bytes=0,
        cpu_max_cores=2.0,
        pids_max=128,
        memory_events=MemoryEvents(1, 2, 3, 4),
        controllers=("cpu", "io", "memory", "pids"),
    )


def test_a_file_that_the_kill_counts_alone_need_is_left_to_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "/memory.events.local", errno.EACCES)
    assert only(CgroupSource(root)).unreadable == ()


def test_a_figure_that_moves_is_read_anew_from_the_open_file(root: Path) -> None:
    source = CgroupSource(root)
    source.discover()
    (root / WEB[1:] / "memory.current").write_text("77\n")
    assert only(source).levels[0].memory_current_bytes == 77


def test_a_level_that_containers_share_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_cgroup(root, DB)
    source = CgroupSource(root)
    source.discover()
    reads: list[int] = []
    pread = os.pread

    def counting_pread(descriptor: int, size: int, offset: int) -> bytes:
        reads.append(descriptor)
        return pread(descriptor, size, offset)

    monkeypatch.setattr("os.pread", counting_pread)
    assert len(source.read()) == 2
    assert len(reads) == len(set(reads)) == 2 * len(PAYLOAD_FILES) + 5 * len(LEVEL_FILES)
    assert not {path for path in source.paths() if "services.slice" not in path}


@pytest.mark.parametrize("name", ["memory.peak", "io.stat", "cpu.stat", "io.pressure", "pids.current"])
def test_a_file_that_this_kernel_lacks_is_none_and_no_complaint(root: Path, name: str) -> None:
    (root / WEB[1:] / name).unlink()
    container = only(CgroupSource(root))
    assert container.unreadable == ()
    fields = {
        "memory.peak": container.use.memory_peak_bytes,
        "io.stat": container.use.io_read_bytes,
        "cpu.stat": container.use.cpu_user_seconds,
        "io.pressure": container.use.io_pressure,
        "pids.current": container.use.pids,
    }
    assert [key for key, value in fields.items() if value is None] == [name]


def test_a_malformed_file_is_told_and_leaves_the_rest_and_the_others(root: Path) -> None:
    add_cgroup(root, DB, memory_max="lots\n", memory_stat="anon -1\n")
    web, db = sorted(CgroupSource(root).read(), key=lambda container: container.container_id)
    assert (web.unreadable, web.levels[0].memory_max_bytes) == ((), 8_192_000)
    assert (db.levels[0].memory_max_bytes, db.levels[0].memory_current_bytes) == (None, 4_096_000)
    assert [problem.split(":")[0] for problem in db.unreadable] == [f"{DB}/memory.max", f"{DB}/memory.stat"]


def test_a_denied_file_is_told_and_not_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "web.service/memory.max", errno.EACCES)
    container = only(CgroupSource(root))
    assert container.unreadable == ("/services.slice/services-web.slice/web.service/memory.max: Permission denied",)
    assert container.levels[0].memory_max_bytes == 8_192_000


def test_a_pressure_file_that_is_switched_off_is_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "/io.pressure", errno.EOPNOTSUPP)
    container = only(CgroupSource(root))
    assert (container.use.io_pressure, container.unreadable) == (None, ())


def test_a_container_that_vanishes_after_the_walk_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_cgroup(root, DB)
    source = CgroupSource(root)
    source.discover()
    with monkeypatch.context() as patch:
        failing(patch, f"libpod-payload-{OTHER_ID}/memory.current", errno.ENODEV)
        failing(patch, f"libpod-payload-{OTHER_ID}/cgroup.controllers", errno.ENODEV)
        assert only(source).container_id == CONTAINER_ID
    source.discover()
    assert len(source.read()) == 2


def test_a_container_that_vanishes_during_the_walk_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_and_remove(mount: Path) -> FoundContainers:
        found = find_containers(mount)
        shutil.rmtree(mount / WEB[1:])
        return found

    monkeypatch.setattr("exporter.sources.cgroup.source.find_containers", find_and_remove)
    assert CgroupSource(root).read() == ()


@pytest.mark.parametrize("open_files_max", [None, 0])
def test_a_container_that_came_back_is_read_in_its_new_life(root: Path, open_files_max: int | None) -> None:
    source = CgroupSource(root, open_files_max)
    before = only(source).levels[0].inode
    (root / WEB[1:]).rename(root.parent / "old-life")  # keeps the inode taken
    add_cgroup(root, WEB, memory_current="5\n")
    if open_files_max == 0:
        assert source.read() == ()  # another inode is another life, until the next walk
    source.discover()
    after = only(source).levels[0]
    assert (after.memory_current_bytes, after.inode != before) == (5, True)


def test_a_controller_that_is_switched_on_later_brings_its_files(root: Path) -> None:
    directory = root / WEB[1:]
    (directory / "memory.peak").unlink()
    source = CgroupSource(root)
    assert only(source).use.memory_peak_bytes is None
    (directory / "memory.peak").write_text("9\n")
    (directory / "cgroup.controllers").write_text("cpu io memory pids hugetlb\n")
    only(source)
    source.discover()
    assert only(source).use.memory_peak_bytes == 9


def test_files_of_a_controller_that_went_are_absent_until_it_is_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = CgroupSource(root)
    source.discover()
    with monkeypatch.context() as patch:
        failing(patch, f"{CONTAINER_ID}/memory.current", errno.ENODEV)
        assert only(source).levels[0].memory_current_bytes is None
    held = source._files[WEB]
    source.discover()
    assert source._files[WEB] is not held
    assert only(source).levels[0].memory_current_bytes == 4_096_000


def test_files_are_kept_when_nothing_changed_and_closed_when_their_container_is_gone(root: Path) -> None:
    add_cgroup(root, DB)
    before = open_files()
    source = CgroupSource(root)
    source.discover()
    held = dict(source._files)
    source.discover()
    assert source._files == held
    assert len(open_files() - before) == 2 * len(PAYLOAD_FILES) + 5 * len(LEVEL_FILES)
    shutil.rmtree(root / "services.slice/services-db.slice")
    source.discover()
    assert len(open_files() - before) == len(PAYLOAD_FILES) + 3 * len(LEVEL_FILES)
    source.close()
    assert not open_files() - before


def test_beyond_the_budget_files_are_opened_at_each_read_and_say_the_same(root: Path) -> None:
    add_cgroup(root, DB)
    kept = CgroupSource(root)
    expected = kept.read()
    before = open_files()
    for budget in (0, 1, len(PAYLOAD_FILES), 50):
        source = CgroupSource(root, budget)
        assert source.read() == expected
        assert len(open_files() - before) <= budget
        source.close()


def test_the_budget_is_half_of_what_the_process_may_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * len(PAYLOAD_FILES) + 1, 4096))
    source = CgroupSource(root)
    source.discover()
    assert sum(files.open_count for files in source._files.values()) == len(PAYLOAD_FILES)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (4096, 4096))
    source.discover()
    assert sum(files.open_count for files in source._files.values()) == len(PAYLOAD_FILES) + 3 * len(LEVEL_FILES)


def test_a_process_that_has_no_file_left_is_told_what_to_raise(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_files()
    source = CgroupSource(root)
    opened = os.open

    def exhausted(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if path == "memory.current":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return opened(path, flags, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr("os.open", exhausted)
        source.discover()
        with pytest.raises(Unreadable, match="LimitNOFILE"):
            source.read()
    assert not open_files() - before
    assert only(source).container_id == CONTAINER_ID


def test_a_longer_text_than_any_known_is_read_whole(root: Path) -> None:
    devices = "".join(f"253:{number} rbytes=1 wbytes=2\n" for number in range(2000))
    (root / WEB[1:] / "io.stat").write_text(devices)
    assert only(CgroupSource(root)).use.io_read_bytes == 2000


def test_members_are_the_pids_of_the_payload_and_of_what_it_nests(root: Path) -> None:
    add_cgroup(root, f"{WEB}/init.scope", cgroup_procs="12\n")
    (root / WEB[1:] / "cgroup.procs").write_text("30\n4\n")
    source = CgroupSource(root)
    assert source.members() == {CONTAINER_ID: (4, 12, 30)}
    (root / WEB[1:] / "cgroup.procs").write_text("5\n")
    assert source.members() == {CONTAINER_ID: (5, 12)}


def test_members_that_cannot_be_named_are_a_zero(root: Path) -> None:
    (root / WEB[1:] / "cgroup.procs").write_text("4\nmany\n")
    assert CgroupSource(root).members() == {CONTAINER_ID: (0,)}


def test_the_recorded_scope_holds_its_processes_below() -> None:
    source = CgroupSource(RECORDED)
    (container,) = [c for c in source.read() if c.levels[0].path.endswith("/container")]
    assert len(source.members()[container.container_id]) == 2


def test_a_path_in_no_encoding_is_printable(root: Path) -> None:
    add_cgroup(root, os.fsdecode(b"/\xff.slice/libpod-payload-" + OTHER_ID.encode()))
    source = CgroupSource(root)
    assert [c.levels[1].path for c in source.read() if c.container_id == OTHER_ID] == [
        "/\N{REPLACEMENT CHARACTER}.slice"
    ]
    assert all(path.encode() for path in source.paths())


def test_a_host_without_the_unified_hierarchy_is_not_here(tmp_path: Path) -> None:
    source = CgroupSource(tmp_path)
    assert source.paths() == ()
    with pytest.raises(NotHere):
        source.read()
    with pytest.raises(NotHere):
        source.members()


def test_scrapes_and_walks_at_once_never_read_a_closed_or_foreign_file(root: Path) -> None:
    source = CgroupSource(root)
    source.discover()
    failures: list[BaseException] = []
    stop = threading.Event()

    def scrape() -> None:
        try:
            while not stop.is_set():
                for container in source.read():
                    assert container.unreadable == ()
                    assert container.levels[0].memory_max_bytes == 8_192_000
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    scrapers = [threading.Thread(target=scrape) for _ in range(3)]
    for scraper in scrapers:
        scraper.start()
    for _ in range(25):
        add_cgroup(root, DB)
        source.discover()
        shutil.rmtree(root / "services.slice/services-db.slice")
        source.discover()
    stop.set()
    for scraper in scrapers:
        scraper.join()
    source.close()
    assert failures == []
