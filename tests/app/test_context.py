"""What sources ask of one another: of whose containers they are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.app.context import Context
from exporter.facts.container import Container
from tests.assess.secure import CONTAINER, ID, PROCESSES, UNIT
from tests.assess.snapshots import SNAPSHOT, answered

ALICES = replace(CONTAINER, name="alice/mine", user="alice", mounts=())


def test_a_slice_is_asked_about_while_its_container_is_between_two_lives() -> None:
    context = Context(lambda: ())
    context.keep("podman", answered((CONTAINER,)))
    context.keep("systemd", SNAPSHOT.systemd)
    assert {UNIT.name, UNIT.slice} <= context.units()


def test_a_unit_that_nobody_asks_for_any_more_keeps_no_slice_asked_for() -> None:
    context = Context(lambda: ())
    context.keep("systemd", SNAPSHOT.systemd)
    assert context.units() == frozenset()


@pytest.mark.parametrize("listed", [(CONTAINER, ALICES), (ALICES, CONTAINER)], ids=["after", "before"])
def test_the_volumes_of_roots_container_are_roots_though_a_users_podman_lists_its_id(
    listed: tuple[Container, ...],
) -> None:
    context = Context(lambda: (f"/services.slice/x.service/libpod-payload-{ID}",))
    context.keep("host", SNAPSHOT.host)
    context.keep("process", SNAPSHOT.process)
    context.keep("podman", answered(listed))
    (volumes,) = context.volumes()
    assert volumes.container == CONTAINER.name
    assert volumes.container_id == PROCESSES.container_id
