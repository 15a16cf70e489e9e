from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.reading import NotHere, SourceError, Unreadable
from exporter.facts.unit import Quadlet
from exporter.sources.quadlet.generated import QuadletSource, container_name, expand_specifiers, parse_generated_unit

RECORDED = Path(__file__).parents[2] / "host"
GENERATOR = "run/systemd/generator"


def write(root: Path, name: str, source: str = "web.container", run: str = "--name web", more: str = "") -> Path:
    """A generated unit, as bytes that may be anything in Latin-1."""
    path = root / GENERATOR / name
    path.parent.mkdir(parents=True, exist_ok=True)
    unit = f"[Unit]\nSourcePath=/etc/containers/systemd/{source}\n{more}\n"
    text = f"{unit}[Service]\nExecStart=/usr/bin/podman run {run} image\n"
    path.write_bytes(text.encode("latin-1"))
    return path


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def read(root: Path) -> dict[str, Quadlet]:
    return {quadlet.unit: quadlet for quadlet in QuadletSource(root).read()}


def test_the_containers_of_a_real_host_are_found_and_pods_networks_and_templates_are_not() -> None:
    source = QuadletSource(RECORDED)
    assert [(quadlet.unit, quadlet.container, quadlet.wanted) for quadlet in source.read()] == [
        ("inpod1.service", "inpod1", True),
        ("missing1.service", "missing1", True),
        ("noslice.service", "noslice", True),
        ("objects02.service", "objects02", True),
        ("oomloop.service", "oomloop", False),
    ]
    assert source.problems == ()
    assert source.read()[0].source_path == "/etc/containers/systemd/inpod1.container"


def test_a_host_without_systemd_has_no_quadlets(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="systemd does not run here"):
        QuadletSource(tmp_path).read()


def test_a_host_of_systemd_without_quadlets_has_none(tmp_path: Path) -> None:
    (tmp_path / "run/systemd").mkdir(parents=True)
    assert QuadletSource(tmp_path).read() == ()
    write(tmp_path, "stack-pod.service", source="stack.pod")
    write(tmp_path, "app.service", source="app.kube")
    assert QuadletSource(tmp_path).read() == ()


@pytest.mark.parametrize(
    ("run", "unit", "name"),
    [
        ("--name web --replace", "web.service", "web"),
        ("--name=web --replace", "web.service", "web"),
        ('"--name" "web"', "web.service", "web"),
        ("--replace --rm", "web.service", "systemd-web"),
        ("--name systemd-%N", "web.service", "systemd-web"),
        ("--name systemd-%p_%i", "web@one.service", "systemd-web_one"),
        ("--name %j-%i", "my-web@a.service", "web-a"),
        ("--name %n", "web.service", "web.service"),
        ("--name a --label --name=b", "web.service", "a"),
    ],
)
def test_the_name_is_that_of_podmans_command_line(run: str, unit: str, name: str) -> None:
    assert container_name(f"/usr/bin/podman run {run} image", unit) == name


@pytest.mark.parametrize(
    "run", ["--name %H-web", "--name ''", '--name "we', "--name", "--name=a\x1b[31m", f"--name {'a' * 300}"]
)
def test_a_name_that_podman_would_not_take_is_told(run: str) -> None:
    with pytest.raises(Unreadable, match=r"name is not known|cannot be split"):
        container_name(f"/usr/bin/podman run {run}", "web.service")


def test_specifiers_are_those_of_systemd() -> None:
    unit = r"my-web@a-b\x2dc.service"
    assert expand_specifiers("%n|%N|%p|%i|%j", unit) == rf"{unit}|my-web@a-b\x2dc|my-web|a-b\x2dc|web"
    assert expand_specifiers("%P|%I|%J|100%%|%t|%", unit) == "my/web|a/b-c|web|100%|%t|%"


def test_the_last_assignment_counts_and_comments_and_continuations_are_understood() -> None:
    unit = parse_generated_unit(
        b"; SourcePath=/no\n[Unit]\nSourcePath=/a\nSourcePath = /b.container\nWants=x.service y.service\n"
        b"[X-Container]\nSourcePath=/c\nExecStart=/no\n"
        b"[Service]\nExecStart=/bin/podman run \\\n# a comment\n  --name web \\\n image\n"
    )
    assert unit.source_path == "/b.container"
    assert unit.pulls == ("x.service", "y.service")
    assert unit.exec_start.split() == ["/bin/podman", "run", "--name", "web", "image"]


@pytest.mark.parametrize("directory", [GENERATOR, "run/systemd/generator.late", "etc/systemd/system"])
@pytest.mark.parametrize("kind", ["wants", "requires", "upholds"])
def test_a_link_anywhere_makes_it_wanted(tmp_path: Path, directory: str, kind: str) -> None:
    write(tmp_path, "web.service")
    assert not read(tmp_path)["web.service"].wanted
    link(tmp_path / directory / f"multi-user.target.{kind}/web.service", "../web.service")
    assert read(tmp_path)["web.service"].wanted


def test_a_pod_that_is_wanted_wants_its_containers(tmp_path: Path) -> None:
    write(tmp_path, "web.service")
    write(tmp_path, "stack-pod.service", source="stack.pod", more="Wants=web.service\nBefore=other.service")
    write(tmp_path, "other.service", source="other.container")
    link(tmp_path / GENERATOR / "multi-user.target.wants/stack-pod.service", "../stack-pod.service")
    assert {name: quadlet.wanted for name, quadlet in read(tmp_path).items()} == {
        "web.service": True,
        "other.service": False,
    }


def test_a_masked_unit_is_not_wanted(tmp_path: Path) -> None:
    write(tmp_path, "web.service")
    link(tmp_path / GENERATOR / "multi-user.target.wants/web.service", "../web.service")
    link(tmp_path / "etc/systemd/system/web.service", "/dev/null")
    assert not read(tmp_path)["web.service"].wanted


def test_a_template_counts_only_as_the_instances_that_links_ask_for(tmp_path: Path) -> None:
    write(tmp_path, "web@.service", run="--name web-%i")
    assert read(tmp_path) == {}
    link(tmp_path / GENERATOR / "multi-user.target.wants/web@one.service", "../web@.service")
    assert read(tmp_path) == {
        "web@one.service": Quadlet("web@one.service", "web-one", "/etc/containers/systemd/web.container", wanted=True)
    }


def test_an_alias_is_no_second_container_and_asking_for_it_asks_for_the_first(tmp_path: Path) -> None:
    write(tmp_path, "web.service")
    link(tmp_path / GENERATOR / "www.service", "web.service")
    link(tmp_path / GENERATOR / "multi-user.target.wants/www.service", "../web.service")
    assert {name: quadlet.wanted for name, quadlet in read(tmp_path).items()} == {"web.service": True}


def test_of_two_units_of_a_name_the_earlier_directory_counts(tmp_path: Path) -> None:
    write(tmp_path, "web.service", run="--name second")
    late = write(tmp_path, "first.service", run="--name first")
    (tmp_path / "run/systemd/generator.early").mkdir()
    late.rename(tmp_path / "run/systemd/generator.early/web.service")
    assert read(tmp_path)["web.service"].container == "first"


def test_bad_files_are_left_out_and_told_and_take_no_other_down(tmp_path: Path) -> None:
    write(tmp_path, "web.service")
    write(tmp_path, "named.service", run="--name %H")
    directory = tmp_path / GENERATOR
    (directory / "large.service").write_bytes(b"#" * (2 << 20))
    (directory / "folder.service").mkdir()
    os.mkfifo(directory / "pipe.service")
    link(directory / "loop.service", "loop.service")
    link(directory / "lost.service", "/nowhere/lost.service")
    (directory / os.fsdecode(b"caf\xe9.service")).write_bytes(b"")
    source = QuadletSource(tmp_path)
    assert [quadlet.unit for quadlet in source.read()] == ["web.service"]
    told = "\n".join(source.problems)
    assert len(source.problems) == 7
    for words in (
        "large.service is left out: it is larger",
        "pipe.service is left out: it is not a regular file",
        "loop.service is left out: Too many levels",
        "lost.service is left out: No such file",
        "folder.service is left out: Is a directory",
        "ContainerName=",
        "no unit of such a name",
    ):
        assert words in told
    told.encode()  # can be shown: no half characters of file names


def test_a_directory_that_cannot_be_listed_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "web.service")

    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(Unreadable, match=r"generator\.early cannot be listed .Permission denied."):
        QuadletSource(tmp_path).read()


def test_bytes_that_are_no_utf_8_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, "web.service", source="caf\xe9.container")
    assert read(tmp_path)["web.service"].source_path == "/etc/containers/systemd/caf\N{REPLACEMENT CHARACTER}.container"


@given(st.binary())
def test_arbitrary_bytes_are_parsed_to_something(content: bytes) -> None:
    unit = parse_generated_unit(b"[Unit]\nSourcePath=a\n[Service]\nExecStart=" + content)
    assert "\n" not in unit.exec_start


@given(st.text(), st.text())
def test_an_arbitrary_command_line_gives_a_name_or_says_why_not(command: str, unit: str) -> None:
    try:
        name = container_name(command, unit)
    except SourceError:
        return
    assert name.isascii()


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,200}\Z"))
def test_every_name_that_podman_takes_comes_through(name: str) -> None:
    assert container_name(f"podman run --name {name} --replace", "web.service") == name
    assert container_name(f"podman run --name={name} --replace", "web.service") == name


def test_a_daemon_reload_that_is_under_way_makes_no_quadlet_missing(tmp_path: Path) -> None:
    path = write(tmp_path, "web.service")
    content = path.read_bytes()

    def generators_end(_: float) -> None:
        path.write_bytes(content)

    source = QuadletSource(tmp_path, pause=generators_end)
    assert [quadlet.container for quadlet in source.read()] == ["web"]
    path.unlink()
    assert [quadlet.container for quadlet in source.read()] == ["web"]


def test_a_quadlet_that_was_removed_is_gone_once_two_readings_agree(tmp_path: Path) -> None:
    gone = write(tmp_path, "web.service")
    write(tmp_path, "job.service", run="--name job")
    paused: list[float] = []
    source = QuadletSource(tmp_path, pause=paused.append)
    assert len(source.read()) == 2
    gone.unlink()
    assert [quadlet.container for quadlet in source.read()] == ["job"]
    assert len(paused) == 1
    assert [quadlet.container for quadlet in source.read()] == ["job"]
    assert len(paused) == 1


def test_the_last_quadlet_that_was_removed_is_gone_in_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, "web.service")
    source = QuadletSource(tmp_path, pause=lambda _: None)
    source.read()
    path.unlink()
    assert source.read() == ()
