from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.user_namespace_disjoint import CHECK
from exporter.assess.checks.subject import Sharers
from exporter.facts.container import IdRange
from exporter.report.findings import Verdict
from tests.assess.secure import (
    HOST,
    IN_THE_DARK,
    PROCESSES,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_process,
)

HOSTS_OWN = (IdRange(0, 0, 4294967295),)


def test_ids_that_nobody_else_has_pass() -> None:
    assert passes(CHECK)


def test_ids_that_another_has_too_fail_with_drift_unless_they_were_asked_for() -> None:
    subject = replace(SECURE, ids_shared_with=Sharers(("db", "account alice")))
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == "with db, account alice"
    assert fails(CHECK, replace(SECURE, ids_shared_with=Sharers(("db",), ("db",))))


def test_ids_that_were_to_be_shared_and_are_not_pass_with_drift() -> None:
    outcome = CHECK.examine(replace(SECURE, ids_shared_with=Sharers((), ("db",))))
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)


def test_without_a_user_namespace_there_are_no_ids_to_judge() -> None:
    bare = with_every_process(uid_map=HOSTS_OWN, gid_map=HOSTS_OWN)
    assert verdict(CHECK, bare) is Verdict.NOT_APPLICABLE
    assert CHECK.declared is not None
    asked = with_declared(userns_auto=False, uid_map=(), gid_map=())
    assert CHECK.declared(asked).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("changes", [{"uid_map": HOSTS_OWN}, {"gid_map": HOSTS_OWN}])
def test_one_process_with_the_hosts_ids_shares_them_all(changes: dict[str, tuple[IdRange, ...]]) -> None:
    assert fails(CHECK, with_process(**changes), drift=True)
    assert CHECK.examine(with_process(**changes)).detail == "with the host, by worker"


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, host=None)) is Verdict.UNKNOWN
    hidden = replace(PROCESSES, unreadable=("4003: Permission denied",))
    assert verdict(CHECK, replace(SECURE, processes=hidden)) is Verdict.UNKNOWN


@pytest.mark.parametrize("path", ["etc/subuid", "etc/subgid", "etc/passwd", "etc/group"])
def test_whose_ids_they_are_is_unknown_while_a_file_of_ids_could_not_be_read_and_a_failure_stands(path: str) -> None:
    unread = replace(HOST, subuids=(), subgids=(), account_uids=(), unreadable=(path,))
    outcome = CHECK.examine(replace(SECURE, host=unread))
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "host's id ranges not readable")
    assert outcome.detail == f"/{path}"
    assert fails(CHECK, replace(SECURE, host=unread, ids_shared_with=Sharers(("db",), ("db",))))
    assert CHECK.declared is not None
    assert CHECK.declared(replace(SECURE, host=unread)).verdict is Verdict.UNKNOWN
