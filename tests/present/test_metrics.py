"""What the tables say of the rich host: one test for each promise of a help text."""

from __future__ import annotations

from dataclasses import replace

from exporter.facts.cgroup import MemoryEvents
from exporter.facts.storage import DeviceErrors, Pool, PoolStatus
from exporter.report.collectors import CollectorReport
from exporter.report.container import Drift, LimitDeclared, LimitDrift, LimitSource
from exporter.report.findings import Verdict
from exporter.report.host import IdUse
from tests.present.agents import NOW_SECONDS
from tests.present.checks import CAPABILITIES, READ_ONLY, finding
from tests.present.pages import samples, states, value
from tests.present.reports import GIB, HOST, container, rich_report

PAGE = samples(rich_report())


def test_a_state_is_one_of_all_states() -> None:
    assert states(PAGE, "container_state", "state", container="expected") == {
        "created": 0,
        "running": 0,
        "paused": 0,
        "stopping": 0,
        "exited": 0,
        "dead": 0,
        "missing": 1,
    }


def test_a_state_that_nobody_knows_is_absent() -> None:
    page = samples(rich_report(containers=(container(state=""),)))
    assert states(page, "container_state", "state", container="objects02") == {}


def test_a_container_is_starting_or_judged_or_neither() -> None:
    starting = container("web", findings=(), is_starting=True)
    page = samples(rich_report(containers=(starting, container("idle", findings=()), container("db"))))
    assert value(page, "container_starting", container="web") == 1
    assert value(page, "container_starting", container="db") == 0
    assert value(page, "container_starting", container="idle") is None
    assert value(page, "container_hardening_failed", container="web", severity="critical") is None


def test_health_is_there_only_with_a_health_check() -> None:
    assert states(PAGE, "container_health", "state", container="bad-everything")["unhealthy"] == 1
    assert states(PAGE, "container_health", "state", container="worker") == {}
    assert states(PAGE, "container_health", "state", container="alice/blog") == {}


def test_the_units_state_is_there_for_a_missing_container_too() -> None:
    assert states(PAGE, "container_unit_state", "state", container="expected")["failed"] == 1
    assert states(PAGE, "container_unit_state", "state", container="alice/blog") == {}


def test_info_names_the_user_also_where_that_users_podman_is_not_asked() -> None:
    users = states(PAGE, "container_info", "user")
    assert set(users) == {"root", "alice"}


def test_no_limit_is_no_sample() -> None:
    assert value(PAGE, "container_memory_usage_bytes", container="alice/blog") == 52 * 1024 * 1024
    for name in ("limit_bytes", "ratio", "high_bytes", "recommended_limit_bytes"):
        assert value(PAGE, f"container_memory_{name}", container="alice/blog") is None
    assert states(PAGE, "container_memory_limit_level", "level", container="alice/blog") == {}


def test_the_level_of_the_limit_is_a_state_set() -> None:
    assert states(PAGE, "container_memory_limit_level", "level", container="bad-everything") == {
        "payload": 0,
        "service": 0,
        "slice": 1,
        "ancestor": 0,
    }


def test_an_ended_container_has_no_figures_of_its_cgroup() -> None:
    assert value(PAGE, "container_memory_usage_bytes", container="worker") is None
    assert value(PAGE, "container_oom_kills_total", container="worker") is None
    assert value(PAGE, "container_pids", container="worker") is None
    assert value(PAGE, "container_restarts_total", container="worker") == 2


def test_memory_events_are_those_of_the_containers_own_outermost_cgroup() -> None:
    page = samples(rich_report(containers=(container(memory_events=MemoryEvents(high=5, max=3, oom=2)),)))
    assert states(page, "container_memory_events_total", "event", container="objects02") == {
        "high": 5,
        "max": 3,
        "oom": 2,
    }


def test_memory_events_are_those_of_the_outermost_own_cgroup() -> None:
    killed = container(memory_events=MemoryEvents(high=1, max=3, oom=2, oom_kill=2))
    page = samples(rich_report(containers=(killed,)))
    assert value(page, "container_memory_events_total", container="objects02", event="oom") == 2
    page = samples(rich_report(containers=(container(memory_events=None),)))
    assert value(page, "container_memory_events_total", container="objects02", event="oom") is None


def test_pressure_without_a_full_line_has_no_stalled_sample() -> None:
    one = container()
    assert one.cgroups is not None
    assert one.cgroups.use.cpu_pressure is not None
    use = replace(one.cgroups.use, cpu_pressure=replace(one.cgroups.use.cpu_pressure, full_seconds=None))
    page = samples(rich_report(containers=(replace(one, cgroups=replace(one.cgroups, use=use)),)))
    assert value(page, "container_pressure_cpu_waiting_seconds_total", container="objects02") == 12.5
    assert value(page, "container_pressure_cpu_stalled_seconds_total", container="objects02") is None


def test_a_limit_in_force_is_told_of_each_level_that_has_one() -> None:
    in_force = {
        (dict(labels)["resource"], dict(labels)["level"]): number
        for (name, labels), number in PAGE.items()
        if name == "bulkhead_container_limit_in_force" and ("container", "objects02") in labels
    }
    assert in_force == {
        ("memory_bytes", "payload"): 512_000_000,
        ("memory_bytes", "service"): 512_000_000,
        ("memory_bytes", "ancestor"): 8 * 1024**3,
        ("memory_high_bytes", "service"): 512_000_000,
        ("memory_swap_bytes", "service"): 0,
        ("cpu_cores", "payload"): 4,
        ("cpu_cores", "service"): 4,
        ("pids", "payload"): 2048,
    }


def test_a_limit_asked_for_is_told_of_each_source_and_drift_is_1_or_0_or_absent() -> None:
    page = samples(
        rich_report(
            containers=(
                container(
                    limits_declared=(
                        LimitDeclared("memory_bytes", LimitSource.PODMAN, 512e6),
                        LimitDeclared("memory_bytes", LimitSource.UNIT, 1e9),
                    ),
                    limit_drifts=(
                        LimitDrift("memory_bytes", Drift.NOT_APPLIED, holds=True),
                        LimitDrift("memory_bytes", Drift.SINGLE, holds=False),
                    ),
                ),
            )
        )
    )
    of_memory = {"container": "objects02", "resource": "memory_bytes"}
    assert states(page, "container_limit_declared", "source", **of_memory) == {"podman": 512e6, "unit": 1e9}
    assert states(page, "container_limit_drift", "kind", **of_memory) == {"not_applied": 1, "single": 0}


def test_the_quota_ratio_is_of_the_fuller_quota_and_absent_without_one() -> None:
    assert value(PAGE, "zfs_dataset_quota_ratio", dataset="tank/containers/bad-everything") == 38 / 39
    assert value(PAGE, "zfs_dataset_quota_ratio", dataset="tank/shared") is None
    assert value(PAGE, "zfs_dataset_fill_ratio", dataset="tank/shared") == 38 / 438


def test_a_pool_that_said_nothing_of_its_size_has_a_state_alone() -> None:
    assert states(PAGE, "zfs_pool_state", "state", pool="scratch")["online"] == 1
    assert value(PAGE, "zfs_pool_size_bytes", pool="scratch") is None
    assert value(PAGE, "zfs_pool_data_errors", pool="scratch") is None
    assert states(PAGE, "zfs_pool_scan_state", "state", pool="scratch") == {}


def test_a_pool_tells_what_its_last_scrub_came_to() -> None:
    scan = states(PAGE, "zfs_pool_scan_state", "state", pool="tank")
    assert [state for state, is_on in scan.items() if is_on] == ["scrub_finished"]
    assert states(PAGE, "zfs_pool_device_errors_total", "kind", pool="tank") == {"read": 3, "write": 0, "checksum": 7}
    running = Pool("tank", "online", status=PoolStatus(DeviceErrors(0, 0, 0), 0, "scrub_running"))
    page = samples(rich_report(pools=(running,)))
    assert value(page, "zfs_pool_last_scrub_timestamp_seconds", pool="tank") is None
    assert value(page, "zfs_pool_last_scrub_errors", pool="tank") is None


def test_a_mount_says_whether_the_container_may_write() -> None:
    modes = states(PAGE, "container_dataset_info", "mode", container="bad-everything")
    assert set(modes) == {"rw", "ro"}


def test_a_volume_has_its_figures_and_one_that_does_not_tell_has_none() -> None:
    assert states(PAGE, "container_volume_used_bytes", "destination", container="bad-everything") == {"/data": 38 * GIB}
    assert value(PAGE, "container_volume_size_bytes", container="alice/blog", destination="/home", fstype="xfs")
    assert states(PAGE, "container_volume_available_bytes", "fstype", container="objects02") == {"zfs": 28 * GIB}


def test_a_volume_has_one_kind_of_label_and_none_without_selinux() -> None:
    assert states(PAGE, "container_volume_label", "kind", container="bad-everything") == {"foreign": 1, "unlabelled": 1}
    assert states(PAGE, "container_volume_label", "kind", container="alice/blog") == {}
    assert states(PAGE, "container_selinux_info", "level", container="objects02") == {"s0:c229,c276": 1}
    assert states(PAGE, "container_selinux_info", "level", container="alice/blog") == {}


def test_unknown_is_never_a_verdict() -> None:
    assert states(PAGE, "container_hardening_check", "check", container="bad-everything") == {
        "read_only_rootfs": 0,
        "all_capabilities_dropped": 0,
    }
    unknown = states(PAGE, "container_hardening_unknown", "check", container="bad-everything")
    assert unknown == {"selinux_confined": 1}
    assert states(PAGE, "container_hardening_drift", "check", container="bad-everything") == {"read_only_rootfs": 1}


def test_failures_are_counted_by_severity_and_only_of_who_was_judged() -> None:
    assert states(PAGE, "container_hardening_failed", "severity", container="bad-everything") == {
        "critical": 1,
        "warning": 1,
        "info": 0,
    }
    assert set(states(PAGE, "container_hardening_failed", "severity", container="objects02").values()) == {0}
    assert states(PAGE, "container_hardening_failed", "severity", container="alice/blog") == {}


def test_the_hosts_own_checks_pass_or_fail_or_are_unknown() -> None:
    assert states(PAGE, "host_hardening_check", "check") == {"dmesg_restricted": 0, "ptrace_scoped": 1}
    assert states(PAGE, "host_hardening_unknown", "check") == {"kernel_lockdown": 1}
    assert "dmesg_restricted" in states(PAGE, "hardening_check_info", "check")


def test_a_waived_check_has_no_verdict_and_is_no_failure_and_tells_when_its_waiver_ends() -> None:
    waived = replace(
        finding(READ_ONLY, Verdict.WAIVED), waiver="its cache", waiver_ends_at_seconds=NOW_SECONDS + 86_400
    )
    page = samples(rich_report(containers=(container(findings=(waived, finding(CAPABILITIES, Verdict.FAIL))),)))
    own = {"container": "objects02"}
    assert states(page, "container_hardening_check", "check", **own) == {"all_capabilities_dropped": 0}
    assert states(page, "container_hardening_failed", "severity", **own) == {"critical": 1, "warning": 0, "info": 0}
    assert states(page, "container_hardening_waived", "check", **own) == {"read_only_rootfs": 1}
    assert states(PAGE, "host_hardening_waived", "check") == {"clock_synchronised": 1}
    expiry = "hardening_waiver_expiry_timestamp_seconds"
    assert states(page, f"container_{expiry}", "check", **own) == {"read_only_rootfs": NOW_SECONDS + 86_400}
    assert states(PAGE, f"host_{expiry}", "check") == {"clock_synchronised": NOW_SECONDS + 86_400}


def test_waivers_are_counted_by_what_became_of_them() -> None:
    assert states(PAGE, "waivers", "state") == {"active": 1, "idle": 0, "unmatched": 1, "expired": 1}
    assert states(samples(rich_report(waivers=())), "waivers", "state") == {
        "active": 0,
        "idle": 0,
        "unmatched": 0,
        "expired": 0,
    }


def test_success_is_absent_for_what_is_not_on_this_host() -> None:
    assert states(PAGE, "scrape_collector_success", "collector") == {
        "podman": 1,
        "cgroup": 1,
        "process": 1,
        "systemd": 0,
    }
    assert states(PAGE, "scrape_collector_present", "collector")["zfs"] == 0
    assert value(PAGE, "collector_age_seconds", collector="zfs") is None


def test_a_collector_that_never_answered_has_no_age() -> None:
    silent = CollectorReport("podman", present=True, success=False, duration_seconds=10.0, age_seconds=None)
    page = samples(rich_report(collectors=(silent,)))
    assert value(page, "scrape_collector_success", collector="podman") == 0
    assert value(page, "collector_age_seconds", collector="podman") is None


def test_without_selinux_there_is_no_mode() -> None:
    assert states(PAGE, "selinux_mode", "mode") == {"enforcing": 0, "permissive": 1, "disabled": 0}
    page = samples(rich_report(host=replace(HOST, selinux_mode=None, oom_kills=None)))
    assert states(page, "selinux_mode", "mode") == {}


def test_without_selinux_there_are_no_denials_not_even_none() -> None:
    assert value(PAGE, "container_avc_denials_total", container="bad-everything") == 6
    assert value(PAGE, "container_avc_denials_total", container="objects02") == 0
    for mode in (None, "disabled"):
        page = samples(rich_report(host=replace(HOST, selinux_mode=mode)))
        assert value(page, "container_avc_denials_total", container="objects02") is None
        assert value(page, "unattributed_avc_denials_total") is None


def test_ids_of_which_podman_has_told_nothing_have_a_total_alone() -> None:
    page = samples(rich_report(id_use=(IdUse("uid", 65_536),)))
    assert value(page, "userns_ids", kind="uid", state="total") == 65_536
    assert value(page, "userns_ids", kind="uid", state="used") is None
    assert value(page, "userns_containers_left", kind="uid") is None
    assert value(page, "userns_overlaps", kind="uid") is None


def test_a_parent_of_which_nobody_knows_is_neither_up_nor_down() -> None:
    assert value(PAGE, "network_parent_up", network="lan", parent="lan0") == 1
    assert value(PAGE, "network_parent_up", network="old", parent="lan1") == 0
    assert value(PAGE, "network_parent_up", network="alice/pasta", parent="") is None


def test_the_hosts_oom_kills_are_the_ledgers_or_without_one_the_kernels() -> None:
    assert value(PAGE, "host_oom_kills_total") == 9
    assert value(samples(rich_report(totals=None)), "host_oom_kills_total") == HOST.oom_kills
    assert value(samples(rich_report(totals=None, host=replace(HOST, oom_kills=None))), "host_oom_kills_total") is None


def test_buckets_of_the_latency_add_up() -> None:
    assert value(PAGE, "notification_latency_seconds_bucket", le="0.25") == 7
    assert value(PAGE, "notification_latency_seconds_bucket", le="+Inf") == 12
    assert value(PAGE, "notification_latency_seconds_count") == 12


def test_every_threshold_is_served() -> None:
    assert states(PAGE, "threshold", "name") == dict(rich_report().thresholds)
