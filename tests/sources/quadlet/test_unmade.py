from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.reading import NotHere
from exporter.sources.quadlet.unmade import UnmadeQuadletSource

RECORDED = Path(__file__).parents[2] / "host"
GENERATOR = "run/systemd/generator"
ADMIN = "etc/containers/systemd"
WEB = "[Container]\nImage=localhost/web:1\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / GENERATOR).mkdir(parents=True)
    return tmp_path


def write(path: Path, text: str = WEB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make_unit(root: Path, name: str, source: str) -> None:
    write(root / GENERATOR / name, f"[Unit]\nSourcePath=/{source}\n[Service]\nExecStart=/usr/bin/podman run image\n")


def source(root: Path, pause: Callable[[float], None] = lambda _: None) -> UnmadeQuadletSource:
    return UnmadeQuadletSource(root, pause)


def told(root: Path) -> list[tuple[str, int, str]]:
    """File, line and reason, paths without the root."""
    return [
        (one.path.removeprefix(f"{root}/{ADMIN}/"), one.line, one.reason.replace(f"{root}/{ADMIN}/", ""))
        for one in source(root).read()
    ]


def test_a_host_without_systemd_has_no_units_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(NotHere, match="systemd does not run here"):
        source(tmp_path).read()


def test_a_host_without_quadlets_and_one_where_each_has_its_unit_are_well(root: Path) -> None:
    assert source(root).read() == ()
    assert source(RECORDED).read() == ()
    write(root / ADMIN / "web.container")
    make_unit(root, "web.service", f"{ADMIN}/web.container")
    write(root / ADMIN / "app/job@.container")
    make_unit(root, "job@.service", f"{ADMIN}/app/job@.container")
    write(root / ADMIN / "named.container", WEB.replace("[Install]", "ServiceName=other\n[Install]"))
    make_unit(root, "other.service", f"{ADMIN}/named.container")
    assert source(root).read() == ()


def test_a_file_that_quadlet_refused_is_told_beside_one_that_it_took(root: Path) -> None:
    # As on a podman that does not know Memory= yet: nothing is wrong with the file itself.
    write(root / ADMIN / "web.container", WEB.replace("[Install]", "Memory=512m\n[Install]"))
    write(root / ADMIN / "db.container")
    make_unit(root, "db.service", f"{ADMIN}/db.container")
    (unmade,) = source(root).read()
    assert (unmade.path, unmade.line) == (f"{root}/{ADMIN}/web.container", 0)
    assert unmade.reason.startswith("quadlet made no unit of it: run systemctl daemon-reload")
    assert unmade.container == "systemd-web"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("# empty\n[Container]\nUser=1\n", 2, "neither Image= nor Rootfs= is there."),
        ("[Container]\nImage=a\nNetwork=lan.network\n", 3, "lan.network is not among the quadlets"),
        ("[Container]\nImage=a\nImagge=b\n", 3, "Imagge"),
        ("[Container]\nnonsense\n", 2, "neither [Section], Key=Value nor a comment"),
    ],
)
def test_what_keeps_a_file_from_being_made_is_told_with_its_line(root: Path, text: str, line: int, reason: str) -> None:
    write(root / ADMIN / "web.container", text)
    ((file, at, why),) = told(root)
    assert (file, at) == ("web.container", line)
    assert reason in why


def test_a_syntax_error_is_told_of_the_files_beside_it_which_quadlet_passes_over_too(root: Path) -> None:
    write(root / ADMIN / "bad.container", "[Container]\nnonsense\n")
    write(root / ADMIN / "good.container")
    bad, good = told(root)
    assert bad[:2] == ("bad.container", 2)
    assert good[:2] == ("good.container", 0)
    assert good[2].startswith("bad.container:2: ")


def test_of_two_files_of_one_name_the_one_that_is_passed_over_is_told(root: Path) -> None:
    write(root / ADMIN / "web.container")
    write(root / ADMIN / "old/web.container")
    make_unit(root, "web.service", f"{ADMIN}/web.container")
    assert told(root) == [("old/web.container", 0, "it is never used: quadlet takes web.container by that name.")]


def test_a_file_of_the_administrator_may_stand_for_one_of_the_distribution(root: Path) -> None:
    write(root / ADMIN / "web.container")
    write(root / "usr/share/containers/systemd/web.container")
    make_unit(root, "web.service", f"{ADMIN}/web.container")
    assert told(root) == []


def test_two_files_that_make_one_unit_are_told_by_the_one_that_lost(root: Path) -> None:
    write(root / ADMIN / "web.container")
    write(root / ADMIN / "new.container", WEB.replace("[Install]", "ServiceName=web\n[Install]"))
    make_unit(root, "web.service", f"{ADMIN}/web.container")
    assert told(root) == [("new.container", 0, f"web.service is made of /{ADMIN}/web.container.")]


def test_a_unit_that_cannot_be_read_is_there(root: Path) -> None:
    write(root / ADMIN / "web.container")
    (root / GENERATOR / "web.service").mkdir()
    assert told(root) == []


def test_a_link_that_a_unit_was_made_of_is_the_file_that_it_leads_to(root: Path) -> None:
    target = write(root / "srv/app/web.container")
    (root / ADMIN).mkdir(parents=True)
    (root / ADMIN / "web.container").symlink_to(target)
    make_unit(root, "web.service", "srv/app/web.container")
    assert told(root) == []


@pytest.mark.parametrize(
    ("text", "container"),
    [
        (WEB.replace("Image", "ContainerName=shop\nImage"), "shop"),
        (WEB, "systemd-web"),
        ("[Container]\nImage=a\n", ""),  # nothing starts it at boot
        ("[Container]\nImage=a\nPod=app.pod\n", "systemd-web"),
        (WEB.replace("Image", "ContainerName=%H\nImage"), ""),
        (WEB.replace("multi-user.target", ""), ""),
    ],
)
def test_the_container_that_is_wanted_at_boot_is_named(root: Path, text: str, container: str) -> None:
    write(root / ADMIN / "web.container", text)
    assert [one.container for one in source(root).read()] == [container]


def test_files_of_users_are_left_to_them(root: Path) -> None:
    write(root / ADMIN / "users/1000/web.container")
    assert told(root) == []


def test_a_reload_that_empties_the_directory_for_a_moment_is_waited_for(root: Path) -> None:
    write(root / ADMIN / "web.container")

    def generators_end(_seconds: float) -> None:
        make_unit(root, "web.service", f"{ADMIN}/web.container")

    assert source(root, generators_end).read() == ()


def test_what_is_known_to_have_no_unit_is_waited_for_once(root: Path) -> None:
    pauses: list[float] = []
    write(root / ADMIN / "web.container")
    slow = source(root, pauses.append)
    assert slow.read() == slow.read()
    assert len(pauses) == 1


def test_more_files_than_are_shown_are_told_by_their_number(root: Path) -> None:
    for number in range(103):
        write(root / ADMIN / f"c{number:03}.container")
    many = source(root)
    assert len(many.read()) == 100
    assert many.problems == ("3 more .container files without a unit are left out.",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every directory")
def test_a_directory_that_cannot_be_listed_is_a_problem(root: Path) -> None:
    write(root / ADMIN / "web.container")
    (root / ADMIN).chmod(0)
    shut = source(root)
    assert shut.read() == ()
    (root / ADMIN).chmod(0o755)
    assert "cannot be listed" in shut.problems[0]


@given(st.binary(max_size=200))
def test_whatever_is_in_a_file_it_has_a_unit_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    root = tmp_path_factory.mktemp("host")
    (root / GENERATOR).mkdir(parents=True)
    path = root / ADMIN / "web.container"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (unmade,) = source(root).read()
    assert unmade.reason
    assert unmade == UnmadeQuadlet(str(path), unmade.line, unmade.reason, unmade.container)
