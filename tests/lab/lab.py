"""The lab: a real host in software emulation, for tests. `python3 tests/lab/lab.py up` builds and boots it.

Commands: up [--fresh] [--core], build, stop, status, shell, run COMMAND..., push LOCAL REMOTE, fetch REMOTE LOCAL,
record DIRECTORY. `--name NAME` (or BULKHEAD_LAB_NAME) chooses one of several guests; BULKHEAD_LAB_CACHE the place
of everything that is kept.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab import build
from tests.lab.containers import ALL, CORE
from tests.lab.machine import LabError, Machine, cache_directory

STEPS = 6


@contextmanager
def _step(number: int, what: str) -> Iterator[None]:
    """Announce a step before it, with the time it takes, and say after it how long it took."""
    print(f"[{number}/{STEPS}] {what}", flush=True)
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > 1:
        print(f"      done in {took:.0f} s", flush=True)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two at once would write the same files: the second waits, and then finds them made."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another `lab.py up`", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(lab: Machine, *, fresh: bool = False, core: bool = False) -> None:
    """Have a running guest with its containers started: build what is missing, boot unless it runs, wait."""
    if fresh:
        lab.stop()
    with _alone(lab.directory):
        running = lab.pid is not None
        if running:
            print("already running, as it was built then; `up --fresh` boots the guest of the present tree", flush=True)
        else:
            emulator, base = _build()
            with _step(5, "booting (about 1 min)"):
                lab.start(emulator, base)
                lab.wait(lab.answers, "answer over ssh", timeout_seconds=900)
    absent = _wait_for_containers(lab, core=core)
    if absent and running:
        print(f"      not running in it, as somebody left it: {', '.join(absent)}", flush=True)
    elif absent:
        raise LabError(f"in the guest, {', '.join(absent)} did not start: see `lab.py run journalctl -u NAME`")


def _build() -> tuple[Path, Path]:
    """The emulator, and the base image that it boots."""
    with _alone(cache_directory()):
        with _step(1, "programs of the building host, and the emulator"):
            build.host_packages(lambda text: print(f"      {text}", flush=True))
            build.ssh_key()
            emulator = build.emulator()
        with _step(2, "the root tree, Debian 13 with podman and ZFS (about 3 min the first time, cached after)"):
            tree = build.root_tree()
        with _step(3, f"the ZFS module for {build.kernel_of(tree)} (about 8 min the first time, cached after)"):
            modules = build.zfs_module(tree)
        with _step(
            4, "the base image: labels, pool, datasets, images (about 3 min, again after a change of the guest)"
        ):
            return emulator, build.base_image(emulator, tree, modules)


def _wait_for_containers(lab: Machine, *, core: bool) -> list[str]:
    """Until the boot is over, or with `core` until those containers run; the names of those that then do not run."""
    wanted = [c.name for c in (CORE if core else ALL) if c.at_boot and c.name != "missing1"]
    ask = f"systemctl is-system-running; systemctl is-active {' '.join(f'{name}.service' for name in wanted)}"
    states: list[str] = []

    def started() -> bool:
        before = states.count("active")
        booted, *states[:] = lab.ssh(ask, check=False).split()
        if states.count("active") != before:
            print(f"      {states.count('active')} of {len(wanted)}", flush=True)
        return booted in {"running", "degraded"} or (core and states.count("active") == len(wanted))

    with _step(6, f"containers, {len(wanted)} of them (about 2 min)"):
        lab.wait(started, "end of the boot", timeout_seconds=1800, pause_seconds=3)
    return [name for name, state in zip(wanted, states, strict=True) if state != "active"]


def status(lab: Machine) -> None:
    """Say where it is."""
    if lab.pid is None:
        print("not running")
        return
    print(f"running: pid {lab.pid}, ssh 127.0.0.1:{lab.ssh_port} as root with key {lab.key}")
    print(f"guest port 9946 is http://127.0.0.1:{lab.web_port}; console in {lab.serial_log}")


def record(lab: Machine, directory: Path) -> None:
    """Copy the raw replies of the running guest, for tests of parsers."""
    lab.ssh("rm -rf /tmp/record && /usr/local/lib/lab/record.py /tmp/record", timeout_seconds=900)
    lab.fetch("/tmp/record", directory)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="which guest; default BULKHEAD_LAB_NAME, else main")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="build what is missing, boot, and wait for the containers")
    starting.add_argument("--fresh", action="store_true", help="end a running guest and begin from the base image")
    starting.add_argument("--core", action="store_true", help="do not wait for the bad-* containers")
    plain = {
        "build": "make what `up` boots, and no more",
        "stop": "end the guest; its disks are thrown away",
        "status": "where it is; exits 3 if it does not run",
        "shell": "a shell in the guest",
    }
    for name, help_text in plain.items():
        commands.add_parser(name, help=help_text)
    commands.add_parser("run", help="run a command in the guest").add_argument("words", nargs=argparse.REMAINDER)
    for name, first, second in (("push", "local", "remote"), ("fetch", "remote", "local")):
        copying = commands.add_parser(name, help=f"copy from {first} to {second}")
        copying.add_argument(first)
        copying.add_argument(second)
    commands.add_parser("record", help="copy raw replies for parser tests").add_argument("directory", type=Path)
    return parser.parse_args()


def main() -> int:
    """Do what the command line asks; 0 if it was done, else 1 and one sentence."""
    arguments = _arguments()
    lab = Machine.named(arguments.name)
    try:
        match arguments.command:
            case "up":
                up(lab, fresh=arguments.fresh, core=arguments.core)
                status(lab)
            case "build":
                _build()
            case "stop":
                lab.stop()
            case "status":
                status(lab)
                return 0 if lab.pid else 3
            case "shell" | "run":
                command = lab.ssh_command(*(arguments.words if arguments.command == "run" else []))
                os.execvp(command[0], command)
            case "push":
                lab.push(arguments.local, arguments.remote)
            case "fetch":
                lab.fetch(arguments.remote, arguments.local)
            case "record":
                record(lab, arguments.directory)
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
