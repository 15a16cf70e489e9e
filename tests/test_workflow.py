"""What calls make from elsewhere calls targets that there are; the commit's hooks are what lint is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text()


def recipe(target: str) -> list[str]:
    """The commands of a target, as a shell gets them."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None, target
    return [line.strip().lstrip("@").replace("$(VENV)", ".venv") for line in found[1].splitlines()]


def calls_of_make(name: str) -> list[str]:
    text = (ROOT / name).read_text()
    if name.endswith(".md"):  # in prose, only what is set as code is a call
        text = "\n".join(re.findall(r"`make [^`]*`|^make .*", text, re.MULTILINE))
    return re.findall(r"\bmake ([a-z-]+)", re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", [".ci/run", ".github/workflows/ci.yml", "README.md"])
def test_every_call_of_make_names_a_target(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    calls = calls_of_make(name)
    assert calls
    assert set(calls) <= targets


def test_the_public_runs_are_those_of_the_project() -> None:
    assert {"check", "test", "lab-test"} <= set(calls_of_make(".github/workflows/ci.yml"))


def test_the_public_runs_may_only_read() -> None:
    assert re.findall(r"^ *permissions:.*\n(?: +.*\n)+", WORKFLOW, re.MULTILINE) == ["permissions:\n  contents: read\n"]
    assert "secrets" not in WORKFLOW


def test_every_action_is_githubs_own_of_a_major_version() -> None:
    used = re.findall(r"uses: (.*)", WORKFLOW)
    assert used
    assert [one for one in used if not re.fullmatch(r"actions/[a-z]+@v\d+", one)] == []


def test_the_hooks_of_a_commit_are_what_lint_runs() -> None:
    entries = re.findall(r"entry: (.*)", HOOKS)
    assert entries == recipe("lint-code") + recipe("lint-alerts")


def test_what_the_hooks_call_is_there_and_nothing_is_downloaded() -> None:
    entries = re.findall(r"entry: (.*)", HOOKS)
    assert HOOKS.count("language: system") == len(entries)
    assert re.findall(r"repo: (.*)", HOOKS) == ["local"]
    tools = Path(sys.executable).parent  # those of this environment, which make has filled as .venv
    for entry in entries:
        for word in re.findall(r"\S*/\S*", entry):
            file = tools / Path(word).name if word.startswith(".venv/bin/") else ROOT / word
            assert file.exists(), entry
