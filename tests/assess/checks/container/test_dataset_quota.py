from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.dataset_quota import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import DATASET, IN_THE_DARK, SECURE, fails, passes, verdict, with_volume_mount


def test_a_quota_or_a_refquota_passes() -> None:
    assert passes(CHECK)
    assert passes(
        CHECK, replace(SECURE, datasets={DATASET.name: replace(DATASET, quota_bytes=None, refquota_bytes=1000)})
    )


def test_neither_fails_and_the_dataset_is_named() -> None:
    subject = replace(SECURE, datasets={DATASET.name: replace(DATASET, quota_bytes=None)})
    assert fails(CHECK, subject)
    assert CHECK.examine(subject).detail == "/data is on tank/containers/objects02"


def test_what_is_not_written_to_or_on_no_dataset_is_not_judged() -> None:
    assert verdict(CHECK, with_volume_mount(options=("ro",))) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, with_volume_mount(filesystem="ext4")) is Verdict.NOT_APPLICABLE


def test_a_zfs_that_does_not_answer_or_does_not_know_the_dataset_is_unknown() -> None:
    assert verdict(CHECK, replace(SECURE, datasets=None)) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, datasets={})) is Verdict.UNKNOWN
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
