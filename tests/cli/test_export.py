from __future__ import annotations

import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from exporter.cli import main

ROOT = Path(__file__).parents[2]


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an installation of the wheel puts on Python's path."""
    directory = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "site-packages")
    return directory / "site-packages"


def export_of(installed: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command of an installed package, away from the checkout."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "exporter", "export", *arguments],
        cwd=installed.parent,
        env=os.environ | {"PYTHONPATH": str(installed)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkout_writes_all_that_users_need_and_says_each_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "new" / "bulkhead"
    assert main(["export", str(target)]) == 0
    written = contents(target)
    for part, pattern in (
        ("alerts", "**/*"),
        ("dashboards", "*.json"),
        ("dashboards", "provisioning/**/*"),
        ("systemd", "*"),
    ):
        wanted = {
            path.relative_to(ROOT).as_posix(): path.read_bytes()
            for path in (ROOT / part).glob(pattern)
            if path.is_file()
        }
        assert wanted
        assert wanted.items() <= written.items()
    assert not [name for name in written if name.endswith((".py", ".pyc", ".png"))]
    assert set(capsys.readouterr().out.splitlines()) == {str(target / name) for name in written}


def test_an_installed_wheel_writes_the_same(installed: Path, tmp_path: Path) -> None:
    done = export_of(installed, str(tmp_path / "of-the-wheel"))
    assert (done.returncode, done.stderr) == (0, "")
    assert main(["export", str(tmp_path / "of-the-checkout")]) == 0
    assert contents(tmp_path / "of-the-wheel") == contents(tmp_path / "of-the-checkout")


def test_what_is_written_works_together(tmp_path: Path) -> None:
    assert main(["export", str(tmp_path / "out")]) == 0
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path / "out" / "alerts",
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_an_empty_directory_is_written_into(tmp_path: Path) -> None:
    assert main(["export", str(tmp_path)]) == 0
    assert contents(tmp_path)


def test_a_directory_that_is_not_empty_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["export", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"bulkhead: {tmp_path} is not empty; --force writes over files of the same names and leaves the others\n"
    )
    assert contents(tmp_path) == {"mine": b"mine"}


def test_force_writes_over_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    assert main(["export", str(tmp_path)]) == 0
    shipped = contents(tmp_path)
    (tmp_path / "alerts" / "prometheus.yml").write_text("changed")
    (tmp_path / "alerts" / "mine.yml").write_text("mine")
    assert main(["export", "--force", str(tmp_path)]) == 0
    assert contents(tmp_path) == shipped | {"alerts/mine.yml": b"mine"}


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "out" / "alerts").mkdir(parents=True)
    (tmp_path / "elsewhere").write_text("not to be touched")
    (tmp_path / "out" / "alerts" / "prometheus.yml").symlink_to(tmp_path / "elsewhere")
    assert main(["export", "--force", str(tmp_path / "out")]) == 0
    assert (tmp_path / "elsewhere").read_text() == "not to be touched"


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_in_the_way_is_told(below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["export", f"{tmp_path}/file{below}"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"bulkhead: cannot write {tmp_path}/file{below}/")
    assert "irectory" in said or "exists" in said
    assert said.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert main(["export", str(tmp_path / "out")]) == 1
    assert "Permission denied; 0 of " in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_no_half_file_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path)]) == 0
    shipped = contents(tmp_path)
    capsys.readouterr()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))  # as a full disk: the write of a longer file ends early
    try:
        assert main(["export", "--force", str(tmp_path)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr()
    assert "File too large; " in said.err
    assert f" of {len(shipped)} files are written" in said.err
    assert contents(tmp_path) == shipped


def test_an_installation_without_the_files_is_told(installed: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "exporter").symlink_to(ROOT / "exporter")
    done = export_of(installed, str(tmp_path / "out"), PYTHONPATH=str(bare))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bulkhead: this installation came without the files")
