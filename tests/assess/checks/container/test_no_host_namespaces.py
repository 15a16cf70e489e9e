from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.no_host_namespaces import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    HOST_NAMESPACES,
    IN_THE_DARK,
    NAMESPACES,
    PROCESSES,
    SECURE,
    fails,
    passes,
    verdict,
    with_container,
    with_declared,
    with_process,
)

KINDS = ("pid", "ipc", "net", "uts", "cgroup", "user")


def with_hosts(kind: str) -> tuple[tuple[str, int], ...]:
    return tuple(dict(NAMESPACES, **{kind: dict(HOST_NAMESPACES)[kind]}).items())


def test_namespaces_of_its_own_pass() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("kind", KINDS)
def test_one_process_in_a_namespace_of_the_host_fails_with_drift(kind: str) -> None:
    subject = with_process(namespaces=with_hosts(kind))
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == f"shared: {kind}; by worker (4002)"


@pytest.mark.parametrize("kind", ["mnt", "time"])
def test_other_kinds_do_not_count(kind: str) -> None:
    assert passes(CHECK, with_process(namespaces=with_hosts(kind)))


def test_a_namespace_that_a_pod_shares_is_not_the_hosts() -> None:
    assert passes(CHECK, with_declared(ipc_mode="container:" + "e" * 64, uts_mode="container:" + "e" * 64))


@pytest.mark.parametrize(
    "asked",
    [
        with_declared(pid_mode="host"),
        with_declared(ipc_mode="host"),
        with_declared(uts_mode="host"),
        with_declared(cgroup_mode="host"),
        with_declared(userns_mode="host", userns_auto=False, uid_map=(), gid_map=()),
        with_declared(userns_mode="", userns_auto=False, uid_map=(), gid_map=()),
        with_container(network_mode="host"),
    ],
)
def test_a_host_namespace_that_was_asked_for_and_is_there_fails_without_drift(asked: object) -> None:
    assert isinstance(asked, type(SECURE))
    assert CHECK.declared is not None
    assert CHECK.declared(asked).verdict is Verdict.FAIL
    assert fails(CHECK, replace(asked, processes=with_process(namespaces=with_hosts("pid")).processes))


def test_a_users_podman_is_never_in_the_hosts_user_namespace() -> None:
    walls = replace(CONTAINER.security, userns_mode="", userns_auto=False, uid_map=(), gid_map=())
    assert CHECK.declared is not None
    assert CHECK.declared(with_container(user="alice", security=walls)).verdict is Verdict.PASS


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_which_the_hosts_is_not_known_passes_nothing(kind: str) -> None:
    known = tuple((one, inode) for one, inode in HOST_NAMESPACES if one != kind)
    outcome = CHECK.examine(replace(SECURE, host_namespaces=known))
    assert (outcome.verdict, outcome.detail) == (Verdict.UNKNOWN, kind)


def test_a_known_kind_of_the_host_fails_whatever_is_not_known_of_the_others() -> None:
    subject = with_process(namespaces=with_hosts("cgroup"))
    assert fails(CHECK, replace(subject, host_namespaces=HOST_NAMESPACES[:1]), drift=True)


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host_namespaces=())) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, with_process(namespaces=NAMESPACES[:3])) is Verdict.UNKNOWN
    hidden = replace(PROCESSES, unreadable=("4001: ns/net: Permission denied",))
    assert verdict(CHECK, replace(SECURE, processes=hidden)) is Verdict.UNKNOWN
    assert CHECK.declared is not None
    assert CHECK.declared(with_container(inspected=False)).verdict is Verdict.UNKNOWN
