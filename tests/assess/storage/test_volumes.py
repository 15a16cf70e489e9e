from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.assess.storage.volumes import AskedSources, MountedSources, VolumeHolder, holder_of, volumes_of
from exporter.facts.container import Container, DeclaredMount
from exporter.facts.process import ContainerProcesses, MountPoint, Process, ProcessTable
from exporter.facts.reading import Absent
from exporter.facts.snapshot import Snapshot
from exporter.report.container import ContainerReport, LabelKind, VolumeReport
from exporter.report.findings import Verdict
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CONTAINER, DATA, ID, PROCESS, PROCESSES, ROOT, VOLUME
from tests.assess.snapshots import SNAPSHOT, answered, silent


def mount(point: str, filesystem: str = "ext4", root: str = "/x", device: str = "8:1") -> MountPoint:
    return MountPoint(point, root, ("rw",), filesystem, "/dev/sda1", device, mount_id=3)


def with_mounts(*mounts: MountPoint) -> ContainerProcesses:
    return replace(PROCESSES, mounts=mounts)


def holder(
    name: str, *mounts: MountPoint, pod: str = "", label: str = "", asked: tuple[DeclaredMount, ...] = ()
) -> VolumeHolder:
    processes = replace(with_mounts(*mounts), container_id=name, processes=(replace(PROCESS, security_label=label),))
    container = Container(name, name, "", "i", "i", "running", pod=pod, mounts=asked)
    return holder_of(name, container, processes)


def test_what_was_asked_for_is_a_volume_whatever_its_file_system_and_comes_first() -> None:
    asked = replace(CONTAINER, mounts=(DeclaredMount("/run/app.sock", "/zz/app.sock", "bind", writable=True),))
    socket = mount("/zz/app.sock", "tmpfs")
    assert volumes_of(asked, with_mounts(ROOT, mount("/nested"), socket)) == (socket, mount("/nested"))


@pytest.mark.parametrize(
    "made",
    [
        mount("/", "overlay"),
        mount("/proc", "proc"),
        mount("/tmp", "tmpfs"),
        mount("/dev/shm", "tmpfs"),
        mount("/etc/hosts"),
        mount("/etc/resolv.conf", "tmpfs"),
        mount("/run/.containerenv"),
        mount("/run/notify"),
        mount("/run/secrets/key"),
        mount("/proc/kcore", "devtmpfs"),
    ],
)
def test_what_engine_and_kernel_make_is_no_volume(made: MountPoint) -> None:
    assert volumes_of(None, with_mounts(made)) == ()


def test_a_tmpfs_that_was_asked_for_is_no_volume() -> None:
    asked = replace(CONTAINER, mounts=(DeclaredMount("", "/cache", "tmpfs", writable=True),))
    assert volumes_of(asked, with_mounts(mount("/cache", "tmpfs"))) == ()


def test_of_mounts_at_one_point_the_last_is_what_processes_see() -> None:
    assert volumes_of(None, with_mounts(mount("/data", root="/old"), DATA)) == (DATA,)


def test_who_else_has_a_source_is_known_by_device_and_part() -> None:
    a, b, part = (
        holder("a", DATA),
        holder("b", replace(DATA, mount_point="/elsewhere")),
        holder("c", replace(DATA, root="/part")),
    )
    sources = MountedSources((a, b, part))
    (of_a,), (of_part,) = sources.volumes(a, {}) or (), sources.volumes(part, {}) or ()
    assert [one.name for one in of_a.sharers] == ["b"]
    assert of_part.sharers == ()
    assert of_a.writers == ("b", "c")
    assert of_part.writers == ("a", "b")


def test_a_reader_is_a_sharer_and_no_writer() -> None:
    a, b = holder("a", DATA), holder("b", replace(DATA, options=("ro",)))
    (of_a,) = MountedSources((a, b)).volumes(a, {}) or ()
    assert ([one.writable for one in of_a.sharers], of_a.writers) == ([False], ())


def test_the_containers_of_one_pod_do_not_share_with_each_other() -> None:
    wish = DeclaredMount("/data", "/data", "bind", writable=True)
    a, b, other = (
        holder("a", DATA, pod="stack", asked=(wish,)),
        holder("b", DATA, pod="stack", asked=(wish,)),
        holder("c", DATA, asked=(wish,)),
    )
    (of_a,) = MountedSources((a, b, other)).volumes(a, {}) or ()
    assert [one.name for one in of_a.sharers] == ["c"]
    assert [one.name for one in AskedSources((a, b, other)).of_others(a)["/data"]] == ["c"]


def test_a_volume_s_name_is_its_user_s_and_a_path_is_the_host_s() -> None:
    def of(user: str, source: str) -> VolumeHolder:
        wish = DeclaredMount(source, "/data", "bind", writable=True)
        return holder_of(f"{user}/{source}", Container("i", source, user, "i", "i", "running", mounts=(wish,)), None)

    asked = AskedSources((of("alice", "data"), of("bob", "data"), of("alice", "/srv/x/"), of("bob", "/srv/x")))
    assert asked.of_others(of("alice", "data")) == {"data": ()}
    assert [one.name for one in asked.of_others(of("alice", "/srv/x/"))["/srv/x/"]] == ["bob//srv/x"]


def test_a_volume_without_a_name_is_nobody_else_s() -> None:
    wish = DeclaredMount("", "/data", "volume", writable=True)
    assert AskedSources((holder("a", asked=(wish,)), holder("b", asked=(wish,)))).of_others(holder("a")) == {}


def test_figures_of_a_mount_that_was_there_before_are_not_those_of_the_one_that_is_there_now() -> None:
    facts = {(ID, "/data"): VOLUME}
    for number, known in ((1127, True), (1128, False)):
        one = holder_of("objects02", CONTAINER, with_mounts(replace(DATA, mount_id=number)))
        (volume,) = MountedSources((one,)).volumes(one, facts) or ()
        assert (volume.facts is not None) is known


def test_unreadable_mounts_are_not_no_volumes() -> None:
    unread = holder_of("objects02", CONTAINER, with_mounts())
    assert MountedSources((unread,)).volumes(unread, {}) is None
    assert MountedSources(()).volumes(holder_of("objects02", CONTAINER, None), {}) is None


def of_report(snapshot: Snapshot) -> ContainerReport:
    return assess(snapshot, Thresholds(), Build()).containers[0]


def judged(snapshot: Snapshot, check: str) -> Verdict:
    return {one.check: one.outcome.verdict for one in of_report(snapshot).findings}[check]


def test_a_report_shows_figures_and_kind_of_each_volume_and_the_label_in_force() -> None:
    report = of_report(SNAPSHOT)
    assert report.volumes == (VolumeReport("/data", "zfs", 1000, 700, 300, LabelKind.PRIVATE),)
    assert report.selinux == ("container_t", "s0:c229,c276")
    unlabelled = replace(PROCESSES, processes=(replace(PROCESS, security_label="unconfined"),))
    assert of_report(replace(SNAPSHOT, process=answered(ProcessTable((unlabelled,), ())))).selinux is None


def test_what_volumes_said_last_is_shown_and_decides_nothing() -> None:
    snapshot = replace(SNAPSHOT, volume=silent(answered((VOLUME,))))
    assert of_report(snapshot).volumes[0].used_bytes == 700
    assert judged(snapshot, "volumes_labelled_private") is Verdict.UNKNOWN
    assert judged(replace(SNAPSHOT, volume=Absent("no volumes here")), "volumes_labelled_private") is Verdict.UNKNOWN


def test_datasets_that_zfs_told_last_decide_nothing() -> None:
    snapshot = replace(SNAPSHOT, zfs=silent(), zfs_mounted=silent())
    assert judged(snapshot, "dataset_quota") is Verdict.UNKNOWN


def crowded(count: int) -> Snapshot:
    """Containers that all mount one source."""
    containers, processes = [], []
    for number in range(count):
        identity = f"{number:064x}"
        containers.append(replace(CONTAINER, id=identity, name=f"c{number}"))
        first: Process = replace(PROCESS, pid=number + 10)
        processes.append(ContainerProcesses(identity, (first,), (ROOT, DATA)))
    return replace(SNAPSHOT, podman=answered(tuple(containers)), process=answered(ProcessTable(tuple(processes), ())))


def test_a_source_that_everybody_shares_costs_each_container_the_same() -> None:
    def calls(count: int) -> int:
        """How many calls of Python's functions: of time, the machine has a say."""
        snapshot, made = crowded(count), 0

        def see(_: object, event: str, __: object) -> None:
            nonlocal made
            made += event == "call"

        before = sys.getprofile()
        sys.setprofile(see)
        try:
            assess(snapshot, Thresholds(), Build())
        finally:
            sys.setprofile(before)
        return made

    calls(10)  # what is kept for the next time is made here
    assert calls(400) < 4.2 * calls(100)
