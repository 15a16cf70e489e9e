"""What we take a quadlet to come to is what podman's own generator makes of it."""

from __future__ import annotations

import pytest

from tests.sources.quadlet.generator import FILES, RECORDED, generated, ours

THEIRS = generated(RECORDED.read_text())
OURS = ours(FILES)


def test_the_generator_and_we_make_the_same_units() -> None:
    assert set(OURS) == set(THEIRS)
    assert len(THEIRS) > 11


@pytest.mark.parametrize("unit", sorted(THEIRS))
def test_every_flag_that_a_check_reads_is_the_generator_s(unit: str) -> None:
    theirs = sorted((name, value.replace("/quadlets", str(FILES))) for name, value in THEIRS[unit])
    assert OURS[unit] == theirs
