"""The lab's virtual machine: start it, end it, and speak with it over ssh. Needs no KVM: emulation is enough."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SSH_GUEST_PORT = 22
WEB_GUEST_PORT = 9946
MEMORY_MIB = 4096
# It outlives whoever starts it: one that is collected while its process runs would be a ResourceWarning.
_STARTED: list[subprocess.Popen[bytes]] = []
DISKS = ("root", "tank")
"""Names of the disks, in the order in which the guest sees them: vda, vdb."""


class LabError(Exception):
    """Something about the lab did not work; the text is one sentence for a person."""


def cache_directory() -> Path:
    """Where every slow part is kept, outside the repository."""
    chosen = os.environ.get("BULKHEAD_LAB_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bulkhead-lab"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def emulator_program(emulator: Path, name: str) -> list[str]:
    """The command that runs a program of the emulator's tree with the tree's own libraries, whatever this host is."""
    libraries = emulator / "usr/lib/x86_64-linux-gnu"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(emulator / "usr/bin" / name)]


def qemu_command(
    emulator: Path,
    boot: Path,
    disks: list[tuple[Path, str]],
    serial: Path,
    *,
    forwards: str,
    append: str,
    monitor: Path | None = None,
) -> list[str]:
    """The emulator's command line; `boot` holds vmlinuz and initrd, disks are (path, format), in order vda, vdb."""
    command = emulator_program(emulator, "qemu-system-x86_64")
    command += [part for name in ("qemu", "seabios") for part in ("-L", str(emulator / "usr/share" / name))]
    command += ["-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35"]
    command += ["-smp", "2", "-m", str(MEMORY_MIB), "-display", "none", "-no-reboot", "-serial", f"file:{serial}"]
    command += ["-monitor", f"unix:{monitor},server=on,wait=off" if monitor else "none"]
    command += ["-kernel", str(boot / "vmlinuz"), "-initrd", str(boot / "initrd"), "-append", append]
    for path, kind in disks:
        # A broken guest is thrown away, never repaired: its disks need not survive a crash of the host.
        command += ["-drive", f"file={path},if=virtio,format={kind},cache=unsafe"]
    return [*command, "-nic", f"user,model=virtio-net-pci{forwards}", "-device", "virtio-rng-pci"]


KERNEL_ARGUMENTS = "console=ttyS0 root=/dev/vda rw selinux=1 security=selinux enforcing=0 net.ifnames=0 loglevel=4"


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
        """The machine of that name, else of BULKHEAD_LAB_NAME, else `main`."""
        return cls(cache_directory() / "machines" / (name or os.environ.get("BULKHEAD_LAB_NAME") or "main"))

    @property
    def serial_log(self) -> Path:
        return self.directory / "serial.log"

    @property
    def monitor(self) -> Path:
        """Socket of the emulator's own console, which answers when the guest does not."""
        return self.directory / "monitor.sock"

    @property
    def key(self) -> Path:
        return cache_directory() / "key"

    def _state(self) -> dict[str, int]:
        try:
            state: dict[str, int] = json.loads((self.directory / "state.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return state

    @property
    def pid(self) -> int | None:
        """The emulator's process, None if it does not run."""
        state = self._state()
        return state["pid"] if state and state["start"] == _start_of(state["pid"]) else None

    @property
    def ssh_port(self) -> int:
        return self._state()["ssh_port"]

    @property
    def web_port(self) -> int:
        """Port of this host, on 127.0.0.1, that leads to port 9946 of the guest."""
        return self._state()["web_port"]

    def start(self, emulator: Path, base: Path) -> None:
        """Boot from new throw-away layers over the base image in `base`; returns before the guest answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "parts.json").write_text(json.dumps([str(emulator), str(base)]))
        for name in DISKS:
            create = [*emulator_program(emulator, "qemu-img"), "create", "-q", "-f", "qcow2", "-F", "raw"]
            create += ["-b", str(base / f"{name}.img"), str(self.directory / f"{name}.qcow2")]
            subprocess.run(create, check=True)
        self._boot()

    def cut_power(self) -> None:
        """End the emulator at once and boot again from the same disks: what the guest had not flushed is gone."""
        pid = self.pid
        if pid is None:
            raise LabError("the lab is not running: start it with `python3 tests/lab/lab.py up`")
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        self._boot()

    def _boot(self) -> None:
        emulator, base = map(Path, json.loads((self.directory / "parts.json").read_text()))
        (self.directory / "ssh.sock").unlink(missing_ok=True)
        disks = [(self.directory / f"{name}.qcow2", "qcow2") for name in DISKS]
        ports = {"ssh_port": free_port(), "web_port": free_port()}
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
            for host, guest in ((ports["ssh_port"], SSH_GUEST_PORT), (ports["web_port"], WEB_GUEST_PORT))
        )
        # Its kernel may be asked where it stands, see vitals.py; the base image was made without that word.
        append = f"{KERNEL_ARGUMENTS} sysrq_always_enabled"
        command = qemu_command(
            emulator, base, disks, self.serial_log, forwards=forwards, append=append, monitor=self.monitor
        )
        with (self.directory / "qemu.log").open("wb") as log:
            qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        _STARTED.append(qemu)
        (self.directory / "state.json").write_text(json.dumps({"pid": qemu.pid, "start": _start_of(qemu.pid), **ports}))

    def stop(self) -> None:
        """End the emulator and throw its disks away; the guest is not asked: its containers take minutes."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.1)
        if self.pid is not None:
            os.kill(pid, signal.SIGKILL)
        for name in DISKS:
            (self.directory / f"{name}.qcow2").unlink(missing_ok=True)

    def wait(self, done: Callable[[], bool], what: str, *, timeout_seconds: float, pause_seconds: float = 1) -> None:
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
        """One connection is shared by all commands: a handshake costs the emulated guest a second or more."""
        options = {
            "IdentityFile": str(self.key),
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "20",
            "ControlPath": str(self.directory / "ssh.sock"),
            "Port": str(self.ssh_port),
        }
        return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]

    def ssh_command(self, *command: str) -> list[str]:
        """The command line that runs `command` in the guest, for whoever wants to start it in a way of their own."""
        if self.pid is None:
            raise LabError("the lab is not running: start it with `python3 tests/lab/lab.py up`")
        check = ["ssh", *self._options(), "-O", "check", "root@127.0.0.1"]
        if subprocess.run(check, check=False, capture_output=True).returncode:
            # Started apart from any command, so that nobody waits for the shared connection to close their pipes.
            master = ["ssh", *self._options(), "-M", "-N", "-f", "root@127.0.0.1"]
            nowhere = subprocess.DEVNULL
            subprocess.run(master, check=False, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=60)
        return ["ssh", *self._options(), "root@127.0.0.1", *command]

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
