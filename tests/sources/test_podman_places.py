from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from exporter.facts.reading import Unreadable
from exporter.sources.podman.service import read_oci_config


def test_only_a_plain_file_of_bounded_size_is_taken_for_a_config_json(tmp_path: Path) -> None:
    good: dict[str, object] = {"process": {}, "linux": {}}
    (tmp_path / "config.json").write_text(json.dumps(good))
    assert read_oci_config(tmp_path, "/config.json").process.no_new_privileges is False
    (tmp_path / "a").mkdir()
    (tmp_path / "a/config.json").symlink_to(tmp_path / "config.json")
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "b/config.json")
    (tmp_path / "c/config.json").mkdir(parents=True)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/config.json").write_bytes(b" " * (4 << 20) + json.dumps(good).encode())
    for path in ("a", "b", "c", "d", "nosuch", "\0"):
        with pytest.raises(Unreadable):
            read_oci_config(tmp_path, f"/{path}/config.json")
    for path in ("config.json", "/etc/shadow", ""):
        with pytest.raises(Unreadable, match="is no path of a config"):
            read_oci_config(tmp_path, path)
