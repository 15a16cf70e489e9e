"""From a unit's row and properties, as D-Bus gave them, to a Unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exporter.facts.unit import Unit

INTERFACES = {
    ".service": "org.freedesktop.systemd1.Service",
    ".slice": "org.freedesktop.systemd1.Slice",
    ".scope": "org.freedesktop.systemd1.Scope",
}
"""Where a unit's own properties are, by the end of its name."""

PROPERTIES = frozenset(
    {
        *("Slice", "NRestarts", "Result", "Restart", "RestartUSec", "MemoryAccounting", "CPUAccounting"),
        *("MemoryMax", "MemoryHigh", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax"),
    }
)
"""What is taken of them; the rest (the environment may hold secrets) is not even unpacked."""

_UNSET = 2**64 - 1  # UINT64_MAX: infinity, or not known
_MICROSECONDS = 1_000_000
_MAX_TEXT = 4096  # PATH_MAX: no path of a cgroup is longer


def parse_unit(row: Sequence[object], properties: Mapping[str, object]) -> Unit:
    """The unit of a row of ListUnitsByNames, `(ssssssouso)`, and its properties; an odd value counts as not set."""
    return Unit(
        name=_text(row[0]),
        load_state=_text(row[2]),
        active_state=_text(row[3]),
        sub_state=_text(row[4]),
        slice=_text(properties.get("Slice")),
        restarts=_count(properties.get("NRestarts")),
        result=_text(properties.get("Result")),
        restart_policy=_text(properties.get("Restart")),
        restart_delay_seconds=_millionths(properties.get("RestartUSec")),
        memory_accounting=_switch(properties.get("MemoryAccounting")),
        cpu_accounting=_switch(properties.get("CPUAccounting")),
        memory_max_bytes=_count(properties.get("MemoryMax")),
        memory_high_bytes=_count(properties.get("MemoryHigh")),
        memory_swap_max_bytes=_count(properties.get("MemorySwapMax")),
        cpu_quota_cores=_millionths(properties.get("CPUQuotaPerSecUSec")),
        tasks_max=_count(properties.get("TasksMax")),
    )


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


def _switch(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _UNSET else None


def _millionths(value: object) -> float | None:
    count = _count(value)
    return None if count is None else count / _MICROSECONDS
