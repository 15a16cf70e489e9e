"""How a guest is run: KVM, user-mode Linux (UML), or QEMU's software emulation (TCG), in this order of preference.

An engine turns a `Boot` into one command line, prepares throw-away disk layers, and has a console that works without
the guest's help. Everything else (ssh, copying, waiting) is the same for all engines and lies in `machine.py`.

The process that is started is the guest: killing it is the power cut, and everything that it started ends with it.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CONSOLE_SECONDS = 20
WEB_ADDRESS = "127.0.0.1"
COMMON_ARGUMENTS = "rw selinux=1 security=selinux enforcing=0 net.ifnames=0 loglevel=4"


class LabError(Exception):
    """Something about the lab did not work; the text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of the guest: `layer` takes the writes; without `backing` the layer is the raw disk itself."""

    layer: Path
    backing: Path | None = None


@dataclass(frozen=True, slots=True)
class Boot:
    """What one start of a guest needs. `kernel` is the directory of the base image; `run` holds sockets and logs."""

    run: Path
    kernel: Path
    emulator: Path | None
    disks: tuple[Disk, ...]
    arguments: str = ""
    port: int | None = None
    """Port of 127.0.0.1 that leads to the guest's ssh, for an engine that forwards ports; None: no network."""

    @property
    def serial_log(self) -> Path:
        return self.run / "serial.log"


class Engine(Protocol):
    """One way to run a guest."""

    name: str
    about: str
    """What it is, and how long a start takes."""
    family: str
    """Base images are shared by the engines of one family: the same kernel and the same names of disks."""
    disks: tuple[str, ...]
    """The guest's names of its first disks, in order."""
    slowness: int
    """How many times as long as on the others everything takes, roughly."""

    def refusal(self) -> str | None:
        """Why this machine cannot run it, as the rest of a sentence that begins with its name; None if it can."""

    def command(self, boot: Boot) -> list[str]:
        """The command line of the guest's process; its standard output belongs into a log."""

    def make_layers(self, boot: Boot) -> None:
        """Have a new, empty copy-on-write layer for each disk that has a backing file."""

    def proxy_command(self, pid: int) -> str | None:
        """ssh's ProxyCommand to the guest of this process; None if its port is on 127.0.0.1."""

    def press_sysrq(self, run: Path, keys: str) -> None:
        """Have the guest's kernel write to its console what it is doing; see admin-guide/sysrq.rst."""

    def add_disk(self, run: Path, image: Path, number: int) -> str:
        """Plug a raw image in as a disk of the running guest; its name there. `number` counts added disks from 0."""


# --- QEMU: KVM and TCG ---


def emulator_program(emulator: Path, name: str) -> list[str]:
    """The command that runs a program of the emulator's tree with the tree's own libraries, whatever this host is."""
    libraries = emulator / "usr/lib/x86_64-linux-gnu"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(emulator / "usr/bin" / name)]


ADDED_DISKS = 2
"""How many disks can be plugged into a running guest of QEMU: each needs a port of its own from the start."""


class _Qemu:
    family = "qemu"
    disks: tuple[str, ...] = ("/dev/vda", "/dev/vdb")
    accelerator = ""
    memory_mib = 4096
    slowness = 1

    def command(self, boot: Boot) -> list[str]:
        if boot.emulator is None:
            raise LabError("QEMU's own tree was not given: this is a fault of the lab's code")
        append = f"console=ttyS0 root={self.disks[0]} {COMMON_ARGUMENTS} sysrq_always_enabled {boot.arguments}"
        command = emulator_program(boot.emulator, "qemu-system-x86_64")
        command += [part for name in ("qemu", "seabios") for part in ("-L", str(boot.emulator / "usr/share" / name))]
        command += [*self.accelerator.split(), "-machine", "q35", "-smp", "2", "-m", str(self.memory_mib)]
        command += ["-display", "none", "-serial", "chardev:console"]
        command += ["-chardev", f"file,id=console,path={boot.serial_log},append=on"]
        command += ["-monitor", f"unix:{boot.run / 'monitor.sock'},server=on,wait=off"]
        command += ["-kernel", str(boot.kernel / "vmlinuz"), "-initrd", str(boot.kernel / "initrd"), "-append", append]
        for disk in boot.disks:
            kind = "qcow2" if disk.backing else "raw"
            # A broken guest is thrown away, never repaired: its disks need not survive a crash of the host.
            command += ["-drive", f"file={disk.layer},if=virtio,format={kind},cache=unsafe"]
        for number in range(ADDED_DISKS):
            command += ["-device", f"pcie-root-port,id=port{number},slot={number + 1}"]
        forward = f",hostfwd=tcp:127.0.0.1:{boot.port}-:22" if boot.port else ""
        return [*command, "-nic", f"user,restrict=on,model=virtio-net-pci{forward}", "-device", "virtio-rng-pci"]

    def make_layers(self, boot: Boot) -> None:
        if boot.emulator is None:
            raise LabError("QEMU's own tree was not given: this is a fault of the lab's code")
        for disk in boot.disks:
            if disk.backing:
                create = [*emulator_program(boot.emulator, "qemu-img"), "create", "-q", "-f", "qcow2", "-F", "raw"]
                subprocess.run([*create, "-b", str(disk.backing), str(disk.layer)], check=True)

    def proxy_command(self, pid: int) -> str | None:  # noqa: ARG002 - its port is on the host's own loopback
        return None

    def press_sysrq(self, run: Path, keys: str) -> None:
        self._monitor(run, *(f"sendkey alt-sysrq-{key}" for key in keys), pause_seconds=3)

    def add_disk(self, run: Path, image: Path, number: int) -> str:
        if number >= ADDED_DISKS:
            raise LabError(f"a guest of QEMU takes {ADDED_DISKS} added disks, and this would be one more")
        drive = f"drive_add 0 file={image},if=none,format=raw,id=added{number}"
        self._monitor(run, drive, f"device_add virtio-blk-pci,drive=added{number},bus=port{number}", pause_seconds=1)
        return f"/dev/vd{'cdefgh'[number]}"

    @staticmethod
    def _monitor(run: Path, *lines: str, pause_seconds: float) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(CONSOLE_SECONDS)
            monitor.connect(str(run / "monitor.sock"))
            for line in lines:
                monitor.sendall(f"{line}\n".encode())
                time.sleep(pause_seconds)


class Kvm(_Qemu):
    """Debian's own kernel at nearly the speed of the machine."""

    name = "kvm"
    about = "QEMU with KVM, boots in about 15 s"
    accelerator = "-accel kvm -cpu host"

    def refusal(self) -> str | None:
        if not Path("/dev/kvm").exists():
            return "there is no /dev/kvm"
        if Path("/sys/module/kvm_pvm").exists():
            return "/dev/kvm here is PVM, which cannot run a stock kernel"
        if not {"vmx", "svm"} & set(Path("/proc/cpuinfo").read_text().split()):
            return "the processor shows neither vmx nor svm"
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            return "/dev/kvm may not be opened by this user"
        return _refusal_of_architecture()


class Tcg(_Qemu):
    """Debian's own kernel in software emulation: slow, and runs wherever QEMU does."""

    name = "tcg"
    about = "QEMU's software emulation, boots in about 80 s, and then takes 5 to 7 times as long as the others"
    accelerator = "-accel tcg,thread=multi -cpu max"
    slowness = 6

    def refusal(self) -> str | None:
        return _refusal_of_architecture()


def _refusal_of_architecture() -> str | None:
    return None if platform.machine() == "x86_64" else f"the lab's guests are x86-64, this machine is not: {os.uname()}"


# --- user-mode Linux ---

UML_HOST, UML_GUEST = "192.0.2.1", "192.0.2.2"
"""Both ends of the only cable; guest/etc/systemd/network/08-vec0.network has the other end."""

UML_MEMORY_MIB = 3072

# Runs as the first process of a process and network namespace of its own; with it everything in them ends.
_UML_INIT = """
ip link set lo up
ip link add h0 type veth peer name u0
ip address add {host}/24 dev h0
ip link set h0 up
ip link set u0 up
# With segments joined by the sender, uploads of some megabytes stall.
ethtool -K h0 tso off gso off gro off tx off
ethtool -K u0 tso off gso off gro off tx off
"""

# ssh is given a connection made inside the guest's network namespace, so that ssh itself, and the ports it forwards,
# stay in the machine's own.
_CONNECT = """
import socket, sys
try:
    made = socket.create_connection(({address!r}, 22), 20)
except OSError as problem:
    sys.exit(f"the guest takes no connection: {{problem}}")
socket.send_fds(socket.socket(fileno=1), [b"."], [made.fileno()])
"""


class Uml:
    """A Linux kernel that is an ordinary process; its processes run natively."""

    name = "uml"
    about = "user-mode Linux, boots in about 12 s"
    family = "uml"
    disks: tuple[str, ...] = ("/dev/ubda", "/dev/ubdb")
    slowness = 1

    def refusal(self) -> str | None:
        if platform.machine() != "x86_64":
            return _refusal_of_architecture()
        if os.geteuid() != 0:
            return "it needs root for a network namespace of its own"
        try:
            free_mib = shutil.disk_usage("/dev/shm").free >> 20
        except OSError:
            return "its memory lies in /dev/shm, and there is none"
        if free_mib < UML_MEMORY_MIB:
            return f"its memory lies in /dev/shm, which has {free_mib} MiB left of the {UML_MEMORY_MIB} that it needs"
        made = subprocess.run(["unshare", "--net", "--pid", "--fork", "true"], check=False, capture_output=True)
        if made.returncode:
            return f"no namespace can be made here ({made.stderr.decode(errors='replace').strip()})"
        return None

    def command(self, boot: Boot) -> list[str]:
        linux = [str(boot.kernel / "linux"), f"mem={UML_MEMORY_MIB}M", "seccomp=on"]
        linux += [
            f"ubd{number}={disk.layer}" + (f",{disk.backing}" if disk.backing else "")
            for number, disk in enumerate(boot.disks)
        ]
        linux += [f"root={self.disks[0]}", *COMMON_ARGUMENTS.split(), *boot.arguments.split()]
        linux += ["con=null", "con0=null,fd:1", "ssl=null", "umid=uml", f"uml_dir={boot.run}"]
        steps = ["set -e", "export TMPDIR=/dev/shm"]
        if boot.port is not None:
            steps.append(_UML_INIT.format(host=UML_HOST))
            linux.append("vec0:transport=raw,ifname=u0,depth=64")
        # Not `exec`: as process 1 of its namespace the kernel would not hear the signals that it sends itself.
        steps += [f"{shlex.join(linux)} >>{shlex.quote(str(boot.serial_log))} 2>&1", "exit $?"]
        namespaces = ["unshare", "--net", "--pid", "--mount", "--fork", "--kill-child=SIGKILL", "--mount-proc"]
        return [*namespaces, "sh", "-c", "\n".join(steps)]

    def make_layers(self, boot: Boot) -> None:
        """The kernel makes each layer itself, from the header of its backing file."""
        for disk in boot.disks:
            if disk.backing:
                disk.layer.unlink(missing_ok=True)

    def proxy_command(self, pid: int) -> str | None:
        connect = ["nsenter", f"--net=/proc/{pid}/ns/net", "python3", "-c", _CONNECT.format(address=UML_GUEST)]
        return shlex.join(connect)

    def press_sysrq(self, run: Path, keys: str) -> None:
        for key in keys:
            self._console(run, f"sysrq {key}")
            time.sleep(1)

    def add_disk(self, run: Path, image: Path, number: int) -> str:
        self._console(run, f"config ubd{number + 2}={image}")
        return f"/dev/ubd{'cdefgh'[number]}"

    @staticmethod
    def _console(run: Path, command: str) -> str:
        """Send one command to the kernel's management console (uml/mconsole.rst); a LabError if it refuses."""
        header, magic, version = struct.Struct("=III"), 0xCAFEBABE, 2
        data = command.encode()
        with (
            tempfile.TemporaryDirectory(prefix="mconsole-") as directory,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
        ):
            client.bind(f"{directory}/client")
            client.settimeout(CONSOLE_SECONDS)
            client.sendto(header.pack(magic, version, len(data)) + data.ljust(512, b"\0"), str(run / "uml/mconsole"))
            said, more = "", 1
            while more:
                reply = client.recv(4096)
                failed, more, length = header.unpack_from(reply)
                said += reply[header.size : header.size + length].rstrip(b"\0").decode(errors="replace")
        if failed:
            raise LabError(f"the guest's kernel refused {command!r}: {said.strip()}")
        return said


ENGINES: tuple[Engine, ...] = (Kvm(), Uml(), Tcg())
CHOOSE = "LAB_ENGINE"


def by_name(name: str) -> Engine:
    """The engine of that name; a LabError that lists them."""
    found = next((engine for engine in ENGINES if engine.name == name), None)
    if found is None:
        raise LabError(f"{CHOOSE}={name} is no engine: there are {', '.join(engine.name for engine in ENGINES)}")
    return found


def chosen(engines: Sequence[Engine] = ENGINES, name: str | None = None) -> tuple[Engine, list[str]]:
    """The engine to use, and why each better engine was passed over; a LabError if none can run here."""
    name = name or os.environ.get(CHOOSE)
    if name:
        engine = by_name(name)
        refusal = engine.refusal()
        if refusal:
            raise LabError(f"{CHOOSE}={name} cannot be used: {refusal}")
        return engine, []
    refused: list[str] = []
    for engine in engines:
        refusal = engine.refusal()
        if refusal is None:
            return engine, refused
        refused.append(f"{engine.name} not used: {refusal}")
    raise LabError(f"no engine can run a guest on this machine: {'; '.join(refused)}")
