from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.unit import Unit
from exporter.sources.quadlet.service import declared_unit, parse_amount, parse_span_seconds
from exporter.sources.quadlet.syntax import parse_unit_text
from exporter.sources.quadlet.unit import merged


def unit(lines: str, name: str = "web.service", user: str = "") -> Unit:
    text = parse_unit_text(f"[Container]\nImage=x\n[Service]\n{lines}\n".encode(), "web.container")
    return declared_unit(merged("web.container", "web.container", (text,)), name, user)


def test_the_limits_are_systemd_s() -> None:
    asked = unit("MemoryMax=512M\nMemoryHigh=1.5G\nMemorySwapMax=0\nCPUQuota=150%\nTasksMax=220")
    assert (asked.memory_max_bytes, asked.memory_high_bytes, asked.memory_swap_max_bytes) == (512 << 20, 3 << 29, 0)
    assert (asked.cpu_quota_cores, asked.tasks_max) == (1.5, 220)


def test_what_is_not_asked_for_is_as_systemd_has_it() -> None:
    asked = unit("")
    assert (asked.memory_max_bytes, asked.cpu_quota_cores, asked.tasks_max) == (None, None, 4915)
    assert (asked.slice, asked.restart_policy, asked.restart_delay_seconds) == ("system.slice", "no", 0.1)
    assert asked.memory_accounting
    assert asked.cpu_accounting


def test_infinity_is_no_limit() -> None:
    asked = unit("MemoryMax=infinity\nTasksMax=infinity\nCPUQuota=\nCPUAccounting=no")
    assert (asked.memory_max_bytes, asked.tasks_max, asked.cpu_quota_cores) == (None, None, None)
    assert not asked.cpu_accounting


def test_the_last_line_of_a_key_holds() -> None:
    assert unit("MemoryMax=1G\nMemoryMax=2G").memory_max_bytes == 2 << 30
    assert unit("MemoryMax=1G\nMemoryMax=").memory_max_bytes is None


def test_an_instance_lives_in_the_slice_of_its_template_unless_it_asks_for_one() -> None:
    assert unit("", "job@one.service").slice == "system-job.slice"
    assert unit("Slice=services-%i.slice", "job@one.service").slice == "services-one.slice"
    assert unit("", user="1000").slice == "app.slice"


def test_a_share_of_memory_is_a_limit() -> None:
    half, quarter = (unit(f"MemoryMax={share}%").memory_max_bytes for share in (50, 25))
    assert half
    assert quarter
    assert half == 2 * quarter


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10", 10), ("10s", 10), ("1min 30s", 90), ("2h", 7200), ("100ms", 0.1), ("infinity", None), ("soon", None)],
)
def test_a_span_is_systemd_s(text: str, seconds: float | None) -> None:
    assert parse_span_seconds(text) == seconds


@given(st.text(max_size=30))
def test_no_text_is_too_odd(text: str) -> None:
    parse_span_seconds(text)
    parse_amount(text, 1)
