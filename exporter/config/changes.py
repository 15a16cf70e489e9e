"""Which settings two configurations have differently: pure, for the words that a reload logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from exporter.config.settings import Config

_NO_SETTING = "read_from"


def changed(before: Config, after: Config) -> tuple[str, ...]:
    """The keys, as the file has them: `listen`, `thresholds.memory_warning_ratio`."""
    return tuple(_changed(before, after))


def _changed(before: Any, after: Any, above: str = "") -> Iterator[str]:
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new or field.name == _NO_SETTING:
            continue
        if is_dataclass(old):
            yield from _changed(old, new, f"{above}{field.name}.")
        elif field.name == "clocks":
            yield from sorted(f"clocks.{name}_seconds" for name in old | new if old.get(name) != new.get(name))
        else:
            yield above + field.name
