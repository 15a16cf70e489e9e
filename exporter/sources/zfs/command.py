"""Runs `zfs` and `zpool`: with a deadline, bounded output, and none on a pool where one hangs.

    LC_ALL=C TZ=UTC0 zfs list -Hp -o name,used -t filesystem,volume -r tank

The child is niced. Its I/O class is left alone: ZFS reads with threads of its own, which do not
inherit it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import subprocess
import time
from dataclasses import dataclass

from exporter.facts.reading import Unreadable

# An unprivileged user's PATH has no sbin on Debian.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_OUTPUT_BYTES = 16 << 20  # about 150,000 datasets
_MAX_COMPLAINT_BYTES = 4096
_NICENESS = 10
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed. `zfs list A B` prints A and fails when B is gone, so both may hold."""

    output: bytes
    complaint: str  # first line of standard error, bounded; "" when it ended well


class Commands:
    """Runs ZFS commands. Remembers the children that could not be killed, by pool.

    `grace_seconds` is how long a killed child may take to die before it counts as hung.
    """

    def __init__(
        self,
        search_path: str = SEARCH_PATH,
        grace_seconds: float = 1.0,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        self._search_path = search_path
        self._grace_seconds = grace_seconds
        self._max_output_bytes = max_output_bytes
        self._hung: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, pool: str, command: tuple[str, ...], deadline_seconds: float) -> Answer:
        """The command's answer. Raises Unreadable: not installed, too slow, too much, or an earlier one still hangs."""
        name = " ".join(command[:2])
        hung = self._hung.get(pool)
        if hung is not None:
            if hung.poll() is None:
                raise Unreadable(
                    f"Pool {pool}: process {hung.pid} of an earlier read still hangs in the kernel; "
                    "no other is started until it ends: see `dmesg` for what its devices do"
                )
            self._hung.pop(pool, None)  # another thread may have seen it end as well
        program = shutil.which(command[0], path=self._search_path)
        if program is None:
            raise Unreadable(
                f"The zfs module is loaded but {self._search_path} has no `{command[0]}`: "
                "install zfsutils-linux (Debian) or zfs (OpenZFS's RPM packages)"
            )
        try:
            child = subprocess.Popen(
                (program, *command[1:]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"LC_ALL": "C", "TZ": "UTC0", "PATH": self._search_path},
            )
        except OSError as error:
            raise Unreadable(f"`{name}` cannot be started: {error.strerror}: check {program}") from error
        with contextlib.suppress(OSError):  # a hardened unit may forbid setpriority(2)
            os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
        try:
            return _answer_of(child, time.monotonic() + deadline_seconds, self._max_output_bytes)
        except TimeoutError as error:
            raise Unreadable(
                f"Pool {pool}: `{name}` did not end within {deadline_seconds:g} s: see `dmesg` for what its devices do"
            ) from error
        except OverflowError as error:
            raise Unreadable(f"Pool {pool}: `{name}` printed more than {self._max_output_bytes} bytes") from error
        finally:
            self._bury(pool, child)

    def _bury(self, pool: str, child: subprocess.Popen[bytes]) -> None:
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        if child.poll() is None:
            child.kill()
            try:
                child.wait(self._grace_seconds)
            except subprocess.TimeoutExpired:
                self._hung[pool] = child


def _answer_of(child: subprocess.Popen[bytes], ends_at: float, max_output_bytes: int) -> Answer:
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, sink in ((child.stdout, output), (child.stderr, complaint)):
            if pipe is not None:
                pipes.register(pipe, selectors.EVENT_READ, sink)
        while pipes.get_map():
            ready = pipes.select(max(0.0, ends_at - time.monotonic()))
            if not ready or time.monotonic() > ends_at:
                raise TimeoutError
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if not chunk:
                    pipes.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(output) > max_output_bytes:
                raise OverflowError
            del complaint[_MAX_COMPLAINT_BYTES:]
    try:
        status = child.wait(max(0.0, ends_at - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    return Answer(bytes(output), _first_line(bytes(complaint), status) if status else "")


def _first_line(complaint: bytes, status: int) -> str:
    line = complaint.strip().split(b"\n", 1)[0].decode("ascii", "replace")[:200]
    return "".join(letter if letter.isprintable() else "?" for letter in line) or f"exit status {status}"
