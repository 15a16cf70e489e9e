from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.facts.container import IdRange
from exporter.facts.process import Conmon, ContainerProcesses
from exporter.facts.reading import NotHere, Unreadable
from exporter.sources.cgroup import CgroupSource
from exporter.sources.process import ProcessSource
from exporter.sources.process.directory import ProcessDirectory
from exporter.sources.process.source import PROCESSES_MAX
from tests.sources.host_trees import (
    CONTAINER_ID,
    HOST,
    OTHER_ID,
    add_process,
    conmon_line,
    open_files,
    payload_path,
    stat_text,
)

RUNTIME = "0::/services.slice/services-web.slice/web.service/runtime\n"


def read(proc: Path, *pids: int) -> ContainerProcesses:
    (container,) = ProcessSource(proc, lambda: {CONTAINER_ID: pids}).read().containers
    return container


def raising(monkeypatch: pytest.MonkeyPatch, name: str, number: int, pid: int | None = None) -> None:
    """Make one file of one or all processes fail, as the kernel does."""
    for method in ("text", "target"):
        original: Callable[[ProcessDirectory, str], object] = getattr(ProcessDirectory, method)

        def failing(
            self: ProcessDirectory,
            asked: str,
            original: Callable[[ProcessDirectory, str], object] = original,
        ) -> object:
            of = int(Path(f"/proc/self/fd/{self._descriptor}").readlink().name)
            if asked == name and pid in {None, of}:
                raise OSError(number, os.strerror(number))
            return original(self, asked)

        monkeypatch.setattr(ProcessDirectory, method, failing)


def test_the_recorded_host_shows_the_walls_of_every_process() -> None:
    table = ProcessSource(HOST / "proc", CgroupSource(HOST / "sys/fs/cgroup").members).read()
    names = {conmon.container_id: conmon.name for conmon in table.conmons}
    containers = {names[container.container_id]: container for container in table.containers}
    assert set(containers) == {"objects02", "shared-a", "rootless1", "podhand"}
    good = containers["objects02"]
    assert [process.comm for process in good.processes] == ["hold", "dd", "sleep"]
    for process in good.processes:
        assert process.bounding_capabilities == process.effective_capabilities == 0
        assert (process.no_new_privileges, process.seccomp_mode) == (True, 2)
        assert process.uid_map == process.gid_map == (IdRange(0, 2147484671, 1024),)
        assert process.security_label == "system_u:system_r:container_t:s0:c156,c798"
        assert [kind for kind, _ in process.namespaces] == ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]
    assert good.interfaces == ("eth0",)
    assert good.unreadable == ()
    (rootfs,) = [mount for mount in good.mounts if mount.mount_point == "/"]
    assert (rootfs.options[0], rootfs.filesystem) == ("ro", "overlay")
    (data,) = [mount for mount in good.mounts if mount.mount_point == "/data"]
    assert (data.filesystem, data.source) == ("zfs", "tank/containers/objects02")


def test_an_idmapped_volume_and_a_rootless_map_are_seen_in_the_recording() -> None:
    table = ProcessSource(HOST / "proc", CgroupSource(HOST / "sys/fs/cgroup").members).read()
    by_first = {container.processes[0].pid: container for container in table.containers}
    names = {conmon.name: conmon.container_id for conmon in table.conmons}
    containers = {container.container_id: container for container in by_first.values()}
    shared = containers[names["shared-a"]]
    assert [mount.mount_point for mount in shared.mounts if "idmapped" in mount.options] == ["/shared"]
    rootless = containers[names["rootless1"]].processes[0]
    assert rootless.uid_map == (IdRange(0, 1000, 1), IdRange(1, 100000, 65536))
    assert rootless.bounding_capabilities == 0x800405FB


def test_the_hosts_own_namespaces_and_mounts_are_those_of_pid_1() -> None:
    table = ProcessSource(HOST / "proc", dict).read()
    assert dict(table.host_namespaces) == {
        "cgroup": 4026531835,
        "ipc": 4026531839,
        "mnt": 4026531841,
        "net": 4026531840,
        "pid": 4026531836,
        "time": 4026531834,
        "user": 4026531837,
        "uts": 4026531838,
    }
    (root,) = [mount for mount in table.host_mounts if mount.mount_point == "/"]
    assert (root.filesystem, root.device) == ("ext4", "254:0")
    assert any(mount.mount_point == "/data/containers/objects02" for mount in table.host_mounts)


def test_a_host_that_may_not_be_looked_at_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProcessSource(tmp_path, dict).read().host_namespaces == ()
    add_process(tmp_path, 1)
    raising(monkeypatch, "ns/cgroup", errno.EACCES)
    raising(monkeypatch, "mountinfo", errno.EACCES)
    table = ProcessSource(tmp_path, dict).read()
    assert (table.host_namespaces, table.host_mounts) == ((), ())


def test_a_container_is_made_of_the_layers_that_the_kernel_shows() -> None:
    table = ProcessSource(HOST / "proc", CgroupSource(HOST / "sys/fs/cgroup").members).read()
    names = {conmon.container_id: conmon.name for conmon in table.conmons}
    layers = {names[one.container_id]: mount.layers for one in table.containers for mount in one.mounts if mount.layers}
    assert all(layer.startswith("/var/lib/containers/storage/overlay/") for layer in layers["objects02"])
    assert layers["rootless1"] == ("/home/alice/.local/share/containers/storage/overlay/l/A6BYJY2HTVJVFINWLPDCW5WCQI",)


def test_the_conmon_of_an_exec_in_the_recording_is_not_a_container() -> None:
    conmons = ProcessSource(HOST / "proc", dict).read().conmons
    assert sorted(conmon.name for conmon in conmons) == ["objects02", "podhand", "rootless1", "shared-a"]


def test_processes_stand_oldest_first_and_mounts_are_the_oldests(tmp_path: Path) -> None:
    add_process(tmp_path, 4, start_ticks=900)  # pids have wrapped around
    add_process(tmp_path, 7000, start_ticks=800, mountinfo="1 2 0:5 / /first ro - tmpfs tmpfs rw\n")
    container = read(tmp_path, 4, 7000)
    assert [process.pid for process in container.processes] == [7000, 4]
    assert [mount.mount_point for mount in container.mounts] == ["/first"]


def test_the_gone_are_left_out_and_a_container_of_the_gone_is_too(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    source = ProcessSource(tmp_path, lambda: {CONTAINER_ID: (6, 7, 8), OTHER_ID: (9,)})
    (container,) = source.read().containers
    assert ([process.pid for process in container.processes], container.unreadable) == ([7], ())


@pytest.mark.parametrize("name", ["stat", "status", "uid_map", "gid_map", "cgroup"])
def test_a_process_that_ends_while_it_is_read_is_gone(tmp_path: Path, name: str) -> None:
    add_process(tmp_path, 7)
    (add_process(tmp_path, 8) / name).unlink()
    container = read(tmp_path, 7, 8)
    assert ([process.pid for process in container.processes], container.unreadable) == ([7], ())


def test_another_process_under_the_same_pid_is_not_the_containers(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_process(tmp_path, 8, cgroup="0::/system.slice/sshd.service\n")
    assert [process.pid for process in read(tmp_path, 7, 8).processes] == [7]


def test_a_process_whose_start_changes_while_it_is_read_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_process(tmp_path, 7)
    reused = add_process(tmp_path, 8)
    target = ProcessDirectory.target

    def target_and_reuse(self: ProcessDirectory, name: str) -> str:
        (reused / "stat").write_text(stat_text(8, "other", 99_999))
        return target(self, name)

    monkeypatch.setattr(ProcessDirectory, "target", target_and_reuse)
    assert [process.pid for process in read(tmp_path, 8, 7).processes] == [7]


@pytest.mark.parametrize(("number", "why"), [(errno.EACCES, "Permission denied"), (errno.EPERM, "Operation not")])
def test_a_process_that_is_denied_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    add_process(tmp_path, 7)
    add_process(tmp_path, 8)
    raising(monkeypatch, "status", number, pid=8)
    container = read(tmp_path, 7, 8)
    assert [process.pid for process in container.processes] == [7]
    (told,) = container.unreadable
    assert told.startswith(f"8: {why}")


@pytest.mark.parametrize("name", ["attr/current", "ns/cgroup", "mountinfo", "net/dev"])
def test_without_root_what_is_readable_is_given_and_the_rest_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add_process(tmp_path, 7)
    raising(monkeypatch, name, errno.EACCES)
    container = read(tmp_path, 7)
    assert container.unreadable == (f"7: {name}: Permission denied",)
    assert container.processes[0].effective_capabilities == 0x400
    assert (container.processes[0].security_label is None) == (name == "attr/current")
    assert (container.processes[0].namespaces == ()) == (name == "ns/cgroup")
    assert (container.mounts == ()) == (name == "mountinfo")
    assert (container.interfaces == ()) == (name == "net/dev")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT])
def test_a_host_without_a_security_module_has_no_label_and_no_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    directory = add_process(tmp_path, 7)
    if number == errno.ENOENT:
        (directory / "attr/current").unlink()
    else:
        raising(monkeypatch, "attr/current", number)
    container = read(tmp_path, 7)
    assert (container.processes[0].security_label, container.unreadable) == (None, ())


def test_the_mounts_of_an_ending_first_process_are_the_nexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_process(tmp_path, 7)
    add_process(tmp_path, 8)
    raising(monkeypatch, "mountinfo", errno.EINVAL, pid=7)
    container = read(tmp_path, 7, 8)
    assert ([mount.mount_point for mount in container.mounts], container.unreadable) == (["/"], ())


def test_a_kernel_without_a_kind_of_namespace_has_the_others(tmp_path: Path) -> None:
    (add_process(tmp_path, 7) / "ns/time").unlink()
    assert len(read(tmp_path, 7).processes[0].namespaces) == 7


def test_a_malformed_process_takes_no_other_down(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    add_process(tmp_path, 8, uid_map="0 many\n")
    add_process(tmp_path, 9, stat="9\n")
    container = read(tmp_path, 7, 8, 9)
    assert [process.pid for process in container.processes] == [7]
    assert [told.split(":")[0] for told in container.unreadable] == ["8", "9"]


def test_a_mount_table_larger_than_any_honest_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.sources.process.directory._MAX_BYTES", 1000)
    add_process(tmp_path, 7, mountinfo="1 2 0:5 / /a ro - tmpfs tmpfs rw\n" * 100)
    container = read(tmp_path, 7)
    assert (container.mounts, container.unreadable) == ((), ("7: mountinfo: larger than 1000 bytes",))


def test_more_processes_than_are_read_are_one_entry(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    container = read(tmp_path, *range(7, 7 + PROCESSES_MAX + 30))
    assert container.unreadable == (f"30 more: only {PROCESSES_MAX} are read, the rarest first",)


def test_processes_that_cannot_be_named_are_told(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    container = read(tmp_path, 0, 7)
    assert len(container.processes) == 1
    assert container.unreadable[0].startswith("others: ")


def test_a_hostile_comm_is_kept_as_the_kernel_escaped_it(tmp_path: Path) -> None:
    add_process(tmp_path, 7, comm="\\n) \udcff(\N{SNOWMAN}\x1b[31m")
    assert read(tmp_path, 7).processes[0].comm == "\\n) \N{REPLACEMENT CHARACTER}(\N{SNOWMAN}\x1b[31m"


def conmon(proc: Path, pid: int, cmdline: str, cgroup: str = RUNTIME) -> Path:
    return add_process(proc, pid, comm="conmon", cmdline=cmdline, cgroup=cgroup)


def test_a_conmon_names_its_container_and_its_owner(tmp_path: Path) -> None:
    conmon(tmp_path, 5, conmon_line(CONTAINER_ID, "web"))
    add_process(tmp_path, 7, cgroup=RUNTIME)
    (tmp_path / "self").symlink_to("7")
    (tmp_path / "sys").mkdir()
    assert ProcessSource(tmp_path, dict).read().conmons == (Conmon(CONTAINER_ID, "web", 5, os.getuid()),)


def test_a_process_in_a_container_that_calls_itself_conmon_is_not_believed(tmp_path: Path) -> None:
    conmon(tmp_path, 5, conmon_line(OTHER_ID, "evil"), cgroup=f"0::{payload_path('web')}\n")
    assert ProcessSource(tmp_path, dict).read().conmons == ()


def test_a_program_that_is_setuid_root_and_was_started_as_conmon_is_not_believed(tmp_path: Path) -> None:
    # ln -s /usr/bin/su conmon; exec -a /usr/bin/conmon ./conmon -c ID -u ID -n evil
    add_process(
        tmp_path, 5, comm="conmon", cmdline=conmon_line(OTHER_ID, "evil"), cgroup=RUNTIME, executable="/usr/bin/su"
    )
    assert ProcessSource(tmp_path, dict).read().conmons == ()


def test_an_agent_that_may_see_no_executable_goes_by_the_name_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conmon(tmp_path, 5, conmon_line(OTHER_ID, "web"))
    raising(monkeypatch, "exe", errno.EACCES)
    assert [found.name for found in ProcessSource(tmp_path, dict).read().conmons] == ["web"]


@pytest.mark.parametrize("executable", ["/usr/libexec/podman/conmon", "/usr/bin/conmon (deleted)"])
def test_a_conmon_is_believed_wherever_it_is_installed_and_after_an_update_of_it(
    tmp_path: Path, executable: str
) -> None:
    add_process(tmp_path, 5, comm="conmon", cmdline=conmon_line(OTHER_ID, "web"), cgroup=RUNTIME, executable=executable)
    assert [found.name for found in ProcessSource(tmp_path, dict).read().conmons] == ["web"]


def now_ticks() -> int:
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def test_a_fork_of_podmans_that_executes_conmon_a_moment_later_is_found(tmp_path: Path) -> None:
    fork = add_process(
        tmp_path, 5, start_ticks=now_ticks(), comm="podman", cmdline="podman\0", cgroup=RUNTIME, has_executed=False
    )
    source = ProcessSource(tmp_path, dict)
    assert source.read().conmons == ()
    for name, text in (("comm", "conmon\n"), ("cmdline", conmon_line(CONTAINER_ID, "web"))):
        (fork / name).write_text(text)
    (fork / "exe").unlink()
    (fork / "exe").symlink_to("/usr/bin/conmon")
    assert [found.name for found in source.read().conmons] == ["web"]


@pytest.mark.parametrize(("age_seconds", "has_executed"), [(3600, False), (0, True)], ids=["old", "executed"])
def test_what_stays_what_it_is_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_seconds: int, *, has_executed: bool
) -> None:
    start = now_ticks() - age_seconds * os.sysconf("SC_CLK_TCK")
    add_process(tmp_path, 7, start_ticks=start, comm="worker", cgroup=RUNTIME, has_executed=has_executed)
    source = ProcessSource(tmp_path, dict)
    source.read()
    monkeypatch.setattr(ProcessDirectory, "text", lambda *_: pytest.fail("it was asked again"))
    source.read()


def test_a_process_is_asked_once_in_its_life_and_forgotten_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conmon(tmp_path, 5, conmon_line(CONTAINER_ID, "web"))
    add_process(tmp_path, 7, cgroup=RUNTIME)
    asked: list[str] = []
    text = ProcessDirectory.text

    def counting(self: ProcessDirectory, name: str) -> bytes:
        asked.append(name)
        return text(self, name)

    monkeypatch.setattr(ProcessDirectory, "text", counting)
    source = ProcessSource(tmp_path, dict)
    first = source.read().conmons
    assert sorted(asked) == ["cgroup", "cmdline", "comm", "comm", "stat"]
    asked.clear()
    assert source.read().conmons == first
    assert asked == []
    shutil.move(tmp_path / "5", tmp_path / "old-life")  # keeps the inode taken
    assert source.read().conmons == ()
    conmon(tmp_path, 5, conmon_line(OTHER_ID, "db"))
    assert [found.name for found in source.read().conmons] == ["db"]
    assert len(source._conmons._seen) == 2


def test_what_could_not_be_asked_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conmon(tmp_path, 5, conmon_line(CONTAINER_ID, "web"))
    source = ProcessSource(tmp_path, dict)
    with monkeypatch.context() as patch:
        raising(patch, "cmdline", errno.EACCES)
        assert source.read().conmons == ()
    assert [found.name for found in source.read().conmons] == ["web"]


def test_no_proc_is_not_here_and_members_that_fail_fail_the_reading(tmp_path: Path) -> None:
    def members() -> dict[str, tuple[int, ...]]:
        raise Unreadable("no cgroups")

    with pytest.raises(NotHere, match="mount proc"):
        ProcessSource(tmp_path / "none", dict).read()
    with pytest.raises(Unreadable, match="no cgroups"):
        ProcessSource(tmp_path, members).read()


def test_no_file_stays_open(tmp_path: Path) -> None:
    add_process(tmp_path, 7)
    conmon(tmp_path, 5, conmon_line(CONTAINER_ID, "web"))
    before = open_files()
    read(tmp_path, 6, 7)
    assert not open_files() - before
