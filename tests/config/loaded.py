"""What comes of a configuration file: its settings, or its problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import Config, ConfigError, load


def config_of(tmp_path: Path, text: str | bytes, **flags: object) -> Config:
    path = tmp_path / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, flags)


def problems_of(tmp_path: Path, text: str | bytes, **flags: object) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, text, **flags)
    return [(problem.line, problem.message) for problem in caught.value.problems]
