from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.checks.container.images_in_system_storage import CHECK
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.process import ContainerProcesses
from exporter.report.findings import Verdict
from tests.assess.secure import (
    CONTAINER,
    IN_THE_DARK,
    PROCESSES,
    ROOT,
    SECURE,
    fails,
    passes,
    verdict,
    with_container,
)

HOME = "/home/alice/.local/share/containers/storage"


def with_layers(*layers: str) -> ContainerSubject:
    root = replace(ROOT, layers=layers)
    return replace(SECURE, processes=replace(PROCESSES, mounts=(ROOT, root)))


def test_layers_below_the_systems_storage_pass() -> None:
    assert passes(CHECK)


def test_a_layer_elsewhere_fails_with_drift_unless_podman_says_so() -> None:
    subject = with_layers("/var/lib/containers/storage/overlay/l/A", f"{HOME}/overlay/l/B")
    assert fails(CHECK, subject, drift=True)
    assert CHECK.examine(subject).detail == f"{HOME}/overlay/l/B"
    assert fails(CHECK, replace(subject, container=with_container(storage_path=f"{HOME}/x").container))


def test_a_place_that_only_begins_alike_is_elsewhere() -> None:
    assert fails(CHECK, with_layers("/var/lib/containers-of-mine/overlay/l/A"), drift=True)


def test_where_the_driver_shows_no_layers_podman_decides() -> None:
    nothing = with_layers().processes
    assert passes(CHECK, with_layers("l/RELATIVE"))
    assert fails(CHECK, replace(with_container(storage_path=f"{HOME}/x"), processes=nothing))


@pytest.mark.parametrize("processes", [None, replace(PROCESSES, mounts=())], ids=["no processes", "no mounts"])
@pytest.mark.parametrize("place", [CONTAINER.storage_path, f"{HOME}/x", ""])
def test_what_podman_says_is_no_proof_while_the_mounts_are_not_readable(
    processes: ContainerProcesses | None, place: str
) -> None:
    assert verdict(CHECK, replace(with_container(storage_path=place), processes=processes)) is Verdict.UNKNOWN


def test_a_root_that_is_a_directory_is_no_image() -> None:
    assert verdict(CHECK, with_container(image="", image_id="")) is Verdict.NOT_APPLICABLE
    assert verdict(CHECK, with_container(image="/srv/root")) is Verdict.NOT_APPLICABLE


def test_the_kernel_decides_where_podman_is_not_asked() -> None:
    assert passes(CHECK, replace(SECURE, container=None))


def test_what_nobody_says_is_unknown() -> None:
    assert verdict(CHECK, IN_THE_DARK) is Verdict.UNKNOWN
    silent = with_container(storage_path="")
    assert verdict(CHECK, replace(silent, processes=with_layers().processes)) is Verdict.UNKNOWN
