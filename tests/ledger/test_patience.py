"""The axis in `patience` shows every wait of the ledger, in order of time, with the value that the code uses."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.ledger import keeper, patience

_SECONDS = {"s": 1.0, "h": 3600.0, "days": 86_400.0}
AXIS = re.findall(r"^    ([\d.]+) (s|h|days) .* (\S+)$", patience.__doc__ or "", re.MULTILINE)


def test_every_wait_is_on_the_axis_with_its_value() -> None:
    on_the_axis = {(constant, float(number) * _SECONDS[unit]) for number, unit, constant in AXIS}
    waits = {(name, value / 1e6) for name, value in vars(patience).items() if re.fullmatch(r"[A-Z_]+_US", name)}
    waits.discard(("_SECOND_US", 1.0))
    of_the_keeper = {
        (f"keeper.{name}", value) for name, value in vars(keeper).items() if re.fullmatch(r"[A-Z_]+_SECONDS", name)
    }
    elsewhere = {entry for entry in on_the_axis if entry[0] in {"config", "app.ledger"}}
    assert on_the_axis - elsewhere == waits | of_the_keeper


def test_the_axis_is_in_order_of_time() -> None:
    times = [float(number) * _SECONDS[unit] for number, unit, _ in AXIS]
    assert times == sorted(times)


def test_no_other_module_of_the_ledger_has_a_wait_of_its_own() -> None:
    waits = re.compile(r"^_?[A-Z_]+_(?:US|SECONDS|NANOSECONDS) = .*", re.MULTILINE)
    elsewhere = {"patience.py", "keeper.py", "store.py"}  # the store's is how long another writer may hold the file
    folder = Path(patience.__file__).parent
    found = {path.name: waits.findall(path.read_text()) for path in folder.rglob("*.py") if path.name not in elsewhere}
    assert not {name: lines for name, lines in found.items() if lines}
