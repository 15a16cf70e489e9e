"""What comes of a configuration file: its settings, or its problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import CheckIds, Config, ConfigError, Vocabulary, load

WORDS = Vocabulary(
    {"podman": 60.0, "zfs": 120.0, "zfs_mounted": 15.0, "host": 30.0},
    CheckIds(("read_only_rootfs", "no_new_privileges", "seccomp_filtered"), ("kernel_lockdown", "selinux_enforcing")),
)
"""Some clocks and checks: which there are is for others to say."""


def config_of(tmp_path: Path, text: str | bytes, **flags: object) -> Config:
    path = tmp_path / "config.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, flags, vocabulary=WORDS)


def problems_of(tmp_path: Path, text: str | bytes, **flags: object) -> list[tuple[int | None, str]]:
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, text, **flags)
    return [(problem.line, problem.message) for problem in caught.value.problems]
