from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.limits.memory import judge_memory, working_set_bytes
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, PayloadUse
from exporter.report.container import MemoryJudgement
from exporter.report.thresholds import Thresholds
from tests.assess.secure import CGROUPS, PAYLOAD_LEVEL, SERVICE_LEVEL, SLICE_LEVEL, with_level

LIMITS = Thresholds()


def judged(*levels: CgroupLevel, peak: int | None = None) -> MemoryJudgement:
    return judge_memory(ContainerCgroups("c" * 64, 0, PayloadUse(memory_peak_bytes=peak), levels), LIMITS)


def test_the_limit_that_binds_is_the_smallest_on_the_way_up() -> None:
    memory = judged(
        replace(PAYLOAD_LEVEL, memory_max_bytes=300),
        replace(SERVICE_LEVEL, memory_max_bytes=100),
        replace(SLICE_LEVEL, memory_max_bytes=200),
    )
    assert (memory.limit_bytes, memory.limit_level) == (100, Level.SERVICE)


def test_of_equal_limits_the_innermost_is_named() -> None:
    assert judge_memory(CGROUPS, LIMITS).limit_level is Level.PAYLOAD


def test_the_ratio_is_that_of_the_level_nearest_to_its_limit() -> None:
    # conmon lives in the service and not in the payload: the service is the fuller of two equal limits.
    memory = judge_memory(CGROUPS, LIMITS)
    assert memory.ratio == pytest.approx((424_000_000 - 14_000_000) / 511_997_952)
    assert memory.ratio_level is Level.SERVICE


def test_a_slice_with_the_only_limit_gives_limit_and_ratio() -> None:
    memory = judged(
        replace(PAYLOAD_LEVEL, memory_max_bytes=None),
        replace(SERVICE_LEVEL, memory_max_bytes=None),
        replace(SLICE_LEVEL, memory_max_bytes=1_000_000_000),
    )
    assert memory.limit_level is Level.SLICE
    assert memory.ratio == pytest.approx(0.41)


def test_without_a_limit_there_is_neither_limit_nor_ratio() -> None:
    memory = judged(replace(PAYLOAD_LEVEL, memory_max_bytes=None))
    assert (memory.limit_bytes, memory.limit_level, memory.ratio) == (None, None, None)
    assert memory.usage_bytes == 420_000_000


def test_page_cache_that_can_be_dropped_is_no_working_set() -> None:
    assert judge_memory(CGROUPS, LIMITS).working_set_bytes == 406_000_000


def test_more_inactive_file_than_usage_is_an_empty_working_set() -> None:
    # The kernel batches memory.stat: for a moment it may run ahead of memory.current.
    assert working_set_bytes(replace(PAYLOAD_LEVEL, memory_current_bytes=1, memory_inactive_file_bytes=2)) == 0


def test_a_limit_of_zero_has_no_ratio() -> None:
    memory = judged(replace(PAYLOAD_LEVEL, memory_max_bytes=0))
    assert (memory.limit_bytes, memory.ratio) == (0, None)


def test_the_recommended_limit_puts_the_peak_at_the_target() -> None:
    assert judged(PAYLOAD_LEVEL, peak=400_000_000).recommended_limit_bytes == 500_000_000
    assert judged(PAYLOAD_LEVEL).recommended_limit_bytes is None


def test_the_smallest_high_is_shown() -> None:
    subject = with_level(Level.SLICE, memory_high_bytes=7)
    assert judge_memory(subject.cgroups, LIMITS).high_bytes == 7


def test_what_was_not_read_is_absent() -> None:
    assert judge_memory(None, LIMITS) == MemoryJudgement()
    assert judged() == MemoryJudgement()


@given(
    st.lists(
        st.tuples(st.none() | st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12)),
        min_size=1,
        max_size=6,
    )
)
def test_no_level_is_nearer_to_its_limit_than_the_ratio_says(figures: list[tuple[int | None, int, int]]) -> None:
    levels = tuple(
        replace(
            SLICE_LEVEL,
            path=f"/{number}",
            memory_max_bytes=limit,
            memory_current_bytes=current,
            memory_inactive_file_bytes=inactive,
        )
        for number, (limit, current, inactive) in enumerate(figures)
    )
    memory = judged(*levels)
    limits = [limit for limit, _, _ in figures if limit is not None]
    assert memory.limit_bytes == min(limits, default=None)
    for limit, current, inactive in figures:
        if limit:
            assert memory.ratio is not None
            assert memory.ratio >= max(0, current - inactive) / limit
