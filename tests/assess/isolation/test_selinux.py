from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.isolation.selinux import categories_of, label_kind, type_and_level
from exporter.report.container import LabelKind
from tests.assess.secure import HOST, LABEL

FILE = "system_u:object_r:container_file_t"


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (f"{FILE}:s0:c229,c276", LabelKind.PRIVATE),
        (f"{FILE}:s0:c276,c229", LabelKind.PRIVATE),
        (f"{FILE}:s0", LabelKind.SHARED),
        (f"{FILE}:s0:c1,c2", LabelKind.FOREIGN),
        (f"{FILE}:s0:c229", LabelKind.SHARED),
        ("system_u:object_r:unlabeled_t:s0", LabelKind.UNLABELLED),
        ("system_u:object_r:etc_t:s0", LabelKind.UNLABELLED),
        ("nonsense", LabelKind.UNLABELLED),
        (None, LabelKind.UNLABELLED),
    ],
)
def test_a_label_lets_in_its_own_container_or_all_or_another_or_none(label: str | None, kind: LabelKind) -> None:
    assert label_kind(label, LABEL) is kind


@pytest.mark.parametrize("label", [None, "", "unconfined", "containers-default-0.62.2 (enforce)"])
def test_without_a_label_of_selinux_there_is_nothing_to_hold_it_against(label: str | None) -> None:
    assert label_kind(f"{FILE}:s0", label) is None


def test_a_process_without_categories_owns_no_label() -> None:
    assert label_kind(f"{FILE}:s0:c1022,c1023", "system_u:system_r:spc_t:s0") is None
    assert label_kind(f"{FILE}:s0", "system_u:system_r:spc_t:s0") is LabelKind.SHARED


def test_who_is_cleared_for_more_than_a_label_asks_for_shares_it() -> None:
    wide = "system_u:system_r:container_t:s0:c1.c3"
    assert label_kind(f"{FILE}:s0:c1,c3", wide) is LabelKind.SHARED
    assert label_kind(f"{FILE}:s0:c1.c3", wide) is LabelKind.PRIVATE
    assert label_kind(f"{FILE}:s0:c1.c4", wide) is LabelKind.FOREIGN


@given(st.sets(st.integers(0, 1023), min_size=1, max_size=4))
def test_categories_are_those_that_were_written(numbers: set[int]) -> None:
    level = f"s0:{','.join(f'c{number}' for number in sorted(numbers))}"
    assert categories_of(f"{FILE}:{level}") == frozenset(numbers)
    assert type_and_level(f"{FILE}:{level}") == ("container_file_t", level)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_is_taken_for_a_private_label_unless_its_categories_are_the_process_s(volume: str, own: str) -> None:
    if label_kind(volume, own) is LabelKind.PRIVATE:
        assert categories_of(volume) == categories_of(own) != frozenset()


def test_labels_mean_something_where_selinux_is_on_even_if_it_only_warns() -> None:
    assert HOST.has_selinux
    assert replace(HOST, selinux_mode="permissive").has_selinux
    assert not replace(HOST, selinux_mode="disabled").has_selinux
