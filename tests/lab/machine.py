"""A guest of the lab: start it, end it, and speak with it over ssh, whatever engine runs it.

Its state lies in a directory of its own below the cache: which process it is, its throw-away disk layers, its console.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.artefacts import cache_directory
from tests.lab.build import DISKS, Base
from tests.lab.engine import Boot, Disk, Engine, LabError, by_name

# It outlives whoever starts it: one that is collected while its process runs would be a ResourceWarning.
_STARTED: list[subprocess.Popen[bytes]] = []
NAME = "LAB_NAME"
END_SECONDS = 20
SOCKET_PATH_BYTES = 108
NOT_RUNNING = "the guest is not running: start it with `make lab`"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _shown(command: str) -> str:
    return shlex.quote(command if len(command) < 200 else f"{command[:200]}...")


def _start_of(pid: int) -> int | None:
    """When the process began, which tells it from a later one of the same id; None if it ended, reaped or not."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else int(fields[18])


@dataclass(frozen=True, slots=True)
class Machine:
    """One guest, named, with its state in a directory; this object itself holds no state."""

    directory: Path

    @classmethod
    def named(cls, name: str | None = None) -> Machine:
        """The machine of that name, else of LAB_NAME, else `main`."""
        return cls(cache_directory() / "machines" / (name or os.environ.get(NAME) or "main"))

    @classmethod
    def all(cls) -> list[Machine]:
        """Every machine that was ever started, running or not."""
        return [cls(directory) for directory in sorted((cache_directory() / "machines").glob("*"))]

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def serial_log(self) -> Path:
        """The guest's console since its first start."""
        return self.directory / "serial.log"

    @property
    def key(self) -> Path:
        return cache_directory() / "key"

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.directory / "state.json").read_text())
        except (OSError, json.JSONDecodeError):
            return {}
        return state

    def _keep(self, **more: Any) -> None:
        partial = self.directory / "state.json.partial"
        partial.write_text(json.dumps(self._state() | more))
        partial.rename(self.directory / "state.json")

    @property
    def pid(self) -> int | None:
        """The guest's process, None if it does not run."""
        state = self._state()
        return state["pid"] if "pid" in state and state["start"] == _start_of(state["pid"]) else None

    @property
    def engine(self) -> Engine:
        """The engine that it was started with."""
        state = self._state()
        if "engine" not in state:
            raise LabError(NOT_RUNNING)
        return by_name(state["engine"])

    # --- its life ---

    def start(self, engine: Engine, base: Base) -> None:
        """Boot from new throw-away layers over the base image; returns before the guest answers."""
        self._make_directory()
        state = {"engine": engine.name, "base": str(base.directory), "added": 0}
        self._keep(**state, emulator=base.emulator and str(base.emulator))
        self.serial_log.unlink(missing_ok=True)
        engine.make_layers(self._boot())
        self._start()

    def _make_directory(self) -> None:
        """Sockets of the guest lie in it, and ssh adds 17 characters to the name of its own."""
        longest = len(os.fsencode(self.directory / "uml/mconsole")) + 17
        if longest >= SOCKET_PATH_BYTES:
            raise LabError(f"{self.directory} is too long a path for sockets: set LAB_CACHE to a shorter folder")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / "state.json").unlink(missing_ok=True)
        except OSError as problem:
            raise LabError(f"the guest's folder cannot be written: {problem}") from problem

    def _boot(self, port: int = 0) -> Boot:
        state = self._state()
        base = Path(state["base"])
        disks = tuple(Disk(self.directory / f"{name}.layer", base / f"{name}.img") for name in DISKS)
        emulator = Path(state["emulator"]) if state["emulator"] else None
        return Boot(self.directory, base, emulator, disks, port=port)

    def _start(self) -> None:
        (self.directory / "ssh.sock").unlink(missing_ok=True)
        # Left by a guest that was killed: the next kernel would take its place for taken, and have no console.
        shutil.rmtree(self.directory / "uml", ignore_errors=True)
        port = free_port()
        command = self.engine.command(self._boot(port))
        with (self.directory / "engine.log").open("wb") as log:
            guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        _STARTED.append(guest)
        self._keep(pid=guest.pid, start=_start_of(guest.pid), port=port)

    def cut_power(self) -> None:
        """End the guest at once and boot again from the same disks: what it had not flushed is gone."""
        if self.pid is None:
            raise LabError(NOT_RUNNING)
        self._kill()
        self._start()

    def reboot(self, *, timeout_seconds: float = 900) -> None:
        """Have the guest reboot as an admin does, and wait until it answers in its next life."""
        boot_id = "/proc/sys/kernel/random/boot_id"
        before = self.ssh(f"cat {boot_id}")
        self.run("systemctl reboot", check=False)

        def is_another() -> bool:
            return self.answers() and self.ssh(f"cat {boot_id}", check=False).strip() not in {"", before.strip()}

        self.wait(is_another, "answer after a reboot", timeout_seconds=timeout_seconds)

    def stop(self) -> None:
        """End the guest and throw its disks away; the guest is not asked: its containers take minutes."""
        self._kill()
        for name in DISKS:
            (self.directory / f"{name}.layer").unlink(missing_ok=True)
        for added in self.directory.glob("added-*.img"):
            added.unlink()

    def _kill(self) -> None:
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + END_SECONDS
        while self.pid is not None:
            if time.monotonic() > deadline:
                raise LabError(f"the guest's process {pid} did not end within {END_SECONDS} s of being killed")
            time.sleep(0.05)

    def add_disk(self, mib: int) -> str:
        """Plug an empty disk into the running guest; the name of its device there."""
        number = self._state()["added"]
        disk = self.directory / f"added-{number}.img"
        with disk.open("wb") as file:
            file.truncate(mib << 20)
        device = self.engine.add_disk(self.directory, disk, number)
        self._keep(added=number + 1)
        self.wait(
            lambda: self.run(f"test -b {device}", check=False).returncode == 0, f"disk {device}", timeout_seconds=60
        )
        return device

    def wait(self, done: Callable[[], bool], what: str, *, timeout_seconds: float, pause_seconds: float = 0.5) -> None:
        """Poll until `done`; a LabError that names `what` and the serial log if the guest ends or the time is up."""
        deadline = time.monotonic() + timeout_seconds
        while not done():
            if self.pid is None:
                raise LabError(f"the guest ended while waiting for {what}; its console is in {self.serial_log}")
            if time.monotonic() > deadline:
                raise LabError(f"no {what} within {timeout_seconds:.0f} s; the guest's console is in {self.serial_log}")
            time.sleep(pause_seconds)

    def answers(self) -> bool:
        """Whether a command can be run in it."""
        try:
            return self.run("true", timeout_seconds=20, check=False).returncode == 0
        except LabError:
            return False

    # --- commands and files ---

    def _options(self) -> list[str]:
        """One connection is shared by all commands: a handshake costs an emulated guest a second or more."""
        state = self._state()
        options = {
            "IdentityFile": str(self.key),
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "ControlPath": str(self.directory / "ssh.sock"),
            "Port": str(state["port"]),
        }
        proxy = self.engine.proxy_command(state["pid"])
        if proxy is not None:
            options |= {"ProxyCommand": proxy, "ProxyUseFdpass": "yes"}
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def ssh_command(self, *command: str) -> list[str]:
        """The command line that runs `command` in the guest, for whoever wants to start it in a way of their own."""
        self._connect()
        return ["ssh", *self._options(), "root@127.0.0.1", *command]

    def _connect(self) -> None:
        """Have the shared connection; started apart from any command, so that nobody waits for it to close pipes."""
        if self.pid is None:
            raise LabError(NOT_RUNNING)
        check = ["ssh", *self._options(), "-O", "check", "root@127.0.0.1"]
        if subprocess.run(check, check=False, capture_output=True).returncode:
            master = ["ssh", *self._options(), "-M", "-N", "-f", "root@127.0.0.1"]
            nowhere = subprocess.DEVNULL
            subprocess.run(master, check=False, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=60)

    def forward(self, guest_port: int) -> int:
        """A port of this machine's 127.0.0.1 that leads to that port of the guest's, while both run."""
        self._connect()
        port = free_port()
        ask = ["ssh", *self._options(), "-O", "forward", "-L", f"127.0.0.1:{port}:127.0.0.1:{guest_port}"]
        done = subprocess.run([*ask, "root@127.0.0.1"], check=False, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"no port leads to the guest's {guest_port}: {done.stderr.strip()}")
        return port

    def run(
        self, command: str, *, timeout_seconds: float = 120, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a shell command in the guest as root.

        Not ending in time is a LabError; so is, with `check`, a failure, with what the command said.
        """
        try:
            done = subprocess.run(
                self.ssh_command(command), check=False, capture_output=True, timeout=timeout_seconds, input=stdin
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(f"in the guest, {_shown(command)} did not end within {timeout_seconds:.0f} s") from late
        if check and done.returncode:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()[-2000:]
            raise LabError(f"in the guest, {_shown(command)} exited {done.returncode}: {said}")
        return done

    def ssh(self, command: str, *, timeout_seconds: float = 120, stdin: bytes = b"", check: bool = True) -> str:
        """What the command wrote to its standard output, as text."""
        return self.run(command, timeout_seconds=timeout_seconds, stdin=stdin, check=check).stdout.decode(
            errors="replace"
        )

    def push(self, local: Path | str, remote: str, *, timeout_seconds: float = 120) -> None:
        """Copy a file, or a directory's contents, into the guest under exactly the name `remote`."""
        source = Path(local)
        if source.is_dir():
            packed = subprocess.run(["tar", "-C", str(source), "-c", "."], check=True, stdout=subprocess.PIPE).stdout
            command = f"mkdir -p {shlex.quote(remote)} && tar -C {shlex.quote(remote)} --no-same-owner -x"
        else:
            packed = source.read_bytes()
            mode = source.stat().st_mode & 0o777
            command = f"install -D -m {mode:o} /dev/stdin {shlex.quote(remote)}"
        self.run(command, timeout_seconds=timeout_seconds, stdin=packed)

    def fetch(self, remote: str, local: Path | str, *, timeout_seconds: float = 120) -> None:
        """Copy a file, or a directory's contents, out of the guest under exactly the name `local`."""
        target, quoted = Path(local), shlex.quote(remote)
        if self.run(f"test -d {quoted}", check=False).returncode == 0:
            target.mkdir(parents=True, exist_ok=True)
            packed = self.run(f"tar -C {quoted} -c .", timeout_seconds=timeout_seconds).stdout
            subprocess.run(["tar", "-C", str(target), "--no-same-owner", "-x"], check=True, input=packed)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.run(f"cat {quoted}", timeout_seconds=timeout_seconds).stdout)
