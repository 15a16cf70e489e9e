"""A call that may never return, and a program that may never end: each is waited for no longer than a deadline.

A system call on a dead network mount, a suspended pool or a podman that stopped cannot be cancelled: the thread that
makes it sleeps for as long as the kernel says. So the call is made in a thread of its own, and the reader waits for
the answer. What becomes of a late answer is the reader's choice: podman and `zfs list` keep it for the next round, the
volumes and the channel program drop it, and each of them makes no second call while the first one hangs.

An answer is a Future of the standard library. Its executors are of no use here: a ThreadPoolExecutor joins its threads
when the process exits, and a call that hangs would then keep the process for ever. These threads are daemons.

A program is found in fixed directories, whatever PATH says, and gets no environment but a locale and a time zone: what
somebody sets for all services (`systemctl set-environment`) changes neither what is run nor what it prints.

A program is killed at its deadline, but a child that sleeps in the kernel does not die of it: `zfs list` on a suspended
pool. Such a child is remembered, and no other is started in its place while it hangs.

It lies in `sources` because calls that hang are calls to the host; `runtime` lies above and may use it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for. An unprivileged user's PATH has no sbin on Debian."""

T = TypeVar("T")
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC0"}  # words and times are parsed
_MAX_COMPLAINT_BYTES = 4096
_NICENESS = 10
_CHUNK_BYTES = 1 << 16


class Caller:
    """One daemon thread that makes one call after another. It costs a fifth of a new thread for each call."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """What `call` will return or raise. It is made when all calls before it have returned."""
        answer: Future[T] = Future()
        self._calls.put((call, answer))
        return answer

    def end(self) -> None:
        """Let the thread end after the calls that were begun, if they ever return."""
        self._calls.put(None)

    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (order := self._calls.get()) is not None:
            _make(*order)
            del order  # else the last answer would live until the next call


def begin(call: Callable[[], T], name: str) -> Future[T]:
    """What `call`, made in a thread of its own with this name, will return or raise."""
    caller = Caller(name)
    answer = caller.begin(call)
    caller.end()
    return answer


def ended_within(answer: Future[Any], patience_seconds: float) -> bool:
    """Whether the call has returned or raised before that much time from now has passed."""
    try:
        # Not `result`: a TimeoutError that the call itself raised would look like a late answer.
        answer.exception(max(0.0, patience_seconds))
    except TimeoutError:
        return False
    return True


def _make(call: Callable[[], T], answer: Future[T]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is taken
        answer.set_exception(error)


class ProgramError(Exception):
    """A program gave no answer. The message is the rest of a sentence that begins with the program's name."""


class NotInstalled(ProgramError):
    """No directory of the search path has the program."""


class NotStarted(ProgramError):
    """The program cannot be executed."""


class NotEnded(ProgramError):
    """The program did not end within its deadline."""


class PrintsTooMuch(ProgramError):
    """The program printed more than is read of it."""


class StillHangs(ProgramError):
    """A child of an earlier run could not be killed and has not ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program printed, and its exit status."""

    output: bytes
    complaint: bytes  # the start of standard error
    status: int


class Programs:
    """Runs programs with bounded output. Remembers the children that could not be killed, by key.

    `grace_seconds` is how long a killed child may take to die before it counts as hung. A program that was found is not
    looked for again while it can be started.
    """

    def __init__(
        self, search_path: str, max_output_bytes: int, grace_seconds: float = 1.0, niceness: int = _NICENESS
    ) -> None:
        self._search_path = search_path
        self._max_output_bytes = max_output_bytes
        self._grace_seconds = grace_seconds
        self._niceness = niceness
        self._paths: dict[str, str] = {}
        self._hung: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, key: str, command: tuple[str, ...], deadline_seconds: float) -> Ended:
        """What the command printed. Several threads may ask, each with a key of its own.

        Raises ProgramError.
        """
        child = self.start(key, command)
        try:
            return _ended(child, deadline_seconds, self._max_output_bytes)
        finally:
            self.end(key, child)

    def start(self, key: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """The command, started, with pipes at its output and standard error; both want to be read, and `end` called.

        Raises StillHangs, NotInstalled, NotStarted.
        """
        hung = self._hung.get(key)
        if hung is not None:
            if hung.poll() is None:
                raise StillHangs(f"still hangs in the kernel as process {hung.pid} of an earlier read: see `dmesg`")
            self._hung.pop(key, None)  # another thread may have seen it end as well
        program = self._path_of(command[0])
        try:
            return _start(program, command[1:], self._niceness)
        except OSError as error:
            self._paths.pop(command[0], None)
            if not Path(program).exists():
                raise _not_installed(command[0]) from error
            raise NotStarted(f"cannot be started ({error.strerror}): check {program}") from error

    def _path_of(self, program: str) -> str:
        path = self._paths.get(program) or shutil.which(program, path=self._search_path)
        if path is None:
            raise _not_installed(program)
        self._paths[program] = path
        return path

    def end(self, key: str, child: subprocess.Popen[bytes]) -> None:
        """Close the child's pipes and kill it, if it has not ended. Waits no longer than the grace."""
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        if child.poll() is None:
            child.kill()
            try:
                child.wait(self._grace_seconds)
            except subprocess.TimeoutExpired:
                self._hung[key] = child


def _start(program: str, arguments: tuple[str, ...], niceness: int) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        (program, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_ENVIRONMENT,
    )
    # Its I/O class is left alone: ZFS reads with threads of its own, which do not inherit it.
    if niceness:
        with contextlib.suppress(OSError):  # a hardened unit may forbid setpriority(2)
            os.setpriority(os.PRIO_PROCESS, child.pid, niceness)
    return child


def _not_installed(program: str) -> NotInstalled:
    return NotInstalled(f"is not installed: no directory of the search path has {program}")


def _ended(child: subprocess.Popen[bytes], deadline_seconds: float, max_output_bytes: int) -> Ended:
    ends_at = time.monotonic() + deadline_seconds
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, sink in ((child.stdout, output), (child.stderr, complaint)):
            if pipe is not None:
                pipes.register(pipe, selectors.EVENT_READ, sink)
        while pipes.get_map():
            ready = pipes.select(max(0.0, ends_at - time.monotonic()))
            if not ready or time.monotonic() > ends_at:
                raise NotEnded(f"did not end within {deadline_seconds:g} s")
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if not chunk:
                    pipes.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(output) > max_output_bytes:
                raise PrintsTooMuch(f"printed more than {max_output_bytes} bytes")
            del complaint[_MAX_COMPLAINT_BYTES:]
    try:
        status = child.wait(max(0.0, ends_at - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise NotEnded(f"did not end within {deadline_seconds:g} s") from error
    return Ended(bytes(output), bytes(complaint), status)
