from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.assess.checks.check import ContainerCheck, HostCheck
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.host import HOST_CHECKS
from exporter.cli import main

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_is_explained(check: ContainerCheck, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", check.id]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith(f"{check.id} ({check.severity}): {check.title} what ")
    for told in (check.why, check.fix_quadlet, check.fix_podman, *check.references):
        assert told in text
    assert f'query bulkhead_container_hardening_check{{check="{check.id}"}} == 0' in text


@pytest.mark.parametrize("check", HOST_CHECKS, ids=lambda check: check.id)
def test_every_check_of_the_host_is_explained(check: HostCheck, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", check.id]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith(f"{check.id} ({check.severity}): {check.title} what ")
    for told in (check.why, f"mend {check.fix_host}", *check.references):
        assert " ".join(told.split()) in text
    assert f'query bulkhead_host_hardening_check{{check="{check.id}"}} == 0' in text


def test_a_query_is_in_one_piece_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["explain", "no_setuid_binaries_reachable"]) == 0
    assert '{check="no_setuid_binaries_reachable"}' in capsys.readouterr().out


def test_what_is_declared_and_what_is_in_force_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["explain", "own_slice"]) == 0
    said = capsys.readouterr().out
    assert "\n            Declared: Slice= of the unit. In force: no other container's processes below" in said


def test_without_a_check_all_are_listed_by_severity_and_the_host_s_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    *sections, _ = capsys.readouterr().out.split("\n\n")
    assert [section.split(" (")[0] for section in sections] == [
        *(f"{severity}, of each container" for severity in ("critical", "warning", "info")),
        *(f"{severity}, of the host itself" for severity in ("critical", "warning", "info")),
    ]
    listed = [{line.split()[0] for line in section.splitlines()[1:]} for section in sections]
    of_containers, of_the_host = listed[0] | listed[1] | listed[2], listed[3] | listed[4] | listed[5]
    assert of_containers >= {check.id for check in CHECKS}
    assert of_the_host >= {check.id for check in HOST_CHECKS}
    assert not of_containers & of_the_host


def test_a_check_that_is_not_there_says_which_was_perhaps_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "own_slic"]) == 2
    assert capsys.readouterr().err.startswith("bulkhead: there is no check own_slic (did you mean own_slice?); ")


def test_it_needs_the_standard_library_alone() -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['podman', 'pydbus', 'gi', 'prometheus_client', 'msgspec', 'requests']))\n"
        "from exporter.cli import main\n"
        "sys.exit(main(['explain', 'rootful']))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("rootful (info): ")
