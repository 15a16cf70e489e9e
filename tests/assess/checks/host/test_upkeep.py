"""The checks of what is kept beside the kernel: ids, updates, firewall, pools, the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.facts.host import Firewall, InputChain, SubIds, Updates
from exporter.facts.reading import Absent, Failed
from exporter.facts.storage import DeviceErrors, Pool, PoolStatus, Storage
from exporter.report.findings import Verdict
from exporter.report.waiver import Waiver
from exporter.sources.zfs.status import parse_status
from tests.assess.checks.host.sound import INPUT, POOL, SOUND, turned, with_host
from tests.assess.snapshots import NOW, answered

DAY_SECONDS = 86400
RECORDED = Path(__file__).parents[3] / "host" / "zfs"


@pytest.mark.parametrize("field", ["subuids", "subgids"])
def test_both_files_have_to_have_ids_for_each_container(field: str) -> None:
    failing = {"subids_for_containers": Verdict.FAIL}
    assert turned(with_host(**{field: ()})) == failing
    assert turned(with_host(**{field: (SubIds("alice", 1, 2**31),)})) == failing
    assert turned(with_host(**{field: (SubIds("containers", 1, 3 * 65536 - 1),)})) == failing
    assert turned(with_host(**{field: (SubIds("containers", 1, 65536), SubIds("containers", 9**7, 2 * 65536))})) == {}
    assert turned(with_host(**{field: (), "unreadable": ("etc/" + field[:-1],)})) == {
        "subids_for_containers": Verdict.UNKNOWN
    }


def test_a_host_without_containers_wants_ids_for_one() -> None:
    subject = replace(with_host(subuids=(SubIds("containers", 1, 65536),)), containers=0)
    assert turned(subject) == {}


@pytest.mark.parametrize(
    ("updates", "verdict"),
    [
        (Updates("apt", installs=True, last_run_at_seconds=NOW - 3 * DAY_SECONDS), Verdict.PASS),
        (Updates("dnf", installs=True, last_run_at_seconds=NOW - 3 * DAY_SECONDS - 1), Verdict.FAIL),
        (Updates("dnf", installs=True), Verdict.FAIL),
        (Updates("apt", installs=False, last_run_at_seconds=NOW), Verdict.FAIL),
        (Updates("apt"), Verdict.UNKNOWN),
        (Updates(""), Verdict.NOT_APPLICABLE),
        (None, Verdict.UNKNOWN),
    ],
)
def test_updates_have_to_be_on_and_recent(updates: Updates | None, verdict: Verdict) -> None:
    assert turned(with_host(updates=updates)).get("automatic_updates", Verdict.PASS) is verdict


@pytest.mark.parametrize(
    ("running", "installed", "verdict"),
    [
        ("6.12.117+deb13-amd64", ("6.12.107+deb13-amd64", "6.12.117+deb13-amd64"), Verdict.PASS),
        ("6.12.9+deb13-amd64", ("6.12.9+deb13-amd64", "6.12.10+deb13-amd64"), Verdict.FAIL),
        ("6.12.9+deb13-amd64", ("6.12.9+deb13-amd64", "6.12.10+deb13-cloud-amd64"), Verdict.PASS),
        ("5.14.0-570.el9.x86_64", ("5.14.0-570.el9.x86_64", "5.14.0-570.12.1.el9_6.x86_64"), Verdict.FAIL),
        ("5.14.0-570.12.1.el9_6.x86_64", ("5.14.0-570.el9.x86_64", "5.14.0-570.12.1.el9_6.x86_64"), Verdict.PASS),
        ("5.14.0-570.el9.x86_64", ("5.14.0-570.el9.x86_64", "5.14.0-571.el9.x86_64+debug"), Verdict.PASS),
        ("6.8.0-45-generic", ("6.8.0-45-generic", "6.8.0-100-generic"), Verdict.FAIL),
        ("6.12.117+deb13-amd64", ("6.12.107+deb13-amd64",), Verdict.FAIL),
        ("6.12.117+deb13-amd64", (), Verdict.NOT_APPLICABLE),
        ("6.12.117+deb13-amd64", None, Verdict.UNKNOWN),
    ],
)
def test_the_newest_kernel_of_its_flavour_has_to_run(
    running: str, installed: tuple[str, ...] | None, verdict: Verdict
) -> None:
    subject = with_host(kernel=running, kernels=installed)
    assert turned(subject).get("reboot_not_pending", Verdict.PASS) is verdict


def test_a_package_that_asks_for_a_reboot_is_heard() -> None:
    assert turned(with_host(reboot_required=True)) == {"reboot_not_pending": Verdict.FAIL}


V4 = InputChain("ip", "filter", "INPUT", "drop", denies=True)
V6 = replace(V4, family="ip6")


@pytest.mark.parametrize(
    ("chains", "verdict"),
    [
        ((INPUT,), Verdict.PASS),
        ((replace(INPUT, policy="accept", denies=False), INPUT), Verdict.PASS),
        ((V4, V6), Verdict.PASS),
        ((V4,), Verdict.FAIL),
        ((V6,), Verdict.FAIL),
        ((V4, replace(V6, denies=False)), Verdict.FAIL),
        ((replace(INPUT, denies=False),), Verdict.FAIL),
        ((replace(INPUT, denies=False, opening="tcp over IPv4 by eth0"),), Verdict.FAIL),
        ((replace(INPUT, denies=False, unclear="tcp over IPv4"),), Verdict.UNKNOWN),
        ((replace(INPUT, denies=False, unclear="tcp over IPv4"), INPUT), Verdict.PASS),
        ((replace(INPUT, denies=False, unclear="tcp over IPv4", opening="udp over IPv6"),), Verdict.FAIL),
        ((V4, replace(V6, denies=False, unclear="tcp over IPv6")), Verdict.UNKNOWN),
        ((replace(V6, denies=False, unclear="tcp over IPv6"),), Verdict.FAIL),
        ((), Verdict.FAIL),
    ],
)
def test_a_firewall_has_to_deny_both_protocols(chains: tuple[InputChain, ...], verdict: Verdict) -> None:
    subject = replace(SOUND, firewall=answered(Firewall(chains)))
    assert turned(subject).get("firewall_default_deny", Verdict.PASS) is verdict


def test_a_host_without_ipv6_needs_no_rule_for_it() -> None:
    subject = with_host(sysctls=(*(SOUND.host.sysctls if SOUND.host else ()), ("net.ipv6.conf.all.disable_ipv6", "1")))
    assert turned(replace(subject, firewall=answered(Firewall((V4,))))) == {}


def test_a_firewall_that_nobody_can_read_is_unknown_also_where_nft_is_missing() -> None:
    for reading in (Absent("nft is not on this host"), Failed("denied", 0.1, answered(Firewall((INPUT,))))):
        assert turned(replace(SOUND, firewall=reading)) == {"firewall_default_deny": Verdict.UNKNOWN}


@pytest.mark.parametrize("state", ["degraded", "faulted", "suspended", "unavail"])
def test_one_pool_that_is_not_online_fails(state: str) -> None:
    storage = answered(Storage((), (POOL, Pool("scratch", state))))
    assert turned(replace(SOUND, storage=storage)) == {"zfs_pool_healthy": Verdict.FAIL}


def test_a_pool_that_is_online_and_has_lost_data_fails() -> None:
    lost = PoolStatus(DeviceErrors(0, 0, 226), 79)
    storage = answered(Storage((), (POOL, Pool("scratch", "online", status=lost))))
    assert turned(replace(SOUND, storage=storage)) == {"zfs_pool_healthy": Verdict.FAIL}


def test_errors_that_a_mirror_repaired_do_not_fail() -> None:
    repaired = PoolStatus(DeviceErrors(0, 0, 243), 0)
    storage = answered(Storage((), (Pool("tank", "online", status=repaired),)))
    assert turned(replace(SOUND, storage=storage)) == {}


@pytest.mark.parametrize(
    "unread",
    [
        Pool("scratch", "online"),
        Pool("scratch", "online", status=PoolStatus()),
        Pool("scratch", "", status=PoolStatus(DeviceErrors(0, 0, 0), 0)),
    ],
    ids=["no answer", "its errors unavailable", "no state"],
)
def test_a_pool_of_which_nobody_knows_whether_it_has_lost_data_is_unknown(unread: Pool) -> None:
    found = replace(SOUND, storage=answered(Storage((), (POOL, unread))))
    assert turned(found) == {"zfs_pool_healthy": Verdict.UNKNOWN}
    ill = (unread, replace(POOL, name="old", state="degraded"))
    assert turned(replace(SOUND, storage=answered(Storage((), ill)))) == {"zfs_pool_healthy": Verdict.FAIL}


def test_a_dataset_that_could_not_be_read_leaves_its_pool_healthy() -> None:
    storage = replace(answered(Storage((), (POOL,))), problems=("Pool tank: 40 of 9000 datasets not reached",))
    assert turned(replace(SOUND, storage=storage)) == {}


@pytest.mark.parametrize("name", ["tank", "finished", "mirror-errors", "scrub-running", "resilver-finished"])
def test_what_zpool_status_was_recorded_to_print_of_a_healthy_pool_passes(name: str) -> None:
    printed = (RECORDED / f"zpool-status-{name}.txt").read_bytes()
    storage = answered(Storage((), (replace(POOL, status=parse_status(printed)),)))
    assert turned(replace(SOUND, storage=storage)) == {}


def test_a_host_without_zfs_or_pools_has_no_pool_to_judge_and_a_silent_zfs_is_unknown() -> None:
    for storage in (Absent("no module"), answered(Storage((), ()))):
        assert turned(replace(SOUND, storage=storage)) == {"zfs_pool_healthy": Verdict.NOT_APPLICABLE}
    silent = Failed("no answer", 10.0, answered(Storage((), (POOL,))))
    assert turned(replace(SOUND, storage=silent)) == {"zfs_pool_healthy": Verdict.UNKNOWN}


def test_a_clock_that_nobody_keeps_right_fails() -> None:
    assert turned(with_host(clock_synchronised=False)) == {"clock_synchronised": Verdict.FAIL}


def test_one_waiver_whose_date_is_over_fails_and_no_waivers_are_not_judged() -> None:
    over = Waiver("", "kernel_lockdown", "until the new module", NOW)
    assert turned(replace(SOUND, waivers=(*SOUND.waivers, over))) == {"waivers_current": Verdict.FAIL}
    assert turned(replace(SOUND, waivers=(replace(over, ends_at_seconds=None),))) == {}
    assert turned(replace(SOUND, waivers=())) == {"waivers_current": Verdict.NOT_APPLICABLE}
