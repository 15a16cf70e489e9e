from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.app.collectors import CLOCKS
from exporter.app.vocabulary import VOCABULARY
from exporter.config import Config, load

EXAMPLE = Path(__file__).parents[2] / "systemd" / "config.toml.example"
SETTING = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)
TABLE_OF_CLOCKS = re.compile(r"(?<=^\[clocks\]\n)(?:#.*\n)*", re.MULTILINE)


def test_the_example_as_it_is_shipped_changes_nothing() -> None:
    assert replace(load(EXAMPLE, vocabulary=VOCABULARY), read_from=None) == Config()


def test_every_default_that_it_names_is_the_default(tmp_path: Path) -> None:
    uncommented = tmp_path / "config.toml"
    uncommented.write_text(SETTING.sub("", EXAMPLE.read_text()))
    assert replace(load(uncommented, vocabulary=VOCABULARY), read_from=None) == Config(clocks=CLOCKS)


def test_it_names_every_setting() -> None:
    named = set(re.findall(r"^#?([a-z_]+) = ", EXAMPLE.read_text(), re.MULTILINE))
    config = Config()
    settings = {"listen", "state_dir", "podman_sockets"} | {f"{name}_seconds" for name in CLOCKS}
    for table in (config.thresholds, config.series, config.ledger, config.zfs, config.log, config.web, config.alerts):
        settings |= set(type(table).__dataclass_fields__)
    assert named == settings


def test_its_clocks_are_those_of_the_table_of_collectors(update_golden: bool) -> None:  # noqa: FBT001 - pytest passes fixtures by name
    example = EXAMPLE.read_text()
    clocks = "".join(f"#{name}_seconds = {seconds:g}\n" for name, seconds in CLOCKS.items())
    wanted = TABLE_OF_CLOCKS.sub(clocks, example)
    if update_golden:
        EXAMPLE.write_text(wanted)
    elif wanted != example:
        pytest.fail("systemd/config.toml.example: [clocks] is not as in exporter/app/collectors.py; run `make golden`")
