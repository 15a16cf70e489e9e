from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.checks.container.no_host_path_of_the_system import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.container import DeclaredMount
from exporter.facts.process import MountPoint
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    ID,
    IN_THE_DARK,
    NULL,
    PROCESSES,
    SECURE,
    SYS,
    fails,
    passes,
    verdict,
    with_container,
    with_declared,
    with_mount,
)

OWN = replace(PROCESSES, mounts=tuple(replace(one, device="0:108") if one == SYS else one for one in PROCESSES.mounts))
SILENT = replace(SECURE, container=None, processes=OWN)
"""podman does not answer, and all that the container sees of the kernel is its own."""
ETC = MountPoint("/host", "/etc", ("ro", "relatime"), "ext4", "/dev/vda1", "254:1")


def with_volume(source: str, destination: str = "/host", *, writable: bool = False) -> ContainerSubject:
    return with_container(mounts=(*CONTAINER.mounts, DeclaredMount(source, destination, "bind", writable)))


def test_what_podman_mounts_by_itself_passes() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize(
    "source",
    [
        *("/", "/etc", "/etc/", "/etc/ssh", "/usr", "/boot", "/proc", "/sys/kernel", "/dev", "/run", "/var/run/dbus"),
        *("/lib64", "/var", "/var/lib/containers", "/run/podman/podman.sock", "/srv/docker.sock", "/data/../etc"),
    ],
)
def test_a_path_of_the_system_that_was_asked_for_fails(source: str) -> None:
    assert CHECK.declared is not None
    subject = with_volume(source)
    assert CHECK.declared(subject).verdict is Verdict.FAIL
    there = with_mount(replace(ETC, device="254:9")).processes
    assert fails(CHECK, replace(subject, processes=there))


@pytest.mark.parametrize("source", ["/data", "/srv/etc", "/etcetera", "/home/alice/app", "named", "", "/var/lib/app"])
def test_any_other_path_passes(source: str) -> None:
    assert passes(CHECK, with_volume(source))


@pytest.mark.parametrize("source", ["/etc/localtime", "/usr/share/zoneinfo/Europe", "/etc/ssl/certs/ca.pem"])
def test_time_zones_and_certificates_pass_unless_they_can_be_written(source: str) -> None:
    assert CHECK.declared is not None
    assert CHECK.declared(with_volume(source)).verdict is Verdict.PASS
    assert CHECK.declared(with_volume(source, writable=True)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        (ETC, "/etc"),
        (replace(ETC, root="/"), "/"),
        (replace(ETC, root="/usr/bin"), "/usr/bin"),
        (MountPoint("/s", "/podman/podman.sock", ("rw",), "tmpfs", "tmpfs", "0:25"), "/run/podman/podman.sock"),
        (MountPoint("/host/sys", "/", ("ro",), "sysfs", "sysfs", "0:21"), "/sys"),
        (MountPoint("/host/dev", "/", ("rw",), "devtmpfs", "udev", "0:6"), "/dev"),
    ],
)
def test_a_path_of_the_system_that_is_mounted_fails_with_drift(mount: MountPoint, path: str) -> None:
    subject = with_mount(mount)
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == path


def test_a_path_is_found_below_the_mount_of_a_subvolume() -> None:
    root = MountPoint("/", "/root", ("rw",), "btrfs", "/dev/vda1", "0:33")
    inside = MountPoint("/host", "/root/etc", ("ro",), "btrfs", "/dev/vda1", "0:33")
    assert fails(CHECK, replace(with_mount(inside), host_mounts={"0:33": (root,)}), drift=True)
    beside = replace(inside, root="/rooted/etc")
    assert passes(CHECK, replace(with_mount(beside), host_mounts={"0:33": (root,)}))


def test_what_was_asked_for_and_is_not_seen_any_more_is_unknown_with_drift() -> None:
    asked = with_volume("/etc", "/nowhere")
    outcome = CHECK.examine(replace(asked, unseen_mounts=(DeclaredMount("/etc", "/nowhere", "bind", writable=False),)))
    assert (outcome.verdict, outcome.drift) == (Verdict.UNKNOWN, True)
    elsewhere = DeclaredMount("/srv/app", "/app", "bind", writable=True)
    assert passes(CHECK, replace(SECURE, unseen_mounts=(elsewhere,)))


@pytest.mark.parametrize(
    "mount",
    [
        MountPoint("/sys", "/", ("rw",), "sysfs", "sysfs", "0:21"),
        MountPoint("/proc", "/", ("rw",), "proc", "proc", "0:23"),
        MountPoint("/sys/fs/cgroup", "/", ("ro",), "cgroup2", "cgroup2", "0:27"),
        MountPoint("/sys/fs/cgroup", "/system.slice/dbus.service", ("ro",), "cgroup2", "cgroup2", "0:27"),
        MountPoint("/dev/shm", "/", ("rw",), "tmpfs", "tmpfs", "0:24"),
        MountPoint("/dev/fuse", "/fuse", ("rw",), "devtmpfs", "udev", "0:6"),
    ],
    ids=lambda mount: mount.root + mount.mount_point,
)
def test_what_is_the_hosts_and_may_be_podmans_own_is_unknown_while_podman_does_not_answer(mount: MountPoint) -> None:
    host = {
        **SECURE.host_mounts,
        "0:23": (MountPoint("/proc", "/", ("rw",), "proc", "proc", "0:23"),),
        "0:24": (MountPoint("/dev/shm", "/", ("rw",), "tmpfs", "tmpfs", "0:24"),),
        "0:27": (MountPoint("/sys/fs/cgroup", "/", ("rw",), "cgroup2", "cgroup2", "0:27"),),
    }
    silent = replace(SILENT, processes=replace(OWN, mounts=(*OWN.mounts, mount)), host_mounts=host)
    outcome = CHECK.examine(silent)
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "podman did not say")


def test_what_the_kernel_shows_to_be_the_containers_own_passes_while_podman_does_not_answer() -> None:
    assert passes(CHECK, SILENT)
    cgroup = MountPoint("/sys/fs/cgroup", f"/machine.slice/libpod-{ID}.scope/container", ("ro",), "cgroup2", "", "0:27")
    host = {**SECURE.host_mounts, "0:27": (replace(cgroup, root="/"),)}
    assert passes(CHECK, replace(SILENT, processes=replace(OWN, mounts=(*OWN.mounts, cgroup)), host_mounts=host))


OVERLAY = MountPoint("/host", "/", ("rw",), "overlay", "overlay", "0:77", ("/etc",), upper="/srv/upper")


def test_an_overlay_is_judged_by_the_directories_that_it_is_made_of() -> None:
    assert CHECK.examine(with_mount(OVERLAY)).detail == "/etc"
    assert fails(CHECK, with_mount(replace(OVERLAY, layers=("/srv/app", "/usr/lib"))), drift=True)
    assert fails(CHECK, with_mount(replace(OVERLAY, layers=("/srv/app",), upper="/etc/app")), drift=True)
    assert passes(CHECK, with_mount(replace(OVERLAY, layers=("/srv/app",))))


def test_an_overlay_of_fuse_shows_no_directories_and_is_unknown_but_for_the_root() -> None:
    fuse = replace(OVERLAY, filesystem="fuse.fuse-overlayfs", layers=(), upper="")
    assert verdict(CHECK, with_mount(fuse)) is Verdict.UNKNOWN
    assert passes(CHECK, with_mount(replace(fuse, mount_point="/"), without="/"))


def test_a_root_that_is_the_hosts_own_fails() -> None:
    assert fails(CHECK, with_mount(replace(ETC, mount_point="/", root="/"), without="/"), drift=True)
    assert fails(CHECK, with_mount(replace(OVERLAY, mount_point="/", layers=("/",)), without="/"), drift=True)


@pytest.mark.parametrize("layer", ["l/" + "A" * 26, "a" * 64 + "/diff", "a" * 64 + "/mapped/0"])
def test_a_layer_of_an_image_is_none_wherever_its_store_lies(layer: str) -> None:
    assert passes(CHECK, with_mount(replace(OVERLAY, layers=(f"/usr/lib/bootc/storage/overlay/{layer}",))))


def test_a_device_that_was_added_is_another_checks() -> None:
    fuse = replace(NULL, mount_point="/dev/fuse", root="/fuse")
    assert fails(CHECK, with_mount(fuse), drift=True)
    asked = with_declared(devices=("/dev/fuse",))
    assert passes(CHECK, replace(asked, processes=with_mount(fuse).processes))


def test_the_empty_directory_that_a_newer_crun_masks_with_is_no_path_of_the_system() -> None:
    mask = MountPoint("/sys/firmware", "/crun/.empty-directory", ("ro",), "tmpfs", "tmpfs", "0:25")
    assert passes(CHECK, with_mount(mask))
    assert fails(CHECK, with_mount(replace(mask, options=("rw",))), drift=True)
    assert fails(CHECK, with_mount(replace(mask, mount_point="/crun")), drift=True)


def test_init_and_the_policy_of_fips_are_podmans() -> None:
    init = replace(ETC, mount_point="/run/podman-init", root="/usr/libexec/podman/catatonit")
    assert passes(CHECK, with_mount(init))


def test_what_podman_takes_along_with_sys_for_a_pod_is_podmans_unless_it_was_asked_for() -> None:
    debug = MountPoint("/sys/kernel/debug", "/", ("rw",), "debugfs", "debugfs", "0:8")
    pod = replace(with_mount(debug), host_mounts={**SECURE.host_mounts, "0:8": (debug,)})
    assert passes(CHECK, pod)
    assert fails(CHECK, replace(pod, container=with_volume("/sys", "/sys").container))
    shm = MountPoint("/dev/shm", "/", ("rw",), "tmpfs", "tmpfs", "0:24")
    assert passes(CHECK, replace(with_mount(shm), host_mounts={**SECURE.host_mounts, "0:24": (shm,)}))
    elsewhere = with_mount(replace(debug, mount_point="/debug"))
    assert fails(CHECK, replace(elsewhere, host_mounts=pod.host_mounts), drift=True)


@given(root=st.text(), point=st.text(), source=st.text(), outside=st.text())
def test_no_path_at_all_breaks_it_and_what_is_told_is_bounded(root: str, point: str, source: str, outside: str) -> None:
    odd = MountPoint(point, root, (), "ext4", "", "9:9")
    mounts = {"9:9": (replace(odd, mount_point=outside, root="/"), replace(odd, root=root[:1]))}
    outcome = CHECK.examine(replace(with_mount(odd), container=with_volume(source).container, host_mounts=mounts))
    assert len(outcome.detail) <= 1100


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host_mounts={})) is Verdict.UNKNOWN
    assert CHECK.declared is not None
    assert CHECK.declared(with_container(inspected=False)).verdict is Verdict.UNKNOWN
