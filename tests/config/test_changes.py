from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from exporter.config import Config, Log, Web
from exporter.config.changes import changed
from exporter.report.thresholds import Thresholds


def test_what_differs_is_named_as_the_file_names_it() -> None:
    before = Config(clocks={"zfs": 120, "host": 30})
    after = replace(
        before,
        listen=(":1",),
        thresholds=Thresholds(memory_warning_ratio=0.91),
        log=Log("debug", "json"),
        web=Web(config_file=Path("/a")),
        clocks={"zfs": 60, "podman": 1, "host": 30},
        read_from=Path("/b"),
    )
    assert set(changed(before, after)) == {
        *("listen", "thresholds.memory_warning_ratio", "log.level", "log.format", "web.config_file"),
        *("clocks.zfs_seconds", "clocks.podman_seconds"),
    }


def test_what_is_the_same_is_not_named() -> None:
    assert changed(Config(), Config(read_from=Path("/a"))) == ()
    assert fields(Config)[-1].name == "read_from", "it is no setting, so it is passed over by its name"
