import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.host import Host, SubIds, Updates
from exporter.facts.reading import Unreadable
from exporter.sources.host import (
    SYSCTLS,
    HostSource,
    parse_accounts,
    parse_groups,
    parse_memory_total_bytes,
    parse_oom_kills,
    parse_subids,
    parse_swap_total_bytes,
    parse_value,
)
from exporter.sources.host.clock import kernel_clock_is_synchronised
from exporter.sources.host.parse import parse_choice, parse_cpus, parse_default_link
from tests.sources.host_trees import host_at

RECORDED = Path(__file__).parents[1] / "host"


def test_a_recorded_host_is_read() -> None:
    host = HostSource(RECORDED).read()

    assert host.hostname == "lab"
    assert host.kernel == "6.12.117+deb13-amd64"
    assert host.boot_id == "2303c21f-cee9-4860-8ca7-119c07bfe1ec"
    assert host.memory_total_bytes == 4110249984
    assert host.oom_kills == 34
    assert host.cpus == 2
    assert host.tasks_max == 31358
    assert host.selinux_mode == "permissive"
    assert host.apparmor_enabled is False
    assert host.subuids == (SubIds("alice", 100000, 65536), SubIds("containers", 2147483647, 2147483647))
    assert host.subgids == host.subuids
    assert ("root", 0) in host.account_uids
    assert ("alice", 1000) in host.account_uids
    assert dict(host.sysctls)["kernel.kptr_restrict"] == "0"
    assert dict(host.sysctls)["net.core.bpf_jit_harden"] == "0"


def test_an_owner_of_ids_that_is_written_as_a_number_is_the_account_with_that_uid(tmp_path: Path) -> None:
    accounts = "root:x:0:0::/:/bin/sh\ncontainers:x:990:988::/:/bin/false\nalice:x:1000:1001::/:/bin/sh\n"
    ranges = "990:2147483647:2147483647\n1000:100000:65536\n4242:7:8\n"
    files = {"etc/passwd": accounts, "etc/group": "users:x:1000:\n", "etc/subuid": ranges, "etc/subgid": ranges}
    host = host_at(tmp_path, **files)
    assert [one.owner for one in host.subuids] == ["containers", "alice", "4242"]
    assert host.subgids == host.subuids


ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0102A8C0\t0003\t0\t0\t2048\t00000000\t0\t0\t0
eth0\t00000000\t0202000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0
*\t00000000\t00000000\t0200\t0\t0\t1\t00000000\t0\t0\t0
eth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_the_default_link_is_that_of_the_default_route_with_the_lowest_metric(tmp_path: Path) -> None:
    assert host_at(tmp_path, **{"proc/net/route": ROUTES}).default_link == "eth0"
    assert parse_default_link(b"".join(ROUTES.encode().splitlines(keepends=True)[::4])) == ""


@pytest.mark.parametrize(
    ("words", "cpus"), [("0\n", 1), ("0-3\n", 4), ("0-3,8,10-11\n", 7), ("3-1\n", None), ("", None)]
)
def test_the_cpus_that_are_online_are_counted(tmp_path: Path, words: str, cpus: int | None) -> None:
    assert host_at(tmp_path, **{"sys/devices/system/cpu/online": words}).cpus == cpus


@pytest.mark.parametrize(
    ("pids", "threads", "most"),
    [("4194304", "31358", 31358), ("32768", "99999", 32768), ("x", "7", None), ("7", "", None)],
)
def test_a_host_has_as_many_processes_as_both_of_its_bounds_allow(
    tmp_path: Path, pids: str, threads: str, most: int | None
) -> None:
    files = {"proc/sys/kernel/pid_max": pids, "proc/sys/kernel/threads-max": threads}
    assert host_at(tmp_path, **files).tasks_max == most


@given(st.binary(max_size=100))
def test_no_list_of_cpus_breaks_the_parser(raw: bytes) -> None:
    assert (parse_cpus(raw) or 1) > 0


@given(st.binary(max_size=300))
def test_no_table_of_routes_breaks_the_parser(raw: bytes) -> None:
    parse_default_link(raw)
    parse_default_link(b"\n" + raw + b"\t00000000\t0\t0\t0\t0\t7\t00000000\t0\t0\t0")


def test_a_host_that_tells_nothing_but_its_kernel_has_no_figures(tmp_path: Path) -> None:
    silent = replace(host_at(tmp_path), clock_synchronised=None, page_bytes=4096)
    bare = Host("", "", "6.12.0", None, None, None, None, None)
    assert silent == replace(
        bare, kernels=(), reboot_required=False, updates=Updates(""), maskable_paths=(), read_only_paths=("/proc/sys",)
    )


def test_paths_that_podman_would_mask_are_those_that_the_kernel_has(tmp_path: Path) -> None:
    host = host_at(tmp_path, **{"proc/kcore": "", "sys/firmware/x": "", "proc/meminfo": "SwapTotal: 0 kB\n"})
    assert host.maskable_paths == ("/proc/kcore", "/sys/firmware")
    assert host.read_only_paths == ("/proc/sys",)
    assert host.swap_total_bytes == 0


def test_no_proc_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="mount /proc"):
        HostSource(tmp_path).read()


def test_every_sysctl_that_the_kernel_has_is_read_in_order(tmp_path: Path) -> None:
    files = {"proc/sys/" + name.replace(".", "/"): f"{number}\n" for number, name in enumerate(SYSCTLS)}

    assert host_at(tmp_path, **files).sysctls == tuple((name, str(number)) for number, name in enumerate(SYSCTLS))


@pytest.mark.parametrize(("enforce", "mode"), [("1", "enforcing"), ("0", "permissive"), ("?", None)])
def test_the_mode_of_selinux_is_what_the_kernel_enforces(tmp_path: Path, enforce: str, mode: str | None) -> None:
    assert host_at(tmp_path, **{"sys/fs/selinux/enforce": enforce}).selinux_mode == mode


@pytest.mark.parametrize("enforce", ["", "?", None])
def test_selinux_that_does_not_say_whether_it_enforces_is_neither_disabled_nor_missing(
    tmp_path: Path, enforce: str | None
) -> None:
    path = "sys/fs/selinux/enforce"
    if enforce is None:
        (tmp_path / path).mkdir(parents=True)
    files = {"etc/selinux/config": "SELINUX=enforcing\n", **({} if enforce is None else {path: enforce})}
    host = host_at(tmp_path, **files)
    assert (host.selinux_mode, host.unreadable) == (None, (path,))


@pytest.mark.parametrize(("enabled", "said"), [("Y\n", True), ("N\n", False)])
def test_whether_apparmor_is_on_is_what_its_module_says(tmp_path: Path, enabled: str, *, said: bool) -> None:
    path = "sys/module/apparmor/parameters/enabled"
    assert host_at(tmp_path, **{path: enabled}).apparmor_enabled is said


@pytest.mark.parametrize("enabled", ["", "?", None])
def test_an_apparmor_that_does_not_say_whether_it_is_on_is_named_as_unreadable(
    tmp_path: Path, enabled: str | None
) -> None:
    path = "sys/module/apparmor/parameters/enabled"
    if enabled is None:
        (tmp_path / path).mkdir(parents=True)
    host = host_at(tmp_path, **({} if enabled is None else {path: enabled}))
    assert (host.apparmor_enabled, host.unreadable) == (None, (path,))
    assert host_at(tmp_path / "other").unreadable == (), "a kernel without AppArmor has no such file"


@pytest.mark.parametrize(
    "trace",
    [
        {"etc/selinux/config": "SELINUX=disabled\n"},
        {"boot/config-6.12.0": "# x\nCONFIG_SECURITY_SELINUX=y\n"},
        {"usr/lib/modules/6.12.0/config": "CONFIG_SECURITY_SELINUX=y\n"},
    ],
)
def test_selinux_that_is_built_in_and_not_running_is_disabled(tmp_path: Path, trace: dict[str, str]) -> None:
    assert host_at(tmp_path, **trace).selinux_mode == "disabled"


def test_a_kernel_that_holds_its_configuration_itself_is_asked_too(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "config.gz").write_bytes(gzip.compress(b"CONFIG_SECURITY_SELINUX=y\n"))

    assert host_at(tmp_path).selinux_mode == "disabled"


def test_a_kernel_without_selinux_has_no_mode(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "config.gz").write_bytes(b"\x1f\x8bbroken")
    built = {"boot/config-6.12.0": "# CONFIG_SECURITY_SELINUX is not set\nCONFIG_SECURITY_SELINUX_BOOTPARAM=y\n"}

    assert host_at(tmp_path, **built).selinux_mode is None


def test_a_kernel_whose_name_is_a_path_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CONFIG_SECURITY_SELINUX=y\n")
    (tmp_path / "boot" / "config-x").mkdir(parents=True)

    assert host_at(tmp_path, **{"proc/sys/kernel/osrelease": "x/../../secret"}).selinux_mode is None


@pytest.mark.parametrize(("text", "enabled"), [("Y\n", True), ("N\n", False), ("\n", None)])
def test_apparmor_is_enabled_or_not_or_unknown(tmp_path: Path, text: str, enabled: object) -> None:
    assert host_at(tmp_path, **{"sys/module/apparmor/parameters/enabled": text}).apparmor_enabled is enabled


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpu memory\n"}, 2),
        ({"sys/fs/cgroup/unified/cgroup.controllers": "", "sys/fs/cgroup/memory/tasks": ""}, 1),
        ({"sys/fs/cgroup/memory/tasks": ""}, 1),
    ],
)
def test_the_version_of_cgroups_is_that_of_the_mounts_root(tmp_path: Path, files: dict[str, str], version: int) -> None:
    assert host_at(tmp_path, **files).cgroup_version == version


def test_an_empty_cgroup_directory_is_no_mount(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)

    assert host_at(tmp_path).cgroup_version is None


def test_subid_lines_that_make_no_sense_are_skipped() -> None:
    raw = b"# comment\n\na:1\na:1:2:3\n:5:6\na:x:2\na:-1:2\na:1:0\na:4294967295:9\nok:1:2\n1000:5:6\n"

    assert parse_subids(raw) == (SubIds("ok", 1, 2), SubIds("1000", 5, 6))


def test_passwd_lines_that_make_no_sense_are_skipped() -> None:
    raw = b"root:x:0:0::/root:/bin/sh\n+::::::\nshort:x:1\n:x:1:1:::\nbig:x:99999999999:1:::\nweb:x:7:7:::"

    assert parse_accounts(raw) == (("root", 0), ("web", 7))


def test_group_lines_that_make_no_sense_are_skipped() -> None:
    raw = b"root:x:0:\n+:::\nshort:x\n:x:1:\nbig:x:99999999999:\nadm:x:4:alice,bob\n"

    assert parse_groups(raw) == (("root", 0), ("adm", 4))


def test_the_state_of_every_interface_is_told_but_of_veth_pairs(tmp_path: Path) -> None:
    states = {"lan0": "up\n", "lan1": "down\n", "veth12": "up\n", "odd": ""}
    host = host_at(tmp_path, **{f"sys/class/net/{name}/operstate": state for name, state in states.items()})
    assert host.links == (("lan0", "up"), ("lan1", "down"))


def test_a_value_is_one_printable_bounded_line() -> None:
    assert parse_value(b" 1\n2\n") == "1"
    assert parse_value(b"a\x1b[31m\xff") == "a?[31m\ufffd"
    assert len(parse_value(b"x" * 10_000)) == 128


def test_figures_of_another_shape_are_unknown() -> None:
    assert parse_memory_total_bytes(b"MemTotal: many kB\n") is None
    assert parse_memory_total_bytes(b"MemFree: 1 kB\n") is None
    assert parse_oom_kills(b"oom_kill\noom_kill -1\n") is None


@given(st.binary() | st.lists(st.binary(max_size=8)).map(b":".join))
def test_no_bytes_at_all_break_the_parsers(raw: bytes) -> None:
    parse_value(raw)
    parse_choice(raw)
    parse_memory_total_bytes(raw)
    parse_swap_total_bytes(raw)
    parse_oom_kills(raw)
    parse_subids(raw)
    parse_accounts(raw)
    parse_groups(raw)


owners = st.from_regex(r"[a-z_][a-z0-9_-]{0,30}", fullmatch=True)
ranges = st.builds(SubIds, owners, st.integers(0, 2**31), st.integers(1, 2**31 - 1))


@given(st.lists(ranges))
def test_id_ranges_come_back_as_they_were_written(written: list[SubIds]) -> None:
    raw = "".join(f"{ids.owner}:{ids.start}:{ids.count}\n" for ids in written).encode()

    assert parse_subids(raw) == tuple(written)


@given(st.lists(st.tuples(owners, st.integers(0, 2**32 - 1))))
def test_accounts_come_back_as_they_were_written(written: list[tuple[str, int]]) -> None:
    raw = "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in written).encode()

    assert parse_accounts(raw) == tuple(written)


@given(st.integers(0, 2**40))
def test_figures_come_back_as_they_were_written(figure: int) -> None:
    assert parse_memory_total_bytes(f"MemTotal:   {figure} kB\nMemFree: 1 kB\n".encode()) == figure * 1024
    assert parse_swap_total_bytes(f"MemTotal: 1 kB\nSwapTotal: {figure} kB\n".encode()) == figure * 1024
    assert parse_oom_kills(f"nr_free 1\noom_kill {figure}\n".encode()) == figure


def test_lockdown_is_the_chosen_word_and_empty_where_the_kernel_has_none(tmp_path: Path) -> None:
    assert host_at(tmp_path).lockdown is None
    assert host_at(tmp_path, **{"sys/kernel/security/lsm": "yama"}).lockdown == ""
    assert host_at(tmp_path, **{"sys/kernel/security/lockdown": "none [integrity] x\n"}).lockdown == "integrity"
    assert host_at(tmp_path, **{"sys/kernel/security/lockdown": "garbage\n"}).lockdown is None


def test_enforcement_of_module_signatures_is_told_and_empty_where_the_kernel_has_none(tmp_path: Path) -> None:
    assert host_at(tmp_path).module_signatures is None
    assert host_at(tmp_path, **{"sys/module/kernel/x": ""}).module_signatures == ""
    assert host_at(tmp_path, **{"sys/module/module/parameters/sig_enforce": "N\n"}).module_signatures == "N"


def test_installed_kernels_are_those_with_an_image_and_a_release(tmp_path: Path) -> None:
    host = host_at(
        tmp_path,
        **{
            "boot/vmlinuz-6.12.117+deb13-amd64": "",
            "boot/vmlinuz-0-rescue-1f2e": "",
            "boot/vmlinuz-6.1.0\x1b[31m": "",
            "boot/config-6.12.99": "",
            "lib/modules/5.14.0-570.el9.x86_64/vmlinuz": "",
            "lib/modules/5.0.0-left-behind/updates/zfs.ko": "",
        },
    )
    assert host.kernels == ("5.14.0-570.el9.x86_64", "6.12.117+deb13-amd64")


def test_a_request_for_a_reboot_is_seen(tmp_path: Path) -> None:
    assert host_at(tmp_path).reboot_required is False
    assert host_at(tmp_path, **{"run/reboot-required": "*** System restart required ***\n"}).reboot_required is True


def test_a_file_that_is_there_and_does_not_answer_is_named(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel/kptr_restrict").mkdir(parents=True)
    assert host_at(tmp_path).unreadable == ("proc/sys/kernel/kptr_restrict",)


def test_the_clock_is_asked_of_the_kernel(tmp_path: Path) -> None:
    host_at(tmp_path)
    assert HostSource(tmp_path, lambda: True).read().clock_synchronised is True
    assert HostSource(tmp_path, lambda: None).read().clock_synchronised is None
    assert kernel_clock_is_synchronised() in (True, False)


@given(st.lists(st.sampled_from(["none", "integrity", "confidentiality"]), unique=True, min_size=1), st.data())
def test_the_chosen_word_comes_back(words: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from(words))
    raw = " ".join(f"[{word}]" if word == chosen else word for word in words).encode()
    assert parse_choice(raw) == chosen
    assert parse_choice(raw.replace(b"[", b"")) is None
