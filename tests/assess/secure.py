"""One container behind every wall. Tests break one wall at a time with `replace`."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.subject import ContainerSubject
from exporter.assess.storage.volumes import MountedVolume
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, MemoryEvents, PayloadUse
from exporter.facts.container import (
    MASKED_PATHS,
    READ_ONLY_PATHS,
    Container,
    ContainerNetwork,
    DeclaredLimits,
    DeclaredMount,
    DeclaredSecurity,
    IdRange,
)
from exporter.facts.host import Host, SubIds
from exporter.facts.process import ContainerProcesses, MountPoint, Process
from exporter.facts.storage import Dataset
from exporter.facts.unit import Quadlet, Unit
from exporter.facts.volume import Volume
from exporter.report.findings import Outcome, Verdict

ID = "97c719b8ea55" + "0" * 52
LABEL = "system_u:system_r:container_t:s0:c229,c276"
STORAGE = "/var/lib/containers/storage"
ROOT = MountPoint("/", "/", ("ro", "relatime"), "overlay", "overlay", "0:51", (f"{STORAGE}/overlay/l/CNKIOVW6",))
DATA = MountPoint(
    "/data", "/", ("rw", "nosuid", "nodev", "relatime"), "zfs", "tank/containers/objects02", "0:61", mount_id=1127
)
# What podman mounts by itself.
NULL = MountPoint("/dev/null", "/null", ("rw", "nosuid", "noexec"), "devtmpfs", "udev", "0:6")
HOSTS = MountPoint(
    "/etc/hosts", f"/containers/storage/overlay-containers/{ID}/userdata/hosts", ("ro",), "tmpfs", "tmpfs", "0:25"
)
PROC = MountPoint("/proc", "/", ("rw", "nosuid"), "proc", "proc", "0:107")
SYS = MountPoint("/sys", "/", ("ro", "nosuid"), "sysfs", "sysfs", "0:21")
MASKED = tuple(
    replace(NULL, mount_point=path, options=("ro", "nosuid")) for path in ("/proc/kcore", "/proc/keys", "/sys/firmware")
)
READ_ONLY = tuple(
    replace(PROC, mount_point=path, root=path.removeprefix("/proc"), options=("ro", "nosuid"))
    for path in ("/proc/bus", "/proc/sys")
)
HOST_MOUNTS = (
    MountPoint("/", "/", ("rw", "relatime"), "ext4", "/dev/vda1", "254:1"),
    MountPoint("/dev", "/", ("rw", "nosuid"), "devtmpfs", "udev", "0:6"),
    MountPoint("/run", "/", ("rw", "nosuid"), "tmpfs", "tmpfs", "0:25"),
    MountPoint("/sys", "/", ("rw", "nosuid"), "sysfs", "sysfs", "0:21"),
    MountPoint("/data/containers/objects02", "/", ("rw",), "zfs", "tank/containers/objects02", "0:61"),
)
_KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
HOST_NAMESPACES = tuple((kind, 4026531800 + number) for number, kind in enumerate(_KINDS))
NAMESPACES = tuple((kind, 4026532400 + number) for number, kind in enumerate(_KINDS))

PROCESS = Process(
    pid=4001,
    start_ticks=99,
    comm="objects",
    inheritable_capabilities=0,
    permitted_capabilities=0,
    effective_capabilities=0,
    bounding_capabilities=0,
    ambient_capabilities=0,
    no_new_privileges=True,
    seccomp_mode=2,
    uid_map=(IdRange(0, 2147487743, 1024),),
    gid_map=(IdRange(0, 2147487743, 1024),),
    security_label=LABEL,
    namespaces=NAMESPACES,
)
WORKER = replace(PROCESS, pid=4002, comm="worker")

CONTAINER = Container(
    id=ID,
    name="objects02",
    user="",
    image="registry.example.org/objects@sha256:" + "a" * 64,
    image_id="1" * 64,
    state="running",
    pid=4001,
    unit="objects02.service",
    network_mode="bridge",
    restart_policy="no",
    restarts=0,
    storage_path=f"{STORAGE}/overlay-containers/{ID}/userdata",
    networks=(ContainerNetwork("lan", "macvlan", "lan0", ("10.10.0.2",), "02:00:00:00:00:02"),),
    mounts=(
        DeclaredMount(
            "/data/containers/objects02", "/data", "bind", writable=True, flags=("rw", "Z", "nosuid", "nodev")
        ),
    ),
    limits=DeclaredLimits(memory_bytes=512_000_000, memory_swap_bytes=1_024_000_000, cpu_cores=4.0, pids=200),
    security=DeclaredSecurity(
        read_only_rootfs=True,
        auto_remove=True,
        privileged=False,
        bounding_capabilities=(),
        no_new_privileges=True,
        seccomp="default",
        selinux_process_label=LABEL,
        userns_mode="private",
        userns_auto=True,
        uid_map=(IdRange(0, 2147487743, 1024),),
        gid_map=(IdRange(0, 2147487743, 1024),),
        masked_paths=MASKED_PATHS,
        read_only_paths=READ_ONLY_PATHS,
    ),
)

_SLICE = "/services.slice/services-objects02.slice"
PAYLOAD_LEVEL = CgroupLevel(
    path=f"{_SLICE}/objects02.service/libpod-payload-{ID}",
    inode=30,
    level=Level.PAYLOAD,
    memory_current_bytes=420_000_000,
    memory_inactive_file_bytes=14_000_000,
    memory_max_bytes=511_997_952,
    memory_high_bytes=None,
    memory_swap_max_bytes=511_997_952,
    cpu_max_cores=4.0,
    pids_max=200,
    memory_events=MemoryEvents(),
    controllers=("cpuset", "cpu", "io", "memory", "pids"),
)
SERVICE_LEVEL = replace(
    PAYLOAD_LEVEL,
    path=f"{_SLICE}/objects02.service",
    inode=20,
    level=Level.SERVICE,
    memory_current_bytes=424_000_000,
    memory_high_bytes=511_997_952,
    memory_swap_max_bytes=None,
    pids_max=220,
)
SLICE_LEVEL = replace(
    SERVICE_LEVEL,
    path=_SLICE,
    inode=10,
    level=Level.SLICE,
    memory_max_bytes=None,
    memory_high_bytes=None,
    cpu_max_cores=None,
    pids_max=None,
)
ANCESTOR_LEVEL = replace(SLICE_LEVEL, path="/services.slice", inode=5, level=Level.ANCESTOR)

CGROUPS = ContainerCgroups(
    container_id=ID,
    owner_uid=0,
    use=PayloadUse(memory_peak_bytes=440_000_000),
    levels=(PAYLOAD_LEVEL, SERVICE_LEVEL, SLICE_LEVEL, ANCESTOR_LEVEL),
)
PROCESSES = ContainerProcesses(ID, (PROCESS, WORKER), (ROOT, PROC, SYS, NULL, HOSTS, DATA, *MASKED, *READ_ONLY))
UNIT = Unit(
    name="objects02.service",
    load_state="loaded",
    active_state="active",
    sub_state="running",
    slice="services-objects02.slice",
    restarts=0,
    restart_policy="on-failure",
    restart_delay_seconds=10.0,
    memory_accounting=True,
    cpu_accounting=True,
    memory_max_bytes=512_000_000,
    memory_high_bytes=512_000_000,
    cpu_quota_cores=4.0,
    tasks_max=220,
)
SLICE = Unit("services-objects02.slice", "loaded", "active", "active")
HOST = Host(
    hostname="ship",
    boot_id="b" * 32,
    kernel="6.12.0",
    memory_total_bytes=8_000_000_000,
    oom_kills=0,
    selinux_mode="enforcing",
    apparmor_enabled=False,
    cgroup_version=2,
    subuids=(SubIds("containers", 2147483647, 2147483647),),
    subgids=(SubIds("containers", 2147483647, 2147483647),),
    account_uids=(("root", 0), ("alice", 1000)),
    swap_total_bytes=1_000_000_000,
    read_only_paths=("/proc/bus", "/proc/sys"),
    permissive_types=(),
    cpus=16,
    tasks_max=63_000,
    maskable_paths=("/proc/kcore", "/proc/keys", "/sys/firmware"),
)
QUADLET = Quadlet("objects02.service", "objects02", "/etc/containers/systemd/objects02.container", wanted=True)
VOLUME = Volume(
    container_id=ID,
    destination="/data",
    mount_id=1127,
    filesystem="zfs",
    size_bytes=1000,
    used_bytes=700,
    available_bytes=300,
    security_label="system_u:object_r:container_file_t:s0:c229,c276",
)
MOUNTED = MountedVolume(DATA, CONTAINER.mounts[0], VOLUME)
DATASET = Dataset(
    name="tank/containers/objects02",
    kind="filesystem",
    mountpoint="/data/containers/objects02",
    used_bytes=800,
    available_bytes=200,
    referenced_bytes=700,
    quota_bytes=1000,
)
SECURE = ContainerSubject(
    name="objects02",
    user="",
    container=CONTAINER,
    processes=PROCESSES,
    cgroups=CGROUPS,
    unit=UNIT,
    host=HOST,
    slice_unit=SLICE,
    host_namespaces=HOST_NAMESPACES,
    host_mounts={mount.device: (mount,) for mount in HOST_MOUNTS},
    quadlets=(QUADLET,),
    volumes=(MOUNTED,),
    datasets={DATASET.name: DATASET},
)
SECURE_BY_APPARMOR = replace(
    SECURE,
    container=replace(
        CONTAINER,
        security=replace(CONTAINER.security, apparmor_profile="containers-default-0.62.1", selinux_process_label=""),
    ),
    processes=replace(
        PROCESSES,
        processes=tuple(
            replace(one, security_label="containers-default-0.62.1 (enforce)") for one in (PROCESS, WORKER)
        ),
    ),
    host=replace(HOST, selinux_mode=None, apparmor_enabled=True),
)
# No source answers: nothing can be judged.
IN_THE_DARK = ContainerSubject("objects02", "", None, None, None, None, None)


def with_process(**changes: object) -> ContainerSubject:
    """The secure container whose second process differs."""
    worker = replace(WORKER, **changes)  # type: ignore[arg-type]  # the tests name real fields
    return replace(SECURE, processes=replace(PROCESSES, processes=(PROCESS, worker)))


def with_every_process(**changes: object) -> ContainerSubject:
    """The secure container all of whose processes differ."""
    first, second = (replace(one, **changes) for one in (PROCESS, WORKER))  # type: ignore[arg-type]  # as above
    return replace(SECURE, processes=replace(PROCESSES, processes=(first, second)))


def with_declared(**changes: object) -> ContainerSubject:
    """The secure container for which podman was asked otherwise."""
    security = replace(CONTAINER.security, **changes)  # type: ignore[arg-type]  # as above
    return replace(SECURE, container=replace(CONTAINER, security=security))


def with_container(**changes: object) -> ContainerSubject:
    """The secure container of which podman says something else."""
    return replace(SECURE, container=replace(CONTAINER, **changes))  # type: ignore[arg-type]  # as above


def with_mount(mount: MountPoint, *, without: str = "") -> ContainerSubject:
    """The secure container with one more mount, and with `without` with one less."""
    mounts = tuple(one for one in PROCESSES.mounts if one.mount_point != without)
    return replace(SECURE, processes=replace(PROCESSES, mounts=(*mounts, mount)))


def with_volume(**changes: object) -> ContainerSubject:
    """The secure container whose volume differs."""
    return replace(SECURE, volumes=(replace(MOUNTED, **changes),))  # type: ignore[arg-type]  # as above


def with_volume_mount(**changes: object) -> ContainerSubject:
    """The secure container whose volume is mounted otherwise."""
    return with_volume(mount=replace(DATA, **changes))  # type: ignore[arg-type]  # as above


def with_volume_asked(*flags: str, source: str = "/data/containers/objects02") -> ContainerSubject:
    """The secure container whose volume was asked for with other options, or from another place."""
    mount = replace(CONTAINER.mounts[0], flags=flags, source=source)
    container = replace(CONTAINER, mounts=(mount,))
    return replace(SECURE, container=container, volumes=(replace(MOUNTED, asked=mount),))


def with_level(level: Level, **changes: object) -> ContainerSubject:
    """The secure container one level of whose cgroups differs."""
    levels = tuple(
        replace(one, **changes) if one.level is level else one  # type: ignore[arg-type]  # as above
        for one in CGROUPS.levels
    )
    return replace(SECURE, cgroups=replace(CGROUPS, levels=levels))


def verdict(check: ContainerCheck, subject: ContainerSubject) -> Verdict:
    """What the check says, without its words."""
    return check.examine(subject).verdict


def passes(check: ContainerCheck, subject: ContainerSubject = SECURE) -> bool:
    """Whether the check passes without drift."""
    outcome: Outcome = check.examine(subject)
    return outcome.verdict is Verdict.PASS and not outcome.drift


def fails(check: ContainerCheck, subject: ContainerSubject, *, drift: bool = False) -> bool:
    """Whether the check fails, with or without drift as said."""
    outcome: Outcome = check.examine(subject)
    return outcome.verdict is Verdict.FAIL and outcome.drift is drift
