"""Reports made by hand: one rich host with a container of every kind, and pieces for more."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.limits.resources import limits_in_force
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, MemoryEvents, PayloadUse, Pressure
from exporter.facts.container import Container, ContainerNetwork
from exporter.facts.counts import EXIT_REASONS, OOM_LIMITS, Counts, Totals
from exporter.facts.host import Host
from exporter.facts.network import Interface
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.storage import Dataset, DatasetIo, DeviceErrors, Pool, PoolStatus
from exporter.facts.unit import Unit
from exporter.report.container import (
    ContainerReport,
    Drift,
    LabelKind,
    LimitDeclared,
    LimitDrift,
    LimitSource,
    MemoryJudgement,
    MountedDataset,
    VolumeReport,
)
from exporter.report.findings import Verdict, WaiverReport, WaiverState
from exporter.report.host import IdUse, NetworkReport, PoolUse, Report
from exporter.report.notifications import DeliveryCount, LatencyHistogram, Notifications
from exporter.report.thresholds import Thresholds
from tests.present.agents import AGENT, COLLECTORS, NOW_SECONDS
from tests.present.checks import CAPABILITIES, CLOCK, DMESG, LOCKDOWN, PTRACE, READ_ONLY, ROOTFUL, SELINUX, finding

MIB = 1024 * 1024
GIB = 1024 * MIB


def levels(name: str, *, limit_bytes: int = 512_000_000, oom_kills: int = 0) -> tuple[CgroupLevel, ...]:
    """The cgroups of a quadlet with limits at service and payload."""
    events = MemoryEvents(high=40 + oom_kills, max=12 * oom_kills, oom=oom_kills, oom_kill=oom_kills)
    service = f"/services.slice/services-{name}.slice/{name}.service"
    return (
        CgroupLevel(
            f"{service}/libpod-payload-{'a' * 64}",
            101,
            Level.PAYLOAD,
            memory_max_bytes=limit_bytes,
            cpu_max_cores=4.0,
            pids_max=2048,
            memory_events=MemoryEvents(high=40),
        ),
        CgroupLevel(
            service,
            100,
            Level.SERVICE,
            memory_max_bytes=limit_bytes,
            memory_high_bytes=limit_bytes,
            memory_swap_max_bytes=0,
            cpu_max_cores=4.0,
            memory_events=events,
        ),
        CgroupLevel(f"/services.slice/services-{name}.slice", 99, Level.SLICE, memory_events=events),
        CgroupLevel("/services.slice", 50, Level.ANCESTOR, memory_max_bytes=8 * GIB),
    )


USE = PayloadUse(
    memory_unreclaimable_bytes=380_000_000,
    memory_peak_bytes=431_000_000,
    memory_swap_bytes=0,
    cpu_pressure=Pressure(12.5, 0.25),
    memory_pressure=Pressure(1.25, 1.0),
    io_pressure=Pressure(3.0, 2.75),
    cpu_user_seconds=812.5,
    cpu_system_seconds=90.25,
    cpu_throttled_seconds=1.5,
    cpu_periods=91_000,
    cpu_throttled_periods=17,
    pids=23,
    io_read_bytes=48 * MIB,
    io_written_bytes=512 * MIB,
)


def container(name: str = "objects02", **changes: object) -> ContainerReport:
    """A container, healthy and hardened, or with changes."""
    whole = ContainerReport(
        name=name,
        state="running",
        container=Container(
            id="97c719b8ea55" + "0" * 52,
            name=name.rpartition("/")[2],
            user=name.partition("/")[0] if "/" in name else "",
            image="quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
            image_id="14cea493d9a3" + "0" * 52,
            state="running",
            health="healthy",
            pid=4242,
            started_at_seconds=NOW_SECONDS - 86_400,
            unit=f"{name}.service",
            network_mode="lan",
        ),
        cgroups=ContainerCgroups("97c719b8ea55" + "0" * 52, 0, USE, levels(name)),
        unit=Unit(f"{name}.service", "loaded", "active", "running"),
        id="97c719b8ea55" + "0" * 52,
        slice=f"services-{name}.slice",
        memory=MemoryJudgement(
            usage_bytes=430_000_000,
            working_set_bytes=406_000_000,
            limit_bytes=512_000_000,
            limit_level=Level.SERVICE,
            high_bytes=512_000_000,
            ratio=0.793,
            ratio_level=Level.PAYLOAD,
            recommended_limit_bytes=538_750_000,
        ),
        oom_kills=0,
        memory_events=MemoryEvents(high=40),
        restarts=0,
        datasets=(MountedDataset(f"tank/containers/{name}", "/data", writable=True),),
        volumes=(VolumeReport("/data", "zfs", 40 * GIB, 12 * GIB, 28 * GIB, LabelKind.PRIVATE),),
        selinux=("container_t", "s0:c229,c276"),
        findings=(
            finding(READ_ONLY, Verdict.PASS, "read-only"),
            finding(CAPABILITIES, Verdict.PASS, "no capabilities"),
            finding(SELINUX, Verdict.PASS, "container_t"),
            finding(ROOTFUL, Verdict.PASS, "root's"),
        ),
        limits_declared=(
            LimitDeclared("memory_bytes", LimitSource.PODMAN, 512_000_000),
            LimitDeclared("memory_bytes", LimitSource.UNIT, 512_000_000),
        ),
        limit_drifts=tuple(LimitDrift("memory_bytes", kind, holds=False) for kind in Drift),
        networks=(ContainerNetwork("lan", "macvlan", "lan0", ("10.99.0.10", "fd00:99::10"), "02:00:00:00:00:0a"),),
        interfaces=(Interface("eth0", 48_000_000, 52_000, 1, 7, 9_000_000, 31_000, 0, 2),),
    )
    whole = replace(whole, **changes)  # type: ignore[arg-type]
    return replace(whole, limits_in_force=limits_in_force(whole.cgroups))


def dataset(name: str, used_bytes: int = 38 * GIB, **changes: object) -> Dataset:
    """A dataset with a quota of 40 GiB, or with changes."""
    whole = Dataset(
        name=name,
        kind="filesystem",
        mountpoint="/" + name,
        used_bytes=used_bytes,
        available_bytes=40 * GIB - used_bytes,
        referenced_bytes=used_bytes,
        used_by_snapshots_bytes=0,
        used_by_dataset_bytes=used_bytes,
        used_by_children_bytes=0,
        logical_used_bytes=used_bytes * 2,
        written_bytes=1 * GIB,
        quota_bytes=40 * GIB,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


HOST = Host(
    hostname="lab.example.org",
    boot_id="0b7a2c4e-1f7e-4d9e-8f63-8d7e0b6d7f10",
    kernel="6.12.117-amd64",
    memory_total_bytes=16 * GIB,
    oom_kills=9,
    selinux_mode="permissive",
    apparmor_enabled=False,
    cgroup_version=2,
)
FAILING = (
    finding(READ_ONLY, Verdict.FAIL, "root file system is writable", "/ is rw in mountinfo of pid 811", drift=True),
    finding(CAPABILITIES, Verdict.FAIL, "capabilities in force", "pid 811 (httpd): CAP_CHOWN, CAP_NET_RAW"),
    finding(SELINUX, Verdict.UNKNOWN, "label not readable", "/proc/811/attr/current: permission denied"),
    finding(ROOTFUL, Verdict.NOT_APPLICABLE, "no user namespace"),
)
_SMALL_LIMIT = MemoryJudgement(
    usage_bytes=127 * MIB,
    working_set_bytes=126 * MIB,
    limit_bytes=128 * MIB,
    limit_level=Level.SLICE,
    ratio=0.984375,
    ratio_level=Level.SLICE,
)


def counts(name: str, **changes: object) -> Counts:
    """What the ledger has counted of a container that nothing happened to, or with changes."""
    calm = Counts(
        name,
        oom_kills_by_limit=tuple(dict.fromkeys(OOM_LIMITS, 0).items()),
        starts=1,
        exits=tuple(dict.fromkeys(EXIT_REASONS, 0).items()),
    )
    return replace(calm, **changes)  # type: ignore[arg-type]


def rich_report(**changes: object) -> Report:
    """One host with a container of every kind, or with changes."""
    objects02 = container()
    told = counts(
        "bad-everything",
        oom_kills=4,
        oom_kills_by_limit=tuple((dict.fromkeys(OOM_LIMITS, 0) | {"slice": 3, "payload": 1}).items()),
        last_oom_kill_seconds=NOW_SECONDS - 90,
        restarts=11,
        recent_restarts_us=(1, 2, 3),
        starts=13,
        exits=tuple((dict.fromkeys(EXIT_REASONS, 0) | {"oom": 4, "error": 7, "stopped": 1}).items()),
        last_exit_code=137,
        last_exit_seconds=NOW_SECONDS - 88.5,
        avc_denials=6,
    )
    bad = container("bad-everything", findings=FAILING, memory=_SMALL_LIMIT, oom_kills=4, restarts=11)
    bad = replace(bad, counts=told, restart_loop=True)
    assert objects02.container is not None
    assert bad.container is not None
    whole = Report(
        taken_at_seconds=NOW_SECONDS,
        containers=(
            replace(
                bad,
                container=replace(bad.container, health="unhealthy", image='evil"image\nwith\\quotes:latest'),
                datasets=(
                    MountedDataset("tank/containers/bad-everything", "/data", writable=True),
                    MountedDataset("tank/shared", "/srv/<script>alert(1)</script>", writable=False),
                ),
                volumes=(
                    VolumeReport("/data", "zfs", 39 * GIB, 38 * GIB, 1 * GIB, LabelKind.FOREIGN),
                    VolumeReport("/srv/<script>alert(1)</script>", "fuse.odd", label=LabelKind.UNLABELLED),
                ),
            ),
            container(
                "alice/blog",
                container=None,
                unit=None,
                datasets=(),
                volumes=(VolumeReport("/home", "xfs", 9 * GIB, 8 * GIB, 1 * GIB),),
                selinux=None,
                findings=(),
                limits_declared=(),
                limit_drifts=(),
                networks=(),
                interfaces=(),
                oom_kills=1,
                restarts=None,
                memory=MemoryJudgement(usage_bytes=52 * MIB, working_set_bytes=48 * MIB),
            ),
            ContainerReport(
                "expected",
                "missing",
                unit=Unit("expected.service", "loaded", "failed", "failed", slice="services-expected.slice"),
                slice="services-expected.slice",
                restarts=5,
            ),
            replace(objects02, counts=counts("objects02"), restart_loop=False),
            replace(
                objects02,
                name="worker",
                state="exited",
                container=replace(objects02.container, name="worker", health="", state="exited", exit_code=1),
                cgroups=None,
                limits_in_force=(),
                networks=(),
                interfaces=(),
                memory=MemoryJudgement(),
                datasets=(),
                volumes=(),
                selinux=None,
                oom_kills=None,
                memory_events=None,
                restarts=2,
                findings=(
                    replace(
                        finding(READ_ONLY, Verdict.WAIVED, "root file system is writable"),
                        waiver="writes its cache there",
                        waiver_ends_at_seconds=NOW_SECONDS + 86_400,
                    ),
                ),
            ),
        ),
        collectors=COLLECTORS,
        datasets=(
            dataset(
                "tank/containers/bad-everything",
                refquota_bytes=39 * GIB,
                reservation_bytes=1 * GIB,
                refreservation_bytes=1 * GIB,
            ),
            dataset("tank/containers/objects02", used_bytes=12 * GIB),
            dataset("tank/shared", quota_bytes=None, available_bytes=400 * GIB),
        ),
        pools=(
            Pool(
                "tank",
                "degraded",
                480 * GIB,
                88 * GIB,
                392 * GIB,
                0.07,
                PoolStatus(DeviceErrors(3, 0, 7), 0, "scrub_finished", NOW_SECONDS - 86_400, 0),
            ),
            Pool("scratch", "online"),
        ),
        dataset_io=(DatasetIo("tank/containers/objects02", 1200, 3400, 5 * MIB, 7 * MIB),),
        host=HOST,
        id_use=(
            IdUse("uid", 2_147_483_647, 3072, 2_147_480_575, 2_097_148, 0),
            IdUse("gid", 65_536, 65_536, 0, 0, 2),
        ),
        networks=(
            NetworkReport("alice/pasta", "", None, 0),
            NetworkReport("lan", "lan0", parent_is_up=True, duplicates=1, pools=(PoolUse("10.99.0.0/24", 253, 2),)),
            NetworkReport("old", "lan1", parent_is_up=False, duplicates=0, pools=(PoolUse("10.98.0.0/29", 5, 5),)),
        ),
        gone=(counts("job-7f3a", oom_kills=1, restarts=2, starts=3),),
        totals=Totals(
            10**12,
            (),
            host_oom_kills=9,
            unattributed_oom_kills=1,
            forgotten_containers=2,
            writes=40,
            salvaged_seconds=1.8e9,
        ),
        checks=(ROOTFUL, READ_ONLY, CAPABILITIES, SELINUX, DMESG, CLOCK, PTRACE, LOCKDOWN),
        unmade_quadlets=(
            UnmadeQuadlet("/etc/containers/systemd/job.container", 4, "neither Image= nor Rootfs= is there.", "job"),
            UnmadeQuadlet("/etc/containers/systemd/<late>.container", 0, "quadlet made no unit of it.", ""),
        ),
        waivers=(
            WaiverReport("", "clock_*", "the hypervisor does", NOW_SECONDS + 86_400, WaiverState.ACTIVE),
            WaiverReport("old-<b>", "rootful", "gone & forgotten", None, WaiverState.UNMATCHED),
            WaiverReport("objects02", "rootful", "over", NOW_SECONDS - 1, WaiverState.EXPIRED),
        ),
        host_findings=(
            finding(DMESG, Verdict.FAIL, "anybody may read the kernel's log", "kernel.dmesg_restrict is 0"),
            replace(
                finding(CLOCK, Verdict.WAIVED, "nobody synchronises the clock"),
                waiver="the hypervisor does",
                waiver_ends_at_seconds=NOW_SECONDS + 86_400,
            ),
            finding(PTRACE, Verdict.PASS, "scoped"),
            finding(LOCKDOWN, Verdict.UNKNOWN, "lockdown not readable", "/sys/kernel/security/lockdown"),
        ),
        thresholds=Thresholds().as_pairs(),
        notifications=Notifications(
            (
                DeliveryCount("http://127.0.0.1:9093", "accepted", 12),
                DeliveryCount("http://127.0.0.1:9093", "failed", 1),
            ),
            queued=2,
            latency=LatencyHistogram(counts=(3, 4, 2, 1, 1, 0, 0, 0, 0, 0, 1), sum_seconds=412.5),
        ),
        agent=(AGENT,),
        product_version="0.1.0",
        revision="0123abc",
        python_version="3.13.5",
        is_web_exposed=True,
        has_podman=True if changes.get("is_example") else None,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def crowd(count: int) -> Report:
    """A host with this many full containers, each with a dataset."""
    names = [f"container{number:04d}" for number in range(count)]
    checks = tuple(replace(READ_ONLY, id=f"check_{number:02d}") for number in range(22))
    findings = tuple(finding(check, Verdict.PASS) for check in checks)
    return Report(
        taken_at_seconds=NOW_SECONDS,
        containers=tuple(container(name, findings=findings) for name in names),
        collectors=COLLECTORS,
        datasets=tuple(dataset(f"tank/containers/{name}") for name in names),
        host=HOST,
        checks=checks,
        thresholds=Thresholds().as_pairs(),
    )
