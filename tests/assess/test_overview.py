"""What is known of all containers together, before one of them is judged."""

from __future__ import annotations

from dataclasses import replace

from exporter.assess.inventory import known_containers
from exporter.assess.overview import Overview, overview_of
from exporter.facts.container import Container
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CONTAINER
from tests.assess.snapshots import SNAPSHOT, answered

TWIN = replace(CONTAINER, id="e" * 64, name="twin", unit="")


def overview(*listed: Container) -> Overview:
    snapshot = replace(SNAPSHOT, podman=answered((CONTAINER, *listed)))
    return overview_of(snapshot, known_containers(snapshot), {}, Thresholds(), ())


def test_two_of_roots_containers_that_are_declared_with_one_label_and_the_same_ids_share_both() -> None:
    found = overview(TWIN)
    assert found.labels_shared_with["objects02"].declared == ("twin",)
    assert found.ids_shared_with["objects02"].declared == ("twin",)


def test_what_a_users_podman_declares_is_shared_with_none_of_roots_containers() -> None:
    found = overview(replace(TWIN, name="alice/twin", user="alice"))
    assert "objects02" not in found.labels_shared_with
    assert "objects02" not in found.ids_shared_with


def test_what_one_users_podman_declares_twice_is_shared_by_both() -> None:
    twins = (replace(TWIN, id=each * 64, name=f"alice/{each}", user="alice") for each in "de")
    found = overview(*twins)
    assert found.labels_shared_with["alice/d"].declared == ("alice/e",)
