"""Which unit is believed to run a container: images may set the label that claims it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.facts.container import Container
from exporter.facts.unit import Quadlet
from exporter.facts.unit_claims import with_believed_units
from tests.assess.secure import CONTAINER

WEB = replace(CONTAINER, id="1" * 64, name="web", unit="web.service")
EVIL = replace(CONTAINER, id="e" * 64, name="zz-evil", unit="web.service")  # by the label of its image
IN_UNIT = f"/services.slice/services-web.slice/web.service/libpod-payload-{WEB.id}"
IN_SCOPE = f"/machine.slice/libpod-{EVIL.id}.scope/container"
QUADLET = Quadlet("web.service", "web", "/etc/containers/systemd/web.container", wanted=True)


def units(*containers: Container, **others: object) -> dict[str, str]:
    said = {"paths": {}, "quadlets": ()} | others
    return {one.name: one.unit for one in with_believed_units(containers, **said)}  # type: ignore[arg-type]


@pytest.mark.parametrize("paths", [{WEB.id: IN_UNIT, EVIL.id: IN_SCOPE}, {EVIL.id: IN_SCOPE}, {WEB.id: IN_UNIT}, {}])
def test_the_unit_of_a_quadlet_runs_the_containers_of_that_quadlet_alone(paths: dict[str, str]) -> None:
    assert units(WEB, EVIL, paths=paths, quadlets=(QUADLET,)) == {"web": "web.service", "zz-evil": ""}
    assert units(EVIL, paths=paths, quadlets=(QUADLET,)) == {"zz-evil": ""}


def test_of_two_that_claim_a_unit_written_by_hand_the_one_that_lives_in_it_is_believed() -> None:
    assert units(WEB, EVIL, paths={WEB.id: IN_UNIT, EVIL.id: IN_SCOPE}) == {"web": "web.service", "zz-evil": ""}


def test_of_two_that_claim_a_unit_in_which_neither_lives_none_is_believed() -> None:
    assert units(WEB, EVIL, paths={EVIL.id: IN_SCOPE}) == {"web": "", "zz-evil": ""}


def test_while_its_container_is_away_nobody_takes_over_a_unit_that_the_ledger_remembers() -> None:
    paths = {EVIL.id: IN_SCOPE}
    assert units(EVIL, paths=paths, remembered_units={"web": "web.service"}) == {"zz-evil": ""}
    assert units(WEB, remembered_units={"web": "web.service"}) == {"web": "web.service"}


def test_a_container_that_lives_in_a_unit_is_of_that_unit_whatever_its_label_says() -> None:
    paths = {EVIL.id: f"/system.slice/evil.service/libpod-payload-{EVIL.id}"}
    assert units(EVIL, paths=paths) == {"zz-evil": "evil.service"}


def test_a_unit_written_by_hand_that_nobody_else_claims_is_believed_wherever_the_container_lives() -> None:
    assert units(WEB, paths={WEB.id: f"/machine.slice/libpod-{WEB.id}.scope/container"}) == {"web": "web.service"}
    assert units(WEB) == {"web": "web.service"}


def test_between_two_lives_of_one_container_both_ids_are_of_its_unit() -> None:
    old = replace(WEB, id="2" * 64)
    assert units(old, WEB, paths={WEB.id: IN_UNIT}) == {"web": "web.service"}


def test_what_a_users_podman_lists_claims_nothing_of_root() -> None:
    assert units(WEB, replace(EVIL, user="alice", name="alice/web")) == {
        "web": "web.service",
        "alice/web": "web.service",
    }


def test_a_container_without_the_label_is_given_no_unit() -> None:
    assert units(replace(WEB, unit=""), paths={WEB.id: IN_UNIT}) == {"web": ""}
