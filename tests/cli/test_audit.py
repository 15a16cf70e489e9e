from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from exporter.assess.checks.host import HOST_CHECKS
from exporter.cli import main
from tests.fake_sources import sources


@pytest.fixture(autouse=True)
def _log_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `logs.start` sets up for a process is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("bulkhead").setLevel(logging.NOTSET)


def test_the_example_host_is_judged_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--example"]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Bulkhead looked at the example host: 35 containers and the host itself.\n")
    assert "\nprivileged1  " in said.out
    assert "\x1b" not in said.out
    assert said.err == ""


def test_every_format_holds_the_same_failures(capsys: pytest.CaptureFixture[str]) -> None:
    def said(form: str) -> str:
        assert main(["audit", "--example", "--container", "privileged1", "--format", form]) == 1
        return capsys.readouterr().out

    document = json.loads(said("json"))
    failed = sum(document["summary"]["failed"].values())
    results = json.loads(said("sarif"))["runs"][0]["results"]
    assert [subject["name"] for subject in document["subjects"]] == ["privileged1"]
    assert sum(result["kind"] == "fail" for result in results) == failed > 4
    assert ET.fromstring(said("junit")).get("failures") == str(failed)


def test_a_container_that_is_not_there_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--example", "--container", "nobody", "--fail-on", "never"]) == 3
    assert "no container's name matches nobody" in capsys.readouterr().out


def test_this_host_is_judged_without_the_service(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exporter.app.collectors.build_sources", lambda *_: sources())
    assert main(["audit", "--format", "json"]) in (1, 3)
    subjects = json.loads(capsys.readouterr().out)["subjects"]
    assert sorted((one["kind"], one["name"], one["state"]) for one in subjects) == [
        ("container", "web", "running"),
        ("host", "host", None),
    ]
    assert {one["kind"]: len(one["findings"]) for one in subjects}["host"] == len(HOST_CHECKS)


def test_a_waiver_of_the_configuration_keeps_the_exit_code_from_failing_and_one_that_is_over_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bulkhead.toml"

    def exit_code_until(day: str) -> int:
        waiver = f'container = "good01"\ncheck = "selinux_confined"\nreason = "the host changes soon"\nuntil = {day}\n'
        path.write_text(f"[[waivers]]\n{waiver}")
        arguments = ["--example", "--container", "good01", "--fail-on", "critical", "--config", str(path)]
        return main(["audit", *arguments])

    assert exit_code_until("9998-12-31") == 0
    assert "            waived until 9998-12-31: the host changes soon\n" in capsys.readouterr().out
    assert exit_code_until("2001-12-31") == 1
    said = capsys.readouterr().out
    assert "\nWaivers to look at\n  - expired, its last day was 2001-12-31: selinux_confined of good01 " in said


def test_a_wrong_setting_is_told_before_anything_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bulkhead.toml"
    path.write_text("listen = 1\n")
    assert main(["audit", "--config", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"bulkhead: {path}:1: listen: found 1")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--fail-on", "warn"], "invalid choice: 'warn'"),
        (["--containers", "x"], "(did you mean --container?); see bulkhead audit --help"),
    ],
)
def test_a_wrong_usage_is_one_sentence(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["audit", *argv])
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
