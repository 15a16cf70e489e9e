import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.facts.reading import Unreadable
from exporter.sources.zfs.command import Answer, Commands
from tests.sources.sleepers import Sleepers

Install = Callable[[str], str]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Puts a `zfs` of these shell lines on a search path, and returns that path."""

    def write(lines: str) -> str:
        program = tmp_path / "zfs"
        program.write_text(f"#!/bin/sh\n{lines}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return f"{tmp_path}:/usr/bin:/bin"

    return write


def test_output_is_returned_whole(install: Install) -> None:
    commands = Commands(install('printf "%s|" "$@"; echo "$LC_ALL $TZ"'))

    assert commands.run("tank", ("zfs", "list", "a b"), 5) == Answer(b"list|a b|C UTC0\n", "")


def test_the_child_is_niced(install: Install) -> None:
    answer = Commands(install("sleep 0.1; nice")).run("tank", ("zfs", "list"), 5)

    assert int(answer.output) == min(19, max(10, os.getpriority(os.PRIO_PROCESS, 0)))


def test_a_failed_command_keeps_its_output_and_its_first_complaint(install: Install) -> None:
    commands = Commands(install("echo found; printf \"cannot open 'x'\\033\\nmore\\n\" >&2; exit 1"))

    assert commands.run("tank", ("zfs", "list"), 5) == Answer(b"found\n", "cannot open 'x'?")


def test_a_failed_command_that_says_nothing_tells_its_status(install: Install) -> None:
    assert Commands(install("exit 3")).run("tank", ("zfs", "list"), 5).complaint == "exit status 3"


def test_a_warning_of_a_command_that_ended_well_is_no_complaint(install: Install) -> None:
    assert Commands(install("echo beware >&2")).run("tank", ("zfs", "list"), 5).complaint == ""


def test_a_missing_command_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="install zfsutils-linux"):
        Commands(str(tmp_path)).run("tank", ("zfs", "list"), 5)


def test_a_command_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    (tmp_path / "zfs").write_bytes(b"\x7fELF nonsense")
    (tmp_path / "zfs").chmod(0o700)

    with pytest.raises(Unreadable, match="cannot be started"):
        Commands(str(tmp_path)).run("tank", ("zfs", "list"), 5)


def test_a_slow_command_is_killed_at_its_deadline(install: Install) -> None:
    commands = Commands(install("exec sleep 60"))

    with pytest.raises(Unreadable, match=r"`zfs list` did not end within 0\.05 s"):
        commands.run("tank", ("zfs", "list"), 0.05)
    with pytest.raises(Unreadable, match="did not end"):  # the first one is dead: another is started
        commands.run("tank", ("zfs", "list"), 0.05)


def test_a_command_that_closes_its_output_and_stays_is_killed_too(install: Install) -> None:
    with pytest.raises(Unreadable, match="did not end"):
        Commands(install("exec >&- 2>&-; exec sleep 60")).run("tank", ("zfs", "list"), 0.2)


def test_endless_output_is_cut_off(install: Install) -> None:
    commands = Commands(install("exec yes"), max_output_bytes=1000)

    with pytest.raises(Unreadable, match="printed more than 1000 bytes"):
        commands.run("tank", ("zfs", "list"), 5)


def test_endless_complaints_are_cut_off_by_the_deadline(install: Install) -> None:
    with pytest.raises(Unreadable, match="did not end"):
        Commands(install("exec yes >&2")).run("tank", ("zfs", "list"), 0.1)


def test_no_second_child_while_the_first_cannot_be_killed(install: Install, sleepers: Sleepers) -> None:
    commands = Commands(install("exec sleep 60"), grace_seconds=0.01)
    with pytest.raises(Unreadable, match="did not end"):
        commands.run("tank", ("zfs", "list"), 0.05)

    with pytest.raises(
        Unreadable, match=f"still hangs in the kernel as process {sleepers.children[0].pid} of an earlier read"
    ):
        commands.run("tank", ("zfs", "list"), 0.05)

    assert len(sleepers.children) == 1


@pytest.mark.usefixtures("sleepers")
def test_another_pool_is_asked_while_the_first_hangs(install: Install) -> None:
    commands = Commands(install('[ "$2" = tank ] && exec sleep 60; echo fine'), grace_seconds=0.01)
    with pytest.raises(Unreadable):
        commands.run("tank", ("zfs", "list", "tank"), 0.05)

    assert commands.run("other", ("zfs", "list", "other"), 5).output == b"fine\n"


def test_the_pool_is_asked_again_once_the_hung_child_has_ended(install: Install, sleepers: Sleepers) -> None:
    commands = Commands(install("exec sleep 60"), grace_seconds=0.01)
    with pytest.raises(Unreadable):
        commands.run("tank", ("zfs", "list"), 0.05)
    sleepers.wake()
    install("echo back")

    assert commands.run("tank", ("zfs", "list"), 5).output == b"back\n"
