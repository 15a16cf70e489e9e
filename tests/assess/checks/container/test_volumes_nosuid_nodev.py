from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.volumes_nosuid_nodev import CHECK, declared
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    IN_THE_DARK,
    SECURE,
    fails,
    passes,
    verdict,
    with_volume_asked,
    with_volume_mount,
)


def test_both_words_pass_whoever_asked_for_them() -> None:
    assert passes(CHECK)
    assert passes(CHECK, with_volume_asked("rw", "Z"))


@pytest.mark.parametrize("options", [("rw",), ("rw", "nosuid"), ("rw", "nodev")])
def test_either_word_that_is_missing_fails_with_drift_where_both_were_asked(options: tuple[str, ...]) -> None:
    assert fails(CHECK, with_volume_mount(options=options), drift=True)


def test_nobody_asked_and_neither_is_in_force_fails_without_drift() -> None:
    subject = replace(with_volume_asked("rw"), volumes=with_volume_mount(options=("rw",)).volumes)
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data is not nosuid and not nodev"


def test_of_a_named_volume_podman_asks_itself() -> None:
    named = replace(CONTAINER.mounts[0], kind="volume", flags=("Z",))
    for flags, wanted in ((("Z",), Verdict.PASS), (("suid",), Verdict.FAIL)):
        container = replace(CONTAINER, mounts=(replace(named, flags=flags),))
        assert declared(replace(SECURE, container=container)).verdict is wanted


def test_of_a_bind_mount_both_have_to_be_asked_for() -> None:
    assert declared(SECURE).verdict is Verdict.PASS
    assert declared(with_volume_asked("rw", "nosuid")).verdict is Verdict.FAIL
    assert declared(replace(SECURE, container=replace(CONTAINER, mounts=()))).verdict is Verdict.NOT_APPLICABLE
    assert declared(replace(SECURE, container=replace(CONTAINER, inspected=False))).verdict is Verdict.UNKNOWN


def test_without_a_volume_it_does_not_apply() -> None:
    assert verdict(CHECK, replace(SECURE, volumes=())) is Verdict.NOT_APPLICABLE


def test_unreadable_mounts_are_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
