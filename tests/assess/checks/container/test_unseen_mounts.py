"""What no check of mounts passes: a mount that was asked for and is seen no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import (
    dataset_quota,
    label_not_shared_twice,
    no_added_devices,
    no_setuid_binaries_reachable,
    own_dataset,
    shared_volumes_idmapped,
    volumes_labelled_private,
    volumes_nosuid_nodev,
)
from exporter.facts.container import DeclaredMount
from exporter.report.findings import Verdict
from tests.assess.secure import PROCESSES, SECURE, fails, verdict, with_process, with_volume_mount

GONE = DeclaredMount("/srv/app", "/app", "bind", writable=True)
OF_VOLUMES = (
    *(dataset_quota, label_not_shared_twice, own_dataset),
    *(shared_volumes_idmapped, volumes_labelled_private, volumes_nosuid_nodev),
)


@pytest.mark.parametrize("check", [module.CHECK for module in OF_VOLUMES], ids=lambda check: check.id)
def test_a_volume_that_is_not_seen_any_more_is_unknown_with_drift(check: ContainerCheck) -> None:
    assert verdict(check, SECURE) is Verdict.PASS
    outcome = check.examine(replace(SECURE, unseen_mounts=(GONE,)))
    assert (outcome.verdict, outcome.drift, outcome.detail) == (Verdict.UNKNOWN, True, "/srv/app at /app")


@pytest.mark.parametrize("module", [dataset_quota, own_dataset, volumes_labelled_private, volumes_nosuid_nodev])
def test_nor_has_a_container_no_volume_whose_only_one_is_not_seen(module: object) -> None:
    check: ContainerCheck = module.CHECK  # type: ignore[attr-defined]  # each of these modules has one
    assert verdict(check, replace(SECURE, volumes=())) is Verdict.NOT_APPLICABLE
    assert verdict(check, replace(SECURE, volumes=(), unseen_mounts=(GONE,))) is Verdict.UNKNOWN


@pytest.mark.parametrize("module", [dataset_quota, own_dataset])
def test_what_the_container_may_not_write_to_fills_nothing(module: object) -> None:
    check: ContainerCheck = module.CHECK  # type: ignore[attr-defined]  # as above
    assert verdict(check, replace(SECURE, unseen_mounts=(replace(GONE, writable=False),))) is Verdict.PASS


def test_a_failure_that_is_seen_stays_one() -> None:
    bare = with_volume_mount(options=("rw",))
    assert fails(volumes_nosuid_nodev.CHECK, replace(bare, unseen_mounts=(GONE,)), drift=True)


def test_a_device_that_was_mounted_as_a_volume_and_is_not_seen_is_unknown() -> None:
    disk = replace(GONE, source="/dev/vda")
    assert verdict(no_added_devices.CHECK, replace(SECURE, unseen_mounts=(disk,))) is Verdict.UNKNOWN
    assert verdict(no_added_devices.CHECK, replace(SECURE, unseen_mounts=(GONE,))) is Verdict.PASS


def test_a_mount_that_is_not_seen_may_hold_set_user_id_programs() -> None:
    check = no_setuid_binaries_reachable.CHECK
    nosuid = replace(
        with_process(no_new_privileges=False).processes or PROCESSES,
        mounts=tuple(replace(one, options=("nosuid",)) for one in PROCESSES.mounts),
    )
    assert verdict(check, replace(SECURE, processes=nosuid)) is Verdict.PASS
    assert verdict(check, replace(SECURE, processes=nosuid, unseen_mounts=(GONE,))) is Verdict.UNKNOWN
