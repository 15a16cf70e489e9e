"""A new check is one file, its line in the tuple and one test: its file holds all about it, and no other names it."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import exporter
from exporter.assess.checks.check import ContainerCheck, HostCheck
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS

PRODUCT = Path(str(exporter.__file__)).parent
TESTS = Path(__file__).parent
EVERY_CHECK: tuple[ContainerCheck | HostCheck, ...] = (*CHECKS, *HOST_CHECKS)


@pytest.mark.parametrize("check", EVERY_CHECK, ids=lambda check: check.id)
def test_a_check_judges_with_functions_of_its_own_file(check: ContainerCheck | HostCheck) -> None:
    judgements = [function for function in (check.examine, check.declared) if function is not None]
    assert {Path(inspect.getfile(function)).stem for function in judgements} == {check.id}
    assert (inspect.getdoc(inspect.getmodule(check.examine)) or "").strip(), "explain shows it"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_check_that_can_be_declared_names_its_causes_and_no_other_does(check: ContainerCheck) -> None:
    assert bool(check.causes) is (check.declared is not None)


@pytest.mark.parametrize("check", EVERY_CHECK, ids=lambda check: check.id)
def test_a_check_refers_to_what_is_public(check: ContainerCheck | HostCheck) -> None:
    assert check.references
    assert not [reference for reference in check.references if reference.startswith("seed")]


def test_no_code_but_its_own_file_names_a_check() -> None:
    ids = {check.id for check in EVERY_CHECK}
    named = {
        (path.relative_to(PRODUCT).as_posix(), node.value)
        for path in PRODUCT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in ids and node.value != path.stem
    }
    assert named == set()


def test_every_check_of_the_host_is_named_by_a_test() -> None:
    text = "".join(path.read_text() for path in (TESTS / "host").glob("test_*.py"))
    assert [check.id for check in HOST_CHECKS if check.id not in text] == []
