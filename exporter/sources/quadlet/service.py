"""What [Service] asks of systemd, with systemd's defaults (systemd.resource-control(5), systemd.service(5)).

Slice=services-web.slice
MemoryMax=512M
CPUQuota=150%
RestartSec=1min 30s
"""

from __future__ import annotations

import re

from exporter.facts.unit import Unit
from exporter.sources.quadlet.generated import expand_specifiers
from exporter.sources.quadlet.unit import QuadletUnit

_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([KMGTPE]?)B?", re.ASCII)
_POWERS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_PERCENT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,2})?)%", re.ASCII)
_SPAN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) *([a-zµμ]*)", re.ASCII | re.IGNORECASE)
_SECONDS = {
    **dict.fromkeys(("us", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_NO = frozenset({"0", "no", "false", "off", "n", "f"})
# A share is of a host that is not known here: of one like this, so that shares keep their order.
_NOMINAL_MEMORY_BYTES = 16 << 30
_NOMINAL_TASKS = 32_768
_DEFAULT_TASKS = 4915  # 15 % (systemd-system.conf(5), DefaultTasksMax)
_DEFAULT_RESTART_SECONDS = 0.1


def declared_unit(unit: QuadletUnit, name: str, user: str) -> Unit:
    """The unit as systemd would show it once loaded; drop-ins of the service itself are not read."""

    def text(key: str) -> str:
        return expand_specifiers(unit.text("Service", key), name)

    delay = text("RestartSec")
    return Unit(
        name=name,
        load_state="loaded",
        active_state="inactive",
        sub_state="dead",
        slice=text("Slice") or _default_slice(name, user),
        restart_policy=text("Restart") or "no",
        restart_delay_seconds=parse_span_seconds(delay) if delay else _DEFAULT_RESTART_SECONDS,
        memory_accounting=text("MemoryAccounting").lower() not in _NO,
        cpu_accounting=text("CPUAccounting").lower() not in _NO,
        memory_max_bytes=parse_amount(text("MemoryMax"), _NOMINAL_MEMORY_BYTES),
        memory_high_bytes=parse_amount(text("MemoryHigh"), _NOMINAL_MEMORY_BYTES),
        memory_swap_max_bytes=parse_amount(text("MemorySwapMax"), _NOMINAL_MEMORY_BYTES),
        cpu_quota_cores=_share(text("CPUQuota")),
        tasks_max=parse_amount(text("TasksMax"), _NOMINAL_TASKS) if text("TasksMax") else _DEFAULT_TASKS,
    )


def parse_amount(text: str, whole: int) -> int | None:
    """A size or count such as 512M or 50%; None for infinity, for nothing and for what systemd would not take."""
    if found := _SIZE.fullmatch(text):
        return int(float(found[1]) * (1 << _POWERS[found[2]]))
    share = _share(text)
    return None if share is None else int(share * whole)


def parse_span_seconds(text: str) -> float | None:
    """A time span such as `1min 30s`; None for infinity and for what systemd would not take."""
    rest, seconds = text.strip(), 0.0
    if not rest:
        return None
    while rest:
        found = _SPAN.match(rest)
        if found is None or found[2].lower() not in _SECONDS:
            return None
        seconds += float(found[1]) * _SECONDS[found[2].lower()]
        rest = rest[found.end() :].lstrip()
    return seconds


def _share(text: str) -> float | None:
    found = _PERCENT.fullmatch(text)
    return float(found[1]) / 100 if found else None


def _default_slice(name: str, user: str) -> str:
    """system.slice, of a user's own systemd app.slice; an instance of a template gets one of the template's name below.

    All instances share that one, so it is nobody's own.
    """
    common = "app" if user else "system"
    prefix, at, _ = name.partition("@")
    escaped = prefix.replace("-", "\\x2d")
    return f"{common}-{escaped}.slice" if at else f"{common}.slice"
