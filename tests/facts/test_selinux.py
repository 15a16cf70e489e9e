from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.selinux import Context, parse_context


@pytest.mark.parametrize(
    ("text", "domain", "level"),
    [
        ("system_u:system_r:container_t:s0:c161,c724", "container_t", "s0:c161,c724"),
        ("system_u:system_r:container_t:s0:c5", "container_t", "s0:c5"),
        ("system_u:system_r:container_t:s0:c1.c3", "container_t", "s0:c1.c3"),
        ("system_u:system_r:container_t:s0:c3,c2,c1", "container_t", "s0:c1.c3"),
        ("system_u:system_r:container_t:s0:c1,c10.c12", "container_t", "s0:c1,c10.c12"),
        ("system_u:system_r:container_t:s0-s0:c1,c2", "container_t", "s0:c1,c2"),
        ("system_u:system_r:container_t:s0:c1,c2-s0:c1,c2", "container_t", "s0:c1,c2"),
        ("system_u:system_r:container_t:s0", "container_t", ""),
        ("system_u:system_r:container_t:s0:c?,c?", "container_t", ""),
        ("system_u:system_r:spc_t:s0", "spc_t", ""),
        ("unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023", "unconfined_t", ""),
        ("a:b", "", ""),
        ("a:b:c", "", ""),
        ("docker-default (enforce)", "", ""),
        ("", "", ""),
    ],
)
def test_a_context_is_a_domain_and_a_level(text: str, domain: str, level: str) -> None:
    context = parse_context(text)
    assert (context.domain, context.level) == (domain, level)


def test_a_level_is_kept_as_it_was_written_too() -> None:
    assert parse_context("u:r:container_t:s0-s0:c3,c2,c1").written_level == "s0-s0:c3,c2,c1"
    assert parse_context("u:r:container_t:s0").written_level == "s0"


@given(st.text())
def test_no_text_at_all_breaks_a_context(text: str) -> None:
    assert parse_context(text) == Context() or ":" in text
    assert not parse_context("u:r:container_t:" + text).level or text.startswith("s")


@given(st.sets(st.integers(0, 1023), min_size=1, max_size=12))
def test_a_level_is_written_as_the_kernel_does_and_read_again(numbers: set[int]) -> None:
    label = f"u:r:container_t:s0:{','.join(f'c{number}' for number in numbers)}"
    once = parse_context(label)
    assert once.categories == frozenset(numbers)
    again = parse_context(f"u:r:container_t:{once.level}")
    assert (again.level, again.categories) == (once.level, once.categories)
