from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.shared_volumes_idmapped import CHECK, declared
from exporter.assess.storage.volumes import Sharer
from exporter.facts.container import IdRange
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    DATA,
    IN_THE_DARK,
    SECURE,
    fails,
    passes,
    verdict,
    with_declared,
    with_every_process,
    with_volume,
    with_volume_asked,
)

SOURCE = "/data/containers/objects02"
READER, WRITER = Sharer("good01", writable=False), Sharer("good02", writable=True)
IDMAPPED = replace(DATA, options=(*DATA.options, "idmapped"))
READ_ONLY = replace(DATA, options=("ro", "relatime"))


def test_a_volume_of_one_container_needs_no_idmap() -> None:
    assert passes(CHECK)


def test_a_shared_volume_without_idmap_fails_and_the_other_is_named() -> None:
    subject = with_volume(sharers=(READER,))
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data, with good01"


def test_a_shared_volume_with_idmap_passes() -> None:
    assert verdict(CHECK, with_volume(sharers=(WRITER,), mount=IDMAPPED)) is Verdict.PASS


def test_what_nobody_writes_needs_no_idmap_and_what_the_other_writes_does() -> None:
    assert verdict(CHECK, with_volume(sharers=(READER,), mount=READ_ONLY)) is Verdict.PASS
    assert verdict(CHECK, with_volume(sharers=(WRITER,), mount=READ_ONLY)) is Verdict.FAIL


def test_idmap_that_was_asked_for_and_is_not_in_force_is_drift() -> None:
    asked = with_volume_asked("z", "idmap")
    assert asked.volumes
    assert fails(CHECK, replace(asked, volumes=(replace(asked.volumes[0], sharers=(READER,)),)), drift=True)


def test_without_ids_of_its_own_it_does_not_apply() -> None:
    subject = with_every_process(uid_map=(IdRange(0, 0, 4294967295),))
    assert verdict(CHECK, replace(subject, volumes=with_volume(sharers=(READER,)).volumes)) is Verdict.NOT_APPLICABLE
    asked = with_declared(userns_auto=False, userns_mode="", uid_map=())
    assert declared(replace(asked, asked_by_others={SOURCE: (READER,)})).verdict is Verdict.NOT_APPLICABLE


def test_what_was_asked_for_is_judged_by_who_else_asks_for_it() -> None:
    for flags, others, wanted in (
        (("Z",), (), Verdict.PASS),
        (("z",), (READER,), Verdict.FAIL),
        (("z", "idmap"), (READER,), Verdict.PASS),
    ):
        subject = replace(with_volume_asked(*flags), asked_by_others={SOURCE: others})
        assert declared(subject).verdict is wanted
    assert declared(replace(SECURE, container=replace(CONTAINER, inspected=False))).verdict is Verdict.UNKNOWN


def test_unreadable_mounts_are_unknown() -> None:
    assert verdict(CHECK, replace(SECURE, volumes=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN


def test_ids_that_nobody_knows_are_not_the_hosts() -> None:
    subject = with_every_process(uid_map=())
    assert verdict(CHECK, replace(subject, volumes=with_volume(sharers=(READER,)).volumes)) is Verdict.UNKNOWN
