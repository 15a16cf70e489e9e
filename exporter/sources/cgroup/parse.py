r"""The files of cgroup v2, parsed: pure functions of bytes.

https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files. Four shapes:

    memory.max      max | 134217728
    cpu.max         100000 100000
    memory.events   low 0\nhigh 0\nmax 12\noom 3\noom_kill 1\noom_group_kill 0\n
    io.stat         253:0 rbytes=8192 wbytes=0 rios=2 wios=0 dbytes=0 dios=0
    cpu.pressure    some avg10=0.00 avg60=0.00 avg300=0.04 total=491433

Values are found by their key: the kernel adds keys and lines between versions. What does not
have its shape raises Unreadable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from exporter.facts.cgroup import MemoryEvents, Pressure
from exporter.facts.reading import Unreadable

_MICROSECONDS_PER_SECOND = 1_000_000
# 2**64 - 1 has 20 digits; Python itself refuses numbers of more than 4300.
_DIGITS_MAX = 20
# Limits, events and controllers seldom change, and are the same in most cgroups: their facts are shared.
_remembered = lru_cache(maxsize=1024)
_UNRECLAIMABLE = (b"anon", b"shmem", b"slab_unreclaimable", b"kernel_stack", b"pagetables")


@dataclass(frozen=True, slots=True)
class CpuStat:
    """cpu.stat of one cgroup. None: the cpu controller is off (the kernel then prints usage alone)."""

    user_seconds: float | None
    system_seconds: float | None
    throttled_seconds: float | None
    periods: int | None
    throttled_periods: int | None


@dataclass(frozen=True, slots=True)
class IoStat:
    """io.stat of one cgroup, summed over its devices. ZFS does not account to it."""

    read_bytes: int
    written_bytes: int


def parse_count(raw: bytes) -> int:
    """One number alone on its line, as memory.current and pids.current."""
    return _number(raw.strip())


@_remembered
def parse_limit(raw: bytes) -> int | None:
    """One number, or None for `max`: memory.max, memory.high, memory.swap.max, pids.max."""
    word = raw.strip()
    return None if word == b"max" else _number(word)


@_remembered
def parse_cpu_max(raw: bytes) -> float | None:
    """Quota over period in cores, or None for `max`."""
    match raw.split():
        case [b"max", _period]:
            return None
        case [quota, period] if _number(period) > 0:
            return _number(quota) / _number(period)
    raise Unreadable(f"cpu.max should hold a quota and a period, and holds {raw[:40]!r}")


def parse_inactive_file(raw: bytes) -> int | None:
    """`inactive_file` of memory.stat in bytes: cache that the kernel drops first."""
    return _value_of(raw, b"inactive_file")


def parse_unreclaimable(raw: bytes) -> int | None:
    """What memory.stat counts that only a kill frees, in bytes; a key that the kernel does not print is left out."""
    found = [value for key in _UNRECLAIMABLE if (value := _value_of(raw, key)) is not None]
    return sum(found) if found else None


@_remembered
def parse_memory_events(raw: bytes) -> MemoryEvents:
    """memory.events or memory.events.local."""
    return MemoryEvents(
        high=_value_of(raw, b"high") or 0,
        max=_value_of(raw, b"max") or 0,
        oom=_value_of(raw, b"oom") or 0,
        oom_kill=_value_of(raw, b"oom_kill") or 0,
    )


def parse_cpu_stat(raw: bytes) -> CpuStat:
    """cpu.stat; nr_periods, nr_throttled and throttled_usec are there with the cpu controller only."""
    return CpuStat(
        user_seconds=_seconds_of(raw, b"user_usec"),
        system_seconds=_seconds_of(raw, b"system_usec"),
        throttled_seconds=_seconds_of(raw, b"throttled_usec"),
        periods=_value_of(raw, b"nr_periods"),
        throttled_periods=_value_of(raw, b"nr_throttled"),
    )


def parse_io_stat(raw: bytes) -> IoStat:
    """io.stat; a device that was never used stands there with its number alone."""
    sums = {b"rbytes": 0, b"wbytes": 0}
    for word in raw.split():
        key, _, value = word.partition(b"=")
        if key in sums:
            sums[key] += _number(value)
    return IoStat(read_bytes=sums[b"rbytes"], written_bytes=sums[b"wbytes"])


def parse_pressure(raw: bytes) -> Pressure:
    """A PSI file: `some` is time in which at least one task waited, `full` time in which all did."""
    seconds: dict[bytes, float] = {}
    for line in raw.splitlines():
        share, *words = line.split() or [b""]
        for word in words:
            key, _, value = word.partition(b"=")
            if key == b"total":
                seconds[share] = _number(value) / _MICROSECONDS_PER_SECOND
    if b"some" not in seconds:
        raise Unreadable(f"a pressure file should have a line `some` with a total, and holds {raw[:40]!r}")
    return Pressure(some_seconds=seconds[b"some"], full_seconds=seconds.get(b"full"))


@_remembered
def parse_controllers(raw: bytes) -> tuple[str, ...]:
    """cgroup.controllers: the controllers that this cgroup may use."""
    return tuple(word.decode("ascii", "replace") for word in raw.split())


def parse_pids(raw: bytes) -> tuple[int, ...]:
    """cgroup.procs: one pid a line; 0 is a process that this pid namespace cannot see."""
    return tuple(_number(word) for word in raw.split())


def _value_of(raw: bytes, key: bytes) -> int | None:
    # memory.stat has 70 lines and two to six are wanted: finding them beats splitting it all four to one.
    start = 0 if raw.startswith(key + b" ") else raw.find(b"\n" + key + b" ") + 1
    if start == 0 and not raw.startswith(key + b" "):
        return None
    start += len(key) + 1
    end = raw.find(b"\n", start)
    return _number(raw[start : end if end >= 0 else len(raw)])


def _seconds_of(raw: bytes, key: bytes) -> float | None:
    microseconds = _value_of(raw, key)
    return None if microseconds is None else microseconds / _MICROSECONDS_PER_SECOND


def _number(word: bytes) -> int:
    if not word.isdigit() or len(word) > _DIGITS_MAX:
        raise Unreadable(f"a number should stand where the kernel wrote {word[:40]!r}")
    return int(word)
