from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.lab import artefacts
from tests.lab.artefacts import alone, damage, layer, need_space, ready_directory, run, seal
from tests.lab.engine import LabError


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


class Maker:
    """Makes a layer with one sparse disk, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, directory: Path, log: Path) -> None:
        self.made += 1
        log.write_text("made")
        with (directory / "root.img").open("wb") as disk:
            disk.truncate(3 << 20)
            disk.seek(2 << 20)
            disk.write(b"data")


def made(maker: Maker) -> Path:
    return layer("base", "0123", maker, what="the base image", estimate_seconds=60, mib=1)


def test_a_layer_is_made_once() -> None:
    maker = Maker()
    assert made(maker) == made(maker)
    assert maker.made == 1


def test_making_is_announced_with_an_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    made(Maker())
    assert "the base image: about 60 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda disk: disk.write_bytes(b"short"), "root.img has 5 bytes instead of 3145728"),
        (lambda disk: disk.unlink(), "root.img cannot be read: No such file or directory"),
        (lambda disk: os.pwrite(os.open(disk, os.O_WRONLY), b"x", 7), "root.img is not what was written"),
        (lambda disk: (disk.parent / "seal.json").unlink(), "it has no readable seal"),
        (lambda disk: (disk.parent / "seal.json").write_text("{"), "it has no readable seal"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_damaged_layer_is_named_and_made_anew(
    harm: Callable[[Path], object], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = Maker()
    disk = made(maker) / "root.img"
    disk.chmod(0o644)
    (disk.parent / "seal.json").chmod(0o644)
    harm(disk)
    assert damage(disk.parent) == reason
    assert damage(made(maker)) is None
    assert maker.made == 2
    assert f"base-0123 is damaged ({reason}) and is made anew" in capsys.readouterr().out


def test_a_copy_with_other_times_is_taken_for_what_it_is(cache: Path) -> None:
    layer_made = made(Maker())
    subprocess.run(["cp", "-r", "--sparse=never", str(layer_made), str(cache / "copy")], check=True)
    assert damage(cache / "copy") is None


def test_an_unchanged_file_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = Maker()
    made(maker)
    monkeypatch.setattr(artefacts, "_digest", lambda _: pytest.fail("the disk was read"))
    made(maker)


def test_a_layer_that_could_not_be_made_leaves_nothing_and_says_why(cache: Path) -> None:
    def fail(directory: Path, log: Path) -> None:
        (directory / "half").write_text("half")
        run(["sh", "-c", "echo disk is on fire; exit 3"], log, "melting")

    with pytest.raises(LabError, match=r"melting failed \(sh exited 3: disk is on fire\); its output is in .*base.log"):
        layer("base", "0123", fail, what="the base image", estimate_seconds=1, mib=1)
    assert [path.name for path in cache.iterdir()] == ["base.log"]


def test_a_half_made_layer_of_a_killed_run_is_not_used(cache: Path) -> None:
    (cache / "base-0123.partial").mkdir()
    (cache / "base-0123.partial/root.img").write_text("half")
    maker = Maker()
    assert (made(maker) / "root.img").stat().st_size == 3 << 20
    assert maker.made == 1


def test_an_interrupted_making_leaves_nothing(cache: Path) -> None:
    def interrupt(directory: Path, log: Path) -> None:
        log.write_text(str(directory))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layer("base", "0123", interrupt, what="the base image", estimate_seconds=1, mib=1)
    assert not list(cache.glob("base-*"))


def test_whoever_is_not_root_is_sent_to_root_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match=r"the base image can be made by root alone \(it is not there\): run `sudo"):
        made(Maker())


def test_too_little_room_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1 << 40, 5 << 20))
    with pytest.raises(LabError, match=r"the tree needs 2000 MiB below .*, and its disk has 5 MiB left: make room, or"):
        need_space(2000, "the tree")


def test_a_layer_that_nobody_used_for_days_is_removed(cache: Path) -> None:
    old = cache / "base-4567"
    old.mkdir()
    os.utime(old, (0, 0))
    made(Maker())
    assert not old.exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wanted = r"the lab cannot write below .*: set LAB_CACHE to a folder of your own"
    with pytest.raises(LabError, match=wanted), alone(tmp_path / "file/below"):
        pass


def test_a_second_maker_waits_for_the_first_and_says_so(cache: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from tests.lab.artefacts import alone\n"
        f"with alone(Path({str(cache)!r})): print('in')\n"
    )
    with alone(cache):
        second = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert re.search("waiting for another lab command", second.stdout.readline())
    assert second.communicate(timeout=30)[0] == "in\n"


def test_what_a_build_step_starts_ends_with_it(cache: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces are made as root")
    log = cache / "log"
    run(["sh", "-c", "sleep 12345.678 & mount -t tmpfs none /mnt; true"], log, "leaving things behind")
    assert "12345.678" not in subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    assert " /mnt tmpfs " not in Path("/proc/self/mounts").read_text()


def test_ready_made_parts_lie_where_they_are_said_to_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_READY", str(tmp_path))
    assert ready_directory() == tmp_path


def test_a_seal_names_every_file(tmp_path: Path) -> None:
    place = tmp_path / "layer"
    (place / "below").mkdir(parents=True)
    (place / "below/file").write_text("1")
    (place / "link").symlink_to("nowhere")
    seal(place)
    assert set(json.loads((place / "seal.json").read_text())) == {"below/file"}
