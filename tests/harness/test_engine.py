from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import pytest

from tests.lab import engine
from tests.lab.build import Base
from tests.lab.engine import Boot, Disk, Kvm, LabError, Tcg, Uml, by_name, chosen
from tests.lab.kernels import _take_ready_kernel, _upstream
from tests.lab.machine import Machine


class Fake(Tcg):
    def __init__(self, name: str, why: str | None) -> None:
        self.name, self.why = name, why

    def refusal(self) -> str | None:
        return self.why


def test_the_first_engine_that_can_run_is_chosen_and_the_better_ones_say_why_not() -> None:
    engines = (Fake("kvm", "no /dev/kvm"), Fake("uml", "no root"), Fake("tcg", None))
    engine_chosen, refused = chosen(engines)
    assert engine_chosen is engines[2]
    assert refused == ["kvm not used: no /dev/kvm", "uml not used: no root"]


def test_no_engine_at_all_is_one_sentence() -> None:
    with pytest.raises(LabError, match="no engine can run a guest on this machine: kvm not used: a; uml not used: b"):
        chosen((Fake("kvm", "a"), Fake("uml", "b")))


def test_an_engine_that_was_asked_for_by_a_wrong_name_lists_the_right_ones() -> None:
    with pytest.raises(LabError, match="LAB_ENGINE=xen is no engine: there are kvm, uml, tcg"):
        by_name("xen")


def test_an_engine_that_was_asked_for_and_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kvm, "refusal", lambda _: "there is no /dev/kvm")
    with pytest.raises(LabError, match="LAB_ENGINE=kvm cannot be used: there is no /dev/kvm"):
        chosen(name="kvm")


@pytest.fixture
def machine_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with KVM, whose /dev, /sys and /proc lie in a directory."""
    real = Path
    for path, text in (("dev/kvm", ""), ("proc/cpuinfo", "flags : fpu vmx sse"), ("sys/module/kvm_intel", "")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(engine, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return real(tmp_path)


@pytest.mark.usefixtures("machine_files")
def test_real_kvm_is_taken() -> None:
    assert Kvm().refusal() is None


def test_pvm_is_refused_though_it_has_a_dev_kvm(machine_files: Path) -> None:
    (machine_files / "sys/module/kvm_pvm").write_text("")
    assert Kvm().refusal() == "/dev/kvm here is PVM, which cannot run a stock kernel"


def test_a_processor_without_virtualisation_is_refused(machine_files: Path) -> None:
    (machine_files / "proc/cpuinfo").write_text("flags : fpu sse")
    assert Kvm().refusal() == "the processor shows neither vmx nor svm"


@pytest.mark.usefixtures("machine_files")
def test_kvm_that_this_user_may_not_open_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert Kvm().refusal() == "/dev/kvm may not be opened by this user"


def test_uml_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Uml().refusal() == "it needs root for a network namespace of its own"


def test_uml_needs_dev_shm(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "disk_usage", absent)
    assert Uml().refusal() == "its memory lies in /dev/shm, and there is none"


@pytest.mark.parametrize("one", [Kvm(), Uml(), Tcg()])
def test_every_engine_starts_from_the_same_boot(one: engine.Engine, tmp_path: Path) -> None:
    disks = (Disk(tmp_path / "root.layer", tmp_path / "root.img"), Disk(tmp_path / "tank.layer", tmp_path / "tank.img"))
    boot = Boot(tmp_path, tmp_path, tmp_path, disks, arguments="systemd.unit=a.service", port=4022)
    command = " ".join(one.command(boot))
    for wanted in ("root.layer", "tank.layer", "systemd.unit=a.service", "selinux=1", f"root={one.disks[0]}"):
        assert wanted in command


def test_a_machine_in_too_long_a_folder_is_one_sentence(tmp_path: Path) -> None:
    machine = Machine(tmp_path / ("long" * 30))
    with pytest.raises(LabError, match="is too long a path for sockets: set LAB_CACHE to a shorter folder"):
        machine.start(Tcg(), Base(tmp_path, tmp_path))


def test_a_machine_that_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="the guest is not running: start it with `make lab`"):
        Machine(tmp_path).run("true")


def test_a_state_that_was_half_written_is_a_machine_that_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"pid": 1,')
    assert Machine(tmp_path).pid is None


@pytest.mark.parametrize(
    ("version", "upstream"),
    [("2.3.9-0+deb13u1", "2.3.9"), ("2.4.0-1", "2.4.0"), ("1:2.4-rc1-3~bpo13+1", "2.4-rc1")],
)
def test_the_upstream_part_of_a_version_names_the_sources(version: str, upstream: str) -> None:
    assert _upstream(version) == upstream


def test_ready_made_parts_that_are_damaged_are_named_and_leave_nothing(tmp_path: Path) -> None:
    ready, target = tmp_path / "ready", tmp_path / "target"
    ready.mkdir()
    target.mkdir()
    assert _take_ready_kernel(ready, target, "2.3.9") == f"{ready} has no linux-uml.zst"
    for name in ("linux-uml.zst", "zfs-modules.tar.zst"):
        (ready / name).write_bytes(b"not zstd")
    problem = _take_ready_kernel(ready, target, "2.3.9")
    assert problem is not None
    assert problem.startswith("zfs-modules.tar.zst is damaged")
    assert list(target.iterdir()) == []
