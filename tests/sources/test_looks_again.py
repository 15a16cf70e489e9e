"""Nothing that was absent at the first look stays absent unseen: each source says when it looks again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "exporter/sources"
PACKAGES = ("cgroup", "host", "log", "nftables", "podman", "process", "quadlet", "systemd", "volume", "zfs")
MODULES = [
    path
    for path in sorted(SOURCES.rglob("*.py"))
    if any(isinstance(part, ast.ClassDef) and part.name.endswith("Source") for part in ast.parse(path.read_text()).body)
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_each_source_says_when_it_looks_again(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert said.count("Looks again: ") == 1


def test_every_package_has_a_source_that_says_so() -> None:
    assert {path.parent.name for path in MODULES} == {*PACKAGES, "sources"}
