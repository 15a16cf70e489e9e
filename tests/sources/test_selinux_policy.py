"""Permissive types, in a policy that SELinux's own compiler has made (tests/sources/selinux/policy.cil)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import SourceError, Unreadable
from exporter.sources.host import HostSource
from exporter.sources.host.selinux_policy import PermissiveTypes, parse_permissive_types

POLICY = Path(__file__).with_name("selinux").joinpath("policy.33").read_bytes()
MAP = POLICY.index(struct.pack("<IQ", 0, 1 << 4)) + 4  # container_init_t is the fourth type


def with_permissive(*numbers: int) -> bytes:
    bits = sum(1 << number for number in numbers)
    return POLICY[:MAP] + struct.pack("<Q", bits) + POLICY[MAP + 8 :]


def selinux_at(root: Path, *, loads: int = 1, policy: bytes = POLICY) -> Path:
    directory = root / "sys/fs/selinux"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "status").write_bytes(struct.pack("<IIIII", 1, 4, 1, loads, 0))
    (directory / "policy").write_bytes(policy)
    (directory / "enforce").write_text("1")
    return directory


def test_a_permissive_type_of_containers_is_found_by_its_number() -> None:
    assert parse_permissive_types(POLICY) == ("container_init_t",)
    assert parse_permissive_types(with_permissive(3)) == ("container_t",)
    assert parse_permissive_types(with_permissive(2)) == (), "rpm_t is no container's"
    assert parse_permissive_types(with_permissive(3, 4, 5)) == ("container_init_t", "container_kvm_t", "container_t")


def test_the_policy_is_read_again_only_when_another_one_was_loaded(tmp_path: Path) -> None:
    directory = selinux_at(tmp_path)
    types = PermissiveTypes(directory)
    assert types.read() == ("container_init_t",)
    (directory / "policy").write_bytes(b"")
    assert types.read() == ("container_init_t",)
    selinux_at(tmp_path, loads=2, policy=with_permissive(3))
    assert types.read() == ("container_t",)


def test_a_policy_that_could_not_be_read_is_asked_for_again(tmp_path: Path) -> None:
    directory = selinux_at(tmp_path, policy=b"")
    types = PermissiveTypes(directory)
    for _ in range(2):
        with pytest.raises(Unreadable):
            types.read()
    selinux_at(tmp_path)
    assert types.read() == ("container_init_t",)


def test_the_host_tells_it_only_while_it_enforces(tmp_path: Path) -> None:
    directory = selinux_at(tmp_path)
    kernel = tmp_path / "proc/sys/kernel"
    kernel.mkdir(parents=True)
    (kernel / "osrelease").write_text("6.12.0\n")
    assert HostSource(tmp_path).read().permissive_types == ("container_init_t",)
    (directory / "policy").unlink()
    host = HostSource(tmp_path).read()
    assert (host.permissive_types, host.unreadable) == (None, ("sys/fs/selinux/policy",))
    (directory / "enforce").write_text("0")
    host = HostSource(tmp_path).read()
    assert (host.permissive_types, host.unreadable) == (None, ())


@pytest.mark.parametrize(
    "raw",
    [b"", POLICY[:40], POLICY[:0x40], b"x" * 900, POLICY[:16] + struct.pack("<I", 22) + POLICY[20:]],
    ids=["empty", "without maps", "half a map", "no policy", "too old"],
)
def test_what_is_no_policy_is_not_readable(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_permissive_types(raw)


@given(place=st.integers(0, len(POLICY) - 1), value=st.integers(0, 255), cut=st.integers(0, len(POLICY)))
def test_no_damage_breaks_the_parser(place: int, value: int, cut: int) -> None:
    for raw in (POLICY[:place] + bytes([value]) + POLICY[place + 1 :], POLICY[:cut]):
        try:
            parse_permissive_types(raw)
        except SourceError:
            continue
