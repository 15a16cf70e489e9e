from __future__ import annotations

from dataclasses import replace

from exporter.assess.checks.container.no_added_devices import CHECK
from exporter.report.findings import Verdict
from tests.assess.secure import (
    IN_THE_DARK,
    NULL,
    PROCESSES,
    SECURE,
    fails,
    passes,
    verdict,
    with_container,
    with_declared,
    with_mount,
)

FUSE = replace(NULL, mount_point="/dev/fuse", root="/fuse")


def test_the_devices_of_every_container_pass() -> None:
    assert passes(CHECK)


def test_a_device_that_is_mounted_fails_with_drift_unless_it_was_asked_for() -> None:
    assert fails(CHECK, with_mount(FUSE), drift=True)
    asked = replace(with_mount(FUSE), container=with_declared(devices=("/dev/fuse",)).container)
    assert fails(CHECK, asked)
    assert CHECK.examine(asked).detail == "/dev/fuse"


def test_a_device_that_was_asked_for_and_is_a_node_fails() -> None:
    assert fails(CHECK, with_declared(devices=("/dev/fuse",)))


def test_a_privileged_container_has_every_device() -> None:
    assert fails(CHECK, with_declared(privileged=True))


def test_without_podman_only_a_users_container_shows_all_its_devices() -> None:
    assert verdict(CHECK, replace(SECURE, container=None)) is Verdict.UNKNOWN
    assert passes(CHECK, replace(SECURE, container=None, user="alice"))


def test_what_is_not_readable_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    assert verdict(CHECK, replace(SECURE, processes=replace(PROCESSES, mounts=()))) is Verdict.UNKNOWN
    assert verdict(CHECK, with_container(inspected=False)) is Verdict.UNKNOWN
