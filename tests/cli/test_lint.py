from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from exporter.cli import main

GOOD = """\
[Container]
ContainerName=web
Image=localhost/web@sha256:{digest}
ReadOnly=true
DropCapability=all
NoNewPrivileges=true
UserNS=auto
Network=none
PidsLimit=100
PodmanArgs=--memory=100000000b --memory-swap=100000000b --cpus=1 --cgroup-conf=memory.high=90000000

[Service]
Slice=services-web.slice
CPUQuota=100%
MemoryMax=100000000
MemoryHigh=90000000
MemorySwapMax=0
TasksMax=110
Restart=on-failure
RestartSec=10s
""".format(digest="0" * 64)


@pytest.fixture
def quadlets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.container").write_text(GOOD)
    return tmp_path


@pytest.mark.usefixtures("quadlets")
def test_a_hardened_quadlet_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "web.container"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Bulkhead looked at web.container: 1 file.")
    assert said.err == ""


def test_a_broken_wall_fails_with_its_file_and_line(quadlets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (quadlets / "web.container").write_text(GOOD.replace("ReadOnly=true", "ReadOnly=no"))
    assert main(["lint", "."]) == 1
    said = capsys.readouterr().out
    assert "Root file system is read-only" in said
    assert "(web.container:4)" in said
    assert main(["lint", ".", "--fail-on", "critical"]) == 0


def test_a_file_that_quadlet_would_refuse_is_no_pass(quadlets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (quadlets / "web.container").write_text(GOOD.replace("ReadOnly=", "Readonly="))
    assert main(["lint", "web.container", "--fail-on", "never"]) == 3
    said = capsys.readouterr().out
    assert "web.container:4: quadlet knows no key Readonly=" in said
    assert "Did you mean ReadOnly?" in said


def test_every_format_names_the_line(quadlets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (quadlets / "web.container").write_text(GOOD.replace("ReadOnly=true", "ReadOnly=no"))

    def said(form: str) -> str:
        assert main(["lint", "web.container", "--format", form]) == 1
        return capsys.readouterr().out

    (result,) = json.loads(said("sarif"))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("web.container", 4)
    assert json.loads(said("json"))["summary"]["failed"]["warning"] == 1
    assert ET.fromstring(said("junit")).get("failures") == "1"


def test_a_path_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lint"])
    assert ended.value.code == 2
    assert "PATH" in capsys.readouterr().err


def test_the_pre_commit_hook_takes_quadlets_and_their_drop_ins_alone() -> None:
    hooks = (Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text()
    found = re.search(r"files: '(.*)'", hooks)
    assert found
    taken = ["a/web.container", "lan.network", "web.container.d/10.conf", "container.d/10.conf", "x/pod.d/1.conf"]
    left = ["web.service", "containers.md", "web.container.bak", "nginx/conf.d/10.conf", "mycontainer.d.conf"]
    assert [name for name in taken + left if re.search(found[1], name)] == taken
