from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.unit import Unit
from exporter.sources.systemd.properties import PROPERTIES, parse_unit

RECORDED = Path(__file__).parents[1] / "host/systemd"
INFINITE = 2**64 - 1


def recorded(unit: str, kind: str) -> Unit:
    rows = json.loads((RECORDED / "ListUnitsByNames.json").read_bytes())["data"][0]
    (row,) = (row for row in rows if row[0] == unit)
    reply = json.loads((RECORDED / f"GetAll/{unit}.{kind}.json").read_bytes())["data"][0]
    return parse_unit(row, {key: value["data"] for key, value in reply.items()})


def unit(properties: Mapping[str, object]) -> Unit:
    return parse_unit(("a.service", "A", "loaded", "active", "running", "", "/", 0, "", "/"), properties)


def test_a_running_service_says_its_limits_and_its_place() -> None:
    assert recorded("objects02.service", "Service") == Unit(
        name="objects02.service",
        load_state="loaded",
        active_state="active",
        sub_state="running",
        slice="services-objects02.slice",
        restarts=0,
        result="success",
        restart_policy="on-failure",
        restart_delay_seconds=10.0,
        memory_accounting=True,
        cpu_accounting=True,
        memory_max_bytes=128_000_000,
        memory_high_bytes=128_000_000,
        memory_swap_max_bytes=None,
        cpu_quota_cores=1.0,
        tasks_max=128,
    )


def test_a_service_that_was_killed_for_memory_waits_for_its_restart() -> None:
    killed = recorded("oomloop.service", "Service")
    assert (killed.active_state, killed.sub_state) == ("activating", "auto-restart")
    assert (killed.restarts, killed.result) == (2, "exit-code")


def test_a_service_that_never_came_to_its_main_process_has_failed() -> None:
    missing = recorded("missing1.service", "Service")
    assert (missing.active_state, missing.result) == ("failed", "exit-code")
    assert (missing.restart_policy, missing.restart_delay_seconds) == ("no", 0.1)


def test_a_slice_has_limits_and_no_restarts() -> None:
    slice_ = recorded("services-slice_binds.slice", "Slice")
    assert slice_.memory_max_bytes == 96_000_000
    assert (slice_.memory_high_bytes, slice_.tasks_max, slice_.cpu_quota_cores) == (None, None, None)
    assert (slice_.restarts, slice_.restart_policy, slice_.slice) == (None, "", "services.slice")


def test_infinity_is_no_limit() -> None:
    limits = ("MemoryMax", "MemoryHigh", "MemorySwapMax", "TasksMax", "CPUQuotaPerSecUSec", "RestartUSec")
    infinite = unit(dict.fromkeys(limits, INFINITE))
    assert infinite == unit({})
    assert unit(dict.fromkeys(limits, 0)).memory_max_bytes == 0


def test_four_seconds_of_cpu_a_second_are_four_cores() -> None:
    assert unit({"CPUQuotaPerSecUSec": 4_000_000}).cpu_quota_cores == 4


_SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_ODD = _SCALAR | st.lists(_SCALAR, max_size=4)


@given(
    row=st.tuples(*[st.text()] * 7, st.integers(), st.text(), st.text()),
    properties=st.dictionaries(st.sampled_from(sorted(PROPERTIES)), _ODD),
)
def test_odd_values_count_as_not_set(row: tuple[object, ...], properties: dict[str, object]) -> None:
    parsed = parse_unit(row, properties)
    assert parsed.name == row[0]
    for figure in (parsed.restarts, parsed.memory_max_bytes, parsed.cpu_quota_cores, parsed.tasks_max):
        assert figure is None or 0 <= figure < INFINITE


@given(st.integers(0, INFINITE - 1))
def test_figures_come_through_as_they_are(figure: int) -> None:
    parsed = unit({"MemoryMax": figure, "NRestarts": figure})
    assert (parsed.memory_max_bytes, parsed.restarts) == (figure, figure)
