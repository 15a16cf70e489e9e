from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.waivers import read_waivers
from exporter.report.waiver import Waiver
from tests.config.loaded import WORDS, config_of, problems_of

WAIVED = """
[[waivers]]
container = "objects*"
check = "read_only_rootfs"
reason = "writes its cache beside its programs"
until = 2027-01-31

[[waivers]]
host = true
check = "k*"
reason = "a laptop"
"""


def test_waivers_are_read_with_the_end_of_their_last_day(tmp_path: Path) -> None:
    dated, for_ever = config_of(tmp_path, WAIVED).waivers
    assert dated == Waiver("objects*", "read_only_rootfs", "writes its cache beside its programs", 1_801_440_000)
    assert for_ever == Waiver("", "k*", "a laptop", None)


@pytest.mark.parametrize(
    ("found", "instead", "line", "message"),
    [
        (
            "read_only_rootfs",
            "read_only_rootf",
            4,
            'waivers.check: found "read_only_rootf"; allowed: the id of a check of',
        ),
        (
            "read_only_rootfs",
            "kernel_lockdown",
            4,
            'waivers.check: found "kernel_lockdown"; allowed: the id of a check of',
        ),
        (
            "k*",
            "read_only_rootfs",
            10,
            'waivers.check: found "read_only_rootfs"; allowed: the id of a check of the host',
        ),
        ("2027-01-31", '"2027-01-31"', 6, 'waivers.until: found "2027-01-31"; allowed: a date without quotes and time'),
        ("2027-01-31", "2027-01-31T00:00:00Z", 6, "waivers.until: found 2027-01-31T00:00:00+00:00; allowed: a date"),
        ("host = true", "host = false", 9, "waivers.host: found false; allowed: true, or leave it out"),
        ("host = true", 'container = ""', 9, 'waivers.container: found ""; allowed: a name, or a pattern'),
        ("host = true", "", 8, "waivers: a waiver needs one of container and host"),
        ("host = true", 'host = true\ncontainer = "*"', 8, "waivers: a waiver needs one of container and host"),
        ('reason = "a laptop"', "", 8, "waivers: a waiver needs a reason"),
        ('"a laptop"', '" "', 11, 'waivers.reason: found " "; allowed: a text of 1 to 500 characters'),
        ("until", "untill", 6, "unknown key waivers.untill: did you mean until? allowed here: container, host, check"),
    ],
)
def test_what_is_wrong_with_a_waiver_is_told_with_the_line_of_its_key(
    tmp_path: Path, found: str, instead: str, line: int, message: str
) -> None:
    ((told_line, told), *rest) = problems_of(tmp_path, WAIVED.replace(found, instead))
    assert (told_line, rest) == (line, [])
    assert told.startswith(message)


@pytest.mark.parametrize("text", ["waivers = 3", "waivers = ['x']", "[waivers]\ncheck = 'x'"])
def test_waivers_are_tables_of_an_array(tmp_path: Path, text: str) -> None:
    ((_, told),) = problems_of(tmp_path, text)
    assert told.endswith("allowed: tables, each [[waivers]]")


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["container", "host", "check", "reason", "until", "x"]),
            st.none() | st.booleans() | st.text(max_size=5) | st.dates() | st.just("rootful"),
        )
    )
)
def test_any_tables_are_waivers_or_refused(tables: list[dict[str, object]]) -> None:
    waivers, refused = read_waivers(tables, WORDS.checks)
    assert len(waivers) + len({key[1] for key, _ in refused}) == len(tables)
