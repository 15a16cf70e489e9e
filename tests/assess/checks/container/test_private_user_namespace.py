from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.private_user_namespace import CHECK
from exporter.facts.container import IdRange
from exporter.report.findings import Verdict
from tests.assess.secure import HOST, IN_THE_DARK, SECURE, fails, passes, verdict, with_declared, with_process


def test_ids_from_the_containers_range_pass() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("id_map", [(IdRange(0, 0, 4294967295),), (IdRange(0, 1000, 1), IdRange(1, 2147487743, 9)), ()])
@pytest.mark.parametrize("kind", ["uid_map", "gid_map"])
def test_a_host_id_in_either_map_fails_with_drift(kind: str, id_map: tuple[IdRange, ...]) -> None:
    assert fails(CHECK, with_process(**{kind: id_map}), drift=True)


def test_without_a_containers_range_ids_of_accounts_fail_and_subordinate_ids_pass() -> None:
    host = replace(HOST, subuids=(), subgids=())
    assert passes(CHECK, replace(SECURE, host=host))
    low = (IdRange(0, 99_999, 10),)
    assert fails(CHECK, replace(with_process(uid_map=low), host=host), drift=True)


def test_an_unreadable_host_or_process_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=None)) is Verdict.UNKNOWN


@pytest.mark.parametrize("path", ["etc/subuid", "etc/subgid", "etc/passwd"])
def test_whether_ids_are_private_is_unknown_while_a_file_of_ids_could_not_be_read_and_a_failure_stands(
    path: str,
) -> None:
    unread = replace(HOST, subuids=(), subgids=(), account_uids=(), unreadable=(path,))
    outcome = CHECK.examine(replace(SECURE, host=unread))
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "host's id ranges not readable")
    assert outcome.detail == f"/{path}"
    of_host = with_process(uid_map=(IdRange(0, 0, 4294967295),))
    assert fails(CHECK, replace(of_host, host=unread), drift=True)
    assert CHECK.declared is not None
    assert CHECK.declared(replace(SECURE, host=unread)).verdict is Verdict.PASS, "userns=auto needs no range"
    by_maps = replace(with_declared(userns_auto=False), host=unread)
    assert CHECK.declared(by_maps).verdict is Verdict.UNKNOWN
