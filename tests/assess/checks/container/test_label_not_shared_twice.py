from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.label_not_shared_twice import CHECK, declared
from exporter.assess.storage.volumes import Sharer
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    HOST,
    IN_THE_DARK,
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

SOURCE = "/data/containers/objects02"
OWN = frozenset({229, 276})
OTHER = Sharer("good01", writable=True, flags=("Z",), categories=frozenset({1, 2}))
FOR_ALL = replace(VOLUME, security_label="system_u:object_r:container_file_t:s0")


def test_a_volume_of_one_container_passes() -> None:
    assert passes(CHECK)


@pytest.mark.parametrize("level", ["s0:c229,c276", "s0:c1,c2", "s0:c8,c9"])
def test_a_shared_volume_with_anybody_s_categories_fails_and_the_other_is_named(level: str) -> None:
    label = replace(VOLUME, security_label=f"system_u:object_r:container_file_t:{level}")
    subject = replace(with_volume(sharers=(OTHER,), facts=label), asked_by_others={SOURCE: (OTHER,)})
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data, with good01"


def test_a_shared_volume_that_is_labelled_for_all_passes() -> None:
    assert passes(CHECK, with_volume(sharers=(OTHER,), facts=FOR_ALL))


def test_containers_with_one_label_share_what_is_theirs() -> None:
    assert passes(CHECK, with_volume(sharers=(replace(OTHER, categories=OWN),)))


def test_who_is_cleared_for_more_is_not_locked_out() -> None:
    assert passes(CHECK, with_volume(sharers=(replace(OTHER, categories=OWN | {7}),)))


def test_a_label_mended_by_hand_passes_with_drift_and_one_that_was_changed_fails_with_drift() -> None:
    mended = replace(with_volume(sharers=(OTHER,), facts=FOR_ALL), asked_by_others={SOURCE: (OTHER,)})
    outcome = CHECK.examine(mended)
    assert (outcome.verdict, outcome.drift) == (Verdict.PASS, True)
    asked = replace(with_volume_asked("z"), asked_by_others={SOURCE: (replace(OTHER, flags=("z",)),)})
    assert asked.volumes
    assert fails(CHECK, replace(asked, volumes=(replace(asked.volumes[0], sharers=(OTHER,)),)), drift=True)


def test_a_sharer_of_whom_podman_knows_nothing_is_no_drift() -> None:
    assert fails(CHECK, with_volume(sharers=(OTHER,)))


def test_what_was_asked_for_fails_with_z_on_either_side() -> None:
    for own, other, wanted in (
        (("Z",), ("Z",), Verdict.FAIL),
        (("z",), ("Z",), Verdict.FAIL),
        (("Z",), (), Verdict.FAIL),
        (("z",), ("z",), Verdict.PASS),
    ):
        subject = replace(with_volume_asked(*own), asked_by_others={SOURCE: (replace(OTHER, flags=other),)})
        assert declared(subject).verdict is wanted
    assert declared(with_declared(selinux_process_label="")).verdict is Verdict.NOT_APPLICABLE
    assert declared(replace(SECURE, container=replace(CONTAINER, inspected=False))).verdict is Verdict.UNKNOWN


def test_without_selinux_or_without_a_label_of_its_own_it_does_not_apply() -> None:
    assert verdict(CHECK, replace(SECURE, host=replace(HOST, selinux_mode=None))) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, with_every_process(security_label="a:b:spc_t:s0")) is Verdict.NOT_APPLICABLE


def test_a_shared_volume_that_was_not_read_is_unknown_and_an_own_one_does_not_matter() -> None:
    assert verdict(CHECK, with_volume(sharers=(OTHER,), facts=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, with_volume(facts=None)) is Verdict.PASS
    assert verdict(CHECK, replace(SECURE, volumes=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
