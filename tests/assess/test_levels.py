from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.assess.inventory import Resident
from exporter.assess.levels import names_by_level
from tests.assess.secure import CONTAINER, LABEL, PROCESS, PROCESSES


def container(name: str, *, asked: str | None = LABEL, in_force: str | None = LABEL) -> Resident:
    facts = replace(CONTAINER, name=name, security=replace(CONTAINER.security, selinux_process_label=asked))
    processes = replace(PROCESSES, processes=(replace(PROCESS, security_label=in_force),))
    return Resident(name, "", name, "running", facts, None, processes, None)


def test_a_container_is_known_by_the_categories_of_its_label_asked_for_or_in_force() -> None:
    assert names_by_level((container("web"),)) == {"s0:c229,c276": "web"}
    assert names_by_level((container("web", asked=None),)) == {"s0:c229,c276": "web"}
    assert names_by_level((container("web", in_force=None),)) == {"s0:c229,c276": "web"}


def test_two_labels_of_one_container_are_both_its_own() -> None:
    other = "system_u:system_r:container_t:s0:c1,c2"
    assert set(names_by_level((container("web", in_force=other),))) == {"s0:c229,c276", "s0:c1,c2"}


def test_a_label_of_several_is_nobodys() -> None:
    assert names_by_level((container("a"), container("b"), container("c"))) == {"s0:c229,c276": ""}


@pytest.mark.parametrize(
    "label", ["", "docker-default (enforce)", "system_u:system_r:spc_t:s0", "u:r:unconfined_t:s0-s0:c0.c1023"]
)
def test_a_label_without_categories_of_its_own_names_nobody(label: str) -> None:
    assert names_by_level((container("web", asked=label, in_force=label),)) == {}
