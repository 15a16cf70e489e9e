from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.volumes_labelled_private import CHECK, declared
from exporter.assess.storage.volumes import Sharer
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    HOST,
    IN_THE_DARK,
    MOUNTED,
    SECURE,
    VOLUME,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_volume,
    with_volume_asked,
)

FILE = "system_u:object_r:container_file_t"


def labelled(label: str | None) -> object:
    return replace(VOLUME, security_label=label)


def test_the_container_s_own_categories_pass_in_any_order() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_volume(facts=labelled(f"{FILE}:s0:c276,c229")))


@pytest.mark.parametrize(
    "label", [f"{FILE}:s0:c1,c2", f"{FILE}:s0:c229", f"{FILE}:s0", "system_u:object_r:var_t:s0", None]
)
def test_every_other_label_fails_and_is_drift_where_z_was_asked_for_one(label: str | None) -> None:
    assert fails(CHECK, with_volume(facts=labelled(label)), drift=True)


def test_a_volume_for_which_no_label_was_asked_fails_without_drift_and_is_named() -> None:
    subject = with_volume_asked("rw")
    volume = replace(MOUNTED, asked=replace(CONTAINER.mounts[0], flags=("rw",)), facts=labelled("a:b:var_t:s0"))  # type: ignore[arg-type]
    subject = replace(subject, volumes=(volume,))
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data is labelled for no container"


def test_a_label_that_nobody_asked_for_passes_with_drift() -> None:
    outcome = CHECK.examine(with_volume_asked("rw"))
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)


def test_a_label_for_all_passes_where_it_was_asked_for_or_where_another_container_is_there() -> None:
    to_share = with_volume_asked("z")
    assert to_share.volumes
    for_all = replace(to_share.volumes[0], facts=labelled(f"{FILE}:s0"))  # type: ignore[arg-type]
    assert passes(CHECK, replace(to_share, volumes=(for_all,)))
    shared = with_volume(facts=labelled(f"{FILE}:s0"), sharers=(Sharer("good01", writable=False),))
    assert passes(CHECK, shared)


def test_a_label_for_all_is_unknown_where_nobody_tells_what_was_asked() -> None:
    subject = with_volume(facts=labelled(f"{FILE}:s0"), asked=None)
    assert verdict(CHECK, replace(subject, container=None)) is Verdict.UNKNOWN


def test_a_volume_that_was_not_read_is_unknown_but_not_beside_a_wrong_one() -> None:
    unread = replace(MOUNTED, facts=None)
    assert verdict(CHECK, replace(SECURE, volumes=(MOUNTED, unread))) is Verdict.UNKNOWN
    wrong = replace(MOUNTED, facts=labelled(f"{FILE}:s0:c1,c2"))  # type: ignore[arg-type]
    assert verdict(CHECK, replace(SECURE, volumes=(unread, wrong))) is Verdict.FAIL


@pytest.mark.parametrize("source", ["/etc", "/etc/", "/var/log"])
def test_what_podman_refuses_to_label_is_not_judged(source: str) -> None:
    subject = with_volume_asked("ro", source=source)
    assert verdict(CHECK, subject) is Verdict.NOT_APPLICABLE
    assert declared(subject).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_without_selinux_it_does_not_apply(mode: str | None) -> None:
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, selinux_mode=mode))) is Verdict.NOT_APPLICABLE


def test_without_a_label_to_confine_the_container_it_does_not_apply() -> None:
    assert verdict(CHECK, with_every_process(security_label="a:b:spc_t:s0")) is Verdict.NOT_APPLICABLE
    assert declared(with_declared(selinux_process_label="")).verdict is Verdict.NOT_APPLICABLE


def test_without_a_volume_it_does_not_apply() -> None:
    assert verdict(CHECK, replace(SECURE, volumes=())) is Verdict.NOT_APPLICABLE


def test_an_unreadable_label_of_the_processes_is_unknown() -> None:
    assert verdict(CHECK, with_every_process(security_label=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN


def test_what_was_asked_for_is_z_or_z_for_all() -> None:
    assert declared(with_volume_asked("Z")).verdict is Verdict.PASS
    assert declared(with_volume_asked("z", "idmap")).verdict is Verdict.PASS
    assert declared(with_volume_asked("rw")).verdict is Verdict.FAIL
    assert declared(replace(SECURE, container=replace(CONTAINER, inspected=False))).verdict is Verdict.UNKNOWN
