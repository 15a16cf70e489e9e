import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.host import Host, SubIds
from exporter.facts.reading import Unreadable
from exporter.sources.host import (
    SYSCTLS,
    HostSource,
    parse_accounts,
    parse_memory_total_bytes,
    parse_oom_kills,
    parse_subids,
    parse_value,
)

RECORDED = Path(__file__).parents[1] / "host"


def host_at(root: Path, **files: str) -> Host:
    for name, text in {"proc/sys/kernel/osrelease": "6.12.0\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return HostSource(root).read()


def test_a_recorded_host_is_read() -> None:
    host = HostSource(RECORDED).read()

    assert host.hostname == "lab"
    assert host.kernel == "6.12.117+deb13-amd64"
    assert host.boot_id == "2303c21f-cee9-4860-8ca7-119c07bfe1ec"
    assert host.memory_total_bytes == 4110249984
    assert host.oom_kills == 34
    assert host.selinux_mode == "permissive"
    assert host.apparmor_enabled is False
    assert host.subuids == (SubIds("alice", 100000, 65536), SubIds("containers", 2147483647, 2147483647))
    assert host.subgids == host.subuids
    assert ("root", 0) in host.account_uids
    assert ("alice", 1000) in host.account_uids
    assert dict(host.sysctls)["kernel.kptr_restrict"] == "0"
    assert dict(host.sysctls)["net.core.bpf_jit_harden"] == "0"


def test_a_host_that_tells_nothing_but_its_kernel_has_no_figures(tmp_path: Path) -> None:
    assert host_at(tmp_path) == Host("", "", "6.12.0", None, None, None, None, None)


def test_no_proc_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="mount /proc"):
        HostSource(tmp_path).read()


def test_every_sysctl_that_the_kernel_has_is_read_in_order(tmp_path: Path) -> None:
    files = {"proc/sys/" + name.replace(".", "/"): f"{number}\n" for number, name in enumerate(SYSCTLS)}

    assert host_at(tmp_path, **files).sysctls == tuple((name, str(number)) for number, name in enumerate(SYSCTLS))


@pytest.mark.parametrize(("enforce", "mode"), [("1", "enforcing"), ("0", "permissive"), ("?", None)])
def test_the_mode_of_selinux_is_what_the_kernel_enforces(tmp_path: Path, enforce: str, mode: str | None) -> None:
    assert host_at(tmp_path, **{"sys/fs/selinux/enforce": enforce}).selinux_mode == mode


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
    parse_memory_total_bytes(raw)
    parse_oom_kills(raw)
    parse_subids(raw)
    parse_accounts(raw)


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
    assert parse_oom_kills(f"nr_free 1\noom_kill {figure}\n".encode()) == figure
