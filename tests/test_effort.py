from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.effort import examples, steps

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _chosen_profile_comes_back() -> Iterator[None]:
    settings.register_profile("chosen", settings())
    yield
    settings.load_profile("chosen")


def test_the_full_profile_tries_as_much_as_a_test_asks_for_and_hypothesis_by_itself() -> None:
    settings.load_profile("full")
    assert (examples(300), steps(40)) == (300, 40)
    by_itself = settings.get_profile("default")
    assert (settings().max_examples, settings().stateful_step_count) == (
        by_itself.max_examples,
        by_itself.stateful_step_count,
    )


def test_the_small_profile_tries_a_share_of_it_and_never_nothing() -> None:
    settings.load_profile("small")
    assert settings().max_examples == 20
    assert (examples(300), examples(25), examples(1)) == (60, 5, 1)
    assert (steps(40), steps(1)) == (20, 1)


@pytest.mark.parametrize("profile", ["full", "small"])
def test_no_property_has_a_deadline(profile: str) -> None:
    assert settings.get_profile(profile).deadline is None


def test_no_test_overrides_the_profile_with_a_number_of_its_own() -> None:
    fixed = re.compile(r"(?:max_examples|stateful_step_count)=\d")
    files = [path for path in TESTS.rglob("*.py") if path.name != "effort.py"]
    assert [path.name for path in files if fixed.search(path.read_text())] == []
