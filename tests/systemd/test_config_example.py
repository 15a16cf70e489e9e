from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from exporter.config import Config, load

EXAMPLE = Path(__file__).parents[2] / "systemd" / "config.toml.example"
SETTING = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)


def test_the_example_as_it_is_shipped_changes_nothing() -> None:
    assert replace(load(EXAMPLE), read_from=None) == Config()


def test_every_default_that_it_names_is_the_default(tmp_path: Path) -> None:
    uncommented = tmp_path / "config.toml"
    uncommented.write_text(SETTING.sub("", EXAMPLE.read_text()))
    assert replace(load(uncommented), read_from=None) == Config()


def test_it_names_every_setting() -> None:
    named = set(re.findall(r"^#?([a-z_]+) = ", EXAMPLE.read_text(), re.MULTILINE))
    config = Config()
    settings = {"listen", "state_dir", "podman_sockets"}
    tables = (config.clocks, config.thresholds, config.series, config.ledger, config.zfs, config.log, config.alerts)
    for table in tables:
        settings |= set(type(table).__dataclass_fields__)
    assert named == settings
