"""Calls that hang, and answers that come late."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.sources.deadline import Caller, NotInstalled, NotStarted, Programs, begin, ended_within

ENOUGH_SECONDS = 30


@pytest.fixture
def never() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def threads_named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def until_none_is_named(name: str) -> None:
    ends_at = time.monotonic() + ENOUGH_SECONDS
    while threads_named(name):
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_an_answer_that_comes_in_time_is_what_the_call_returned() -> None:
    answer = begin(lambda: 7, "in-time")
    assert ended_within(answer, ENOUGH_SECONDS)
    assert answer.result() == 7
    until_none_is_named("in-time")


def test_a_late_answer_can_be_taken_later(never: threading.Event) -> None:
    answer = begin(never.wait, "late")
    assert not ended_within(answer, 0.01)
    assert not ended_within(answer, -1)
    never.set()
    assert ended_within(answer, ENOUGH_SECONDS)
    assert answer.result() is True


@pytest.mark.parametrize("error", [ValueError("its own"), TimeoutError("its own"), SystemExit("its own")])
def test_what_the_call_raises_is_raised_where_the_answer_is_taken(error: BaseException) -> None:
    def fail() -> int:
        raise error

    answer = begin(fail, "fails")
    assert ended_within(answer, ENOUGH_SECONDS)
    with pytest.raises(type(error), match="its own"):
        answer.result()


def test_a_call_is_made_in_a_daemon_thread_that_has_the_name(never: threading.Event) -> None:
    begin(never.wait, "of-the-test")
    (thread,) = threads_named("of-the-test")
    assert thread.daemon


def test_a_caller_makes_one_call_after_another_in_one_thread() -> None:
    caller = Caller("one-after-another")
    threads = [caller.begin(threading.current_thread) for _ in range(3)]
    assert len({answer.result(ENOUGH_SECONDS) for answer in threads}) == 1
    caller.end()
    until_none_is_named("one-after-another")
    assert not caller.is_alive()


def test_a_caller_lives_on_after_a_call_that_raised() -> None:
    caller = Caller("lives-on")

    def fail() -> int:
        raise ValueError("its own")

    failed, answered = caller.begin(fail), caller.begin(lambda: 3)
    with pytest.raises(ValueError, match="its own"):
        failed.result(ENOUGH_SECONDS)
    assert answered.result(ENOUGH_SECONDS) == 3
    caller.end()


def test_an_idle_caller_keeps_no_answer_alive() -> None:
    class Large:
        pass

    caller = Caller("idle")
    answer = caller.begin(Large)
    kept = weakref.ref(answer.result(ENOUGH_SECONDS))
    del answer
    # The next call has been made: what the thread still held of the first it has let go.
    caller.begin(lambda: 0).result(ENOUGH_SECONDS)
    gc.collect()
    assert kept() is None
    caller.end()


def test_a_call_that_hangs_does_not_keep_the_process() -> None:
    script = """
import threading
from exporter.sources.deadline import begin, ended_within
print(ended_within(begin(threading.Event().wait, "hangs"), 0.01))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=ENOUGH_SECONDS, check=True
    )
    assert ended.stdout == "False\n"


def program(directory: Path, lines: str, name: str = "says") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)
    return path


def test_a_program_gets_no_environment_but_a_locale_and_a_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    program(tmp_path, "exec /usr/bin/env")
    ended = Programs(str(tmp_path), 10_000).run("key", ("says",), ENOUGH_SECONDS)
    # A shell adds PWD and the like by itself.
    assert {line for line in ended.output.decode().splitlines() if line.split("=")[0] not in {"PWD", "SHLVL", "_"}} == {
        "LC_ALL=C",
        "TZ=UTC0",
    }


def test_a_program_is_looked_for_in_its_directories_alone_until_it_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("PATH", str(program(tmp_path / "path", "echo path").parent))
    programs = Programs(f"{first}:{second}", 10_000)
    with pytest.raises(NotInstalled):
        programs.run("key", ("says",), ENOUGH_SECONDS)
    program(second, "echo second")
    assert programs.run("key", ("says",), ENOUGH_SECONDS).output == b"second\n"
    program(first, "echo first")
    assert programs.run("key", ("says",), ENOUGH_SECONDS).output == b"second\n"


def test_a_program_that_was_taken_away_is_looked_for_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    path = program(first, "echo first")
    programs = Programs(f"{first}:{second}", 10_000)
    programs.run("key", ("says",), ENOUGH_SECONDS)
    path.unlink()
    with pytest.raises(NotInstalled):
        programs.run("key", ("says",), ENOUGH_SECONDS)
    program(second, "echo second")
    assert programs.run("key", ("says",), ENOUGH_SECONDS).output == b"second\n"


def test_a_program_that_is_there_and_cannot_be_executed_is_named_by_its_path(tmp_path: Path) -> None:
    path = program(tmp_path, "")
    path.write_text("#!/no/such/interpreter\n")
    with pytest.raises(NotStarted, match=str(path)):
        Programs(str(tmp_path), 10_000).run("key", ("says",), ENOUGH_SECONDS)
