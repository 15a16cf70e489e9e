from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.facts.cgroup import MemoryEvents, Pressure
from exporter.facts.reading import SourceError, Unreadable
from exporter.sources.cgroup.parse import (
    CpuStat,
    IoStat,
    parse_controllers,
    parse_count,
    parse_cpu_max,
    parse_cpu_stat,
    parse_inactive_file,
    parse_io_stat,
    parse_limit,
    parse_memory_events,
    parse_pids,
    parse_pressure,
    parse_unreclaimable,
)
from tests.effort import examples

PARSERS: tuple[Callable[[bytes], object], ...] = (
    parse_controllers,
    parse_count,
    parse_cpu_max,
    parse_cpu_stat,
    parse_inactive_file,
    parse_io_stat,
    parse_limit,
    parse_memory_events,
    parse_pids,
    parse_pressure,
    parse_unreclaimable,
)
NUMBERS = st.integers(0, 2**64 - 1)
KEYS = st.from_regex(r"[a-z][a-z_]{0,20}", fullmatch=True)
# Text in the kernel's own words, so that arbitrary bytes come near what is parsed.
NEARLY = st.lists(
    st.sampled_from(
        b"max|some|total=|rbytes=|anon|high|oom|0|1|-1|1_0| |=|\n|\xff|\xd9\xa3|123456789012345678901".split(b"|")
    ),
    max_size=20,
).map(b"".join)


@given(raw=st.binary(max_size=200) | NEARLY)
@example(raw=b"9" * 5000)
def test_arbitrary_bytes_raise_nothing_but_a_source_error(raw: bytes) -> None:
    for parse in PARSERS:
        with contextlib.suppress(SourceError):
            parse(raw)


@given(NUMBERS)
def test_a_count_and_a_limit_are_the_number_on_the_line(number: int) -> None:
    assert parse_count(b"%d\n" % number) == number
    assert parse_limit(b"%d\n" % number) == number


def test_max_is_no_limit() -> None:
    assert parse_limit(b"max\n") is None
    assert parse_cpu_max(b"max 100000\n") is None


@pytest.mark.parametrize("raw", [b"", b"\n", b"-1\n", b"1 2\n", b"maximum\n", b"1e3\n"])
def test_a_limit_in_no_known_shape_is_unreadable_and_not_absent(raw: bytes) -> None:
    with pytest.raises(Unreadable, match="number should stand"):
        parse_limit(raw)


@given(quota=st.integers(1, 10**9), period=st.integers(1000, 1_000_000))
def test_cpu_max_is_quota_over_period(quota: int, period: int) -> None:
    assert parse_cpu_max(b"%d %d\n" % (quota, period)) == quota / period


def test_a_period_of_zero_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"cpu\.max"):
        parse_cpu_max(b"100000 0\n")


@settings(max_examples=examples(50))
@given(
    known=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(["anon", "shmem", "slab_unreclaimable", "kernel_stack", "pagetables"], NUMBERS),
    ),
    inactive=NUMBERS,
    unknown=st.dictionaries(KEYS, NUMBERS, max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_memory_stat_is_found_by_key_in_any_order_among_unknown_lines(
    known: dict[str, int], inactive: int, unknown: dict[str, int], order: random.Random
) -> None:
    taken = {"anon", "shmem", "slab_unreclaimable", "kernel_stack", "pagetables", "inactive_file"}
    lines = [*known.items(), ("inactive_file", inactive), *((k, v) for k, v in unknown.items() if k not in taken)]
    order.shuffle(lines)
    raw = "".join(f"{key} {value}\n" for key, value in lines).encode()
    assert parse_inactive_file(raw) == inactive
    assert parse_unreclaimable(raw) == (sum(known.values()) if known else None)


def test_a_key_that_ends_as_another_is_not_that_other() -> None:
    raw = b"workingset_anon 5\ninactive_anon 7\nanon_thp 9\ntotal_inactive_file 1\n"
    assert parse_inactive_file(raw) is None
    assert parse_unreclaimable(raw) is None


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["high", "max", "oom", "oom_kill"], NUMBERS)))
def test_memory_events_are_by_key_and_zero_where_the_kernel_prints_none(events: dict[str, int]) -> None:
    raw = "".join(
        f"{key} {value}\n" for key, value in {"low": 1, **events, "oom_group_kill": 3, "sock_throttled": 2}.items()
    ).encode()
    assert parse_memory_events(raw) == MemoryEvents(**events)


@given(user=NUMBERS, system=NUMBERS, throttled=NUMBERS, periods=NUMBERS, throttled_periods=NUMBERS)
def test_cpu_stat_is_in_seconds(user: int, system: int, throttled: int, periods: int, throttled_periods: int) -> None:
    raw = (
        f"usage_usec 1\nuser_usec {user}\nsystem_usec {system}\nnice_usec 0\n"
        f"nr_periods {periods}\nnr_throttled {throttled_periods}\nthrottled_usec {throttled}\nnr_bursts 0\n"
    )
    assert parse_cpu_stat(raw.encode()) == CpuStat(
        user / 1_000_000, system / 1_000_000, throttled / 1_000_000, periods, throttled_periods
    )


def test_cpu_stat_without_the_cpu_controller_has_times_and_no_periods() -> None:
    assert parse_cpu_stat(b"usage_usec 3\nuser_usec 2\nsystem_usec 1\n") == CpuStat(2e-6, 1e-6, None, None, None)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
def test_io_stat_is_summed_over_devices(devices: list[tuple[int, int]]) -> None:
    lines = [f"253:{n} rbytes={r} wbytes={w} rios=1 wios=1 dbytes=0 dios=0" for n, (r, w) in enumerate(devices)]
    raw = "\n".join(["8:16 ", *lines, "9:0 cost.usage=7", ""]).encode()
    assert parse_io_stat(raw) == IoStat(sum(r for r, _ in devices), sum(w for _, w in devices))


@given(some=NUMBERS, full=st.none() | NUMBERS)
def test_pressure_is_total_stall_time_in_seconds(some: int, full: int | None) -> None:
    raw = f"some avg10=0.12 avg60=0.00 avg300=0.00 total={some}\n"
    raw += "" if full is None else f"full avg10=1.00 avg60=0.00 avg300=0.00 total={full}\n"
    assert parse_pressure(raw.encode()) == Pressure(some / 1_000_000, None if full is None else full / 1_000_000)


def test_controllers_and_pids_are_words() -> None:
    assert parse_controllers(b"cpuset cpu memory\n") == ("cpuset", "cpu", "memory")
    assert parse_controllers(b"\n") == ()
    assert parse_pids(b"12\n7\n0\n") == (12, 7, 0)
