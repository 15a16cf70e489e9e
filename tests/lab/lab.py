"""The lab: a real host for tests, as a guest of this machine. `make lab` builds what is missing and boots it.

    python3 tests/lab/lab.py up [--fresh] [--core]     build what is missing, boot, wait for the containers
    python3 tests/lab/lab.py build | engine | status | shell | reboot | stop [--all]
    python3 tests/lab/lab.py run COMMAND... | push LOCAL REMOTE | fetch REMOTE LOCAL | record DIRECTORY

Variables: LAB_ENGINE (kvm, uml, tcg), LAB_NAME (which guest), LAB_RELEASE (Debian's release in it), LAB_CACHE (where
everything is kept), LAB_READY (a folder with ready-made parts), LAB_MIRROR (Debian's packages).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lab import build
from tests.lab.artefacts import alone, cache_directory
from tests.lab.build import Base
from tests.lab.containers import ALL, CORE
from tests.lab.engine import Engine, LabError, chosen
from tests.lab.machine import Machine


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Announce a step before it, and say after it how long it took."""
    print(f"lab: {what}", flush=True)
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > 1:
        print(f"      done in {took:.0f} s", flush=True)


def up(lab: Machine, *, fresh: bool = False, core: bool = False) -> None:
    """Have a running guest with its containers started: build what is missing, boot unless it runs, wait.

    Whatever ends this before the guest answers, and Ctrl-C at any moment, ends the guest that it started.
    """
    with alone(lab.directory):
        if fresh:
            lab.stop()
        running = lab.pid is not None
        if running:
            print(f"lab: guest {lab.name} already runs; `up --fresh` boots one of the present tree", flush=True)
        else:
            engine, base = _built()
            with _step(f"booting guest {lab.name} with {engine.about}"):
                try:
                    lab.start(engine, base)
                    lab.wait(lab.answers, "answer over ssh", timeout_seconds=900)
                except BaseException:
                    lab.stop()
                    raise
    try:
        absent = _wait_for_containers(lab, core=core)
    except KeyboardInterrupt:
        if not running:
            lab.stop()
        raise
    if absent and running:
        # Somebody left it so, or podman did: 5.4 panics at times while it cleans up after a power cut.
        print(f"      started once more: {', '.join(absent)}", flush=True)
        lab.run(f"systemctl reset-failed; systemctl start {' '.join(absent)}", check=False, timeout_seconds=600)
        absent = _wait_for_containers(lab, core=core)
    if absent:
        raise LabError(f"in the guest, {', '.join(absent)} did not start: see `lab.py run journalctl -u NAME`")


def _built() -> tuple[Engine, Base]:
    """The engine for this machine, and the base image that it boots."""
    engine, refused = chosen()
    print(f"lab: engine {engine.name}: {engine.about}", *refused, sep="\n      ", flush=True)
    with alone(cache_directory()), _step("what it boots: looked for, and made where it is missing"):
        return engine, build.base_for(engine)


def _wait_for_containers(lab: Machine, *, core: bool) -> list[str]:
    """Until the boot is over, or with `core` until those containers run; the names of those that then do not run."""
    wanted = [c.name for c in (CORE if core else ALL) if c.at_boot and c.name != "missing1"] + ["podrestart"]
    ask = f"systemctl is-system-running; systemctl is-active {' '.join(f'{name}.service' for name in wanted)}"
    states: list[str] = []

    def started() -> bool:
        before = states.count("active")
        booted, *states[:] = lab.ssh(ask, check=False).split()
        if states.count("active") != before:
            print(f"      {states.count('active')} of {len(wanted)}", flush=True)
        return booted in {"running", "degraded"} or (core and states.count("active") == len(wanted))

    with _step(f"waiting for its {len(wanted)} containers"):
        lab.wait(started, "end of the boot", timeout_seconds=1800, pause_seconds=1)
    return [name for name, state in zip(wanted, states, strict=True) if state != "active"]


def status(lab: Machine) -> None:
    """Say where it is."""
    if lab.pid is None:
        print("not running")
        return
    print(f"guest {lab.name}: engine {lab.engine.name}, pid {lab.pid}; console in {lab.serial_log}")
    print(f"its port 9946 is http://127.0.0.1:{lab.forward(9946)}; a shell: make lab-shell LAB_NAME={lab.name}")


def record(lab: Machine, directory: Path) -> None:
    """Copy the raw replies of the running guest, for tests of parsers."""
    lab.ssh("rm -rf /tmp/record && /usr/local/lib/lab/record.py /tmp/record", timeout_seconds=900)
    lab.fetch("/tmp/record", directory)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", help="which guest; default LAB_NAME, else main")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="build what is missing, boot, and wait for the containers")
    starting.add_argument("--fresh", action="store_true", help="end a running guest and begin from the base image")
    starting.add_argument("--core", action="store_true", help="do not wait for the bad-* containers")
    plain = {
        "build": "make what `up` boots, and no more",
        "engine": "the name of the engine that this machine can run",
        "status": "where it is; exits 3 if it does not run",
        "shell": "a shell in the guest",
        "reboot": "reboot the guest as an admin does, and wait for it",
    }
    stopping = commands.add_parser("stop", help="end the guest; its disks are thrown away")
    stopping.add_argument("--all", action="store_true", help="every guest")
    for name, help_text in plain.items():
        commands.add_parser(name, help=help_text)
    commands.add_parser("run", help="run a command in the guest").add_argument("words", nargs=argparse.REMAINDER)
    for name, first, second in (("push", "local", "remote"), ("fetch", "remote", "local")):
        copying = commands.add_parser(name, help=f"copy from {first} to {second}")
        copying.add_argument(first)
        copying.add_argument(second)
    commands.add_parser("record", help="copy raw replies for parser tests").add_argument("directory", type=Path)
    return parser.parse_args()


def _do(arguments: argparse.Namespace, lab: Machine) -> int:
    """Do what the command line asks; the exit code."""
    match arguments.command:
        case "up":
            up(lab, fresh=arguments.fresh, core=arguments.core)
            status(lab)
        case "build":
            _built()
        case "engine":
            print(chosen()[0].name)
        case "stop":
            for machine in Machine.all() if arguments.all else [lab]:
                machine.stop()
        case "status":
            status(lab)
            return 0 if lab.pid else 3
        case "reboot":
            lab.reboot()
        case "record":
            record(lab, arguments.directory)
        case _:
            return _pass_on(arguments, lab)
    return 0


def _pass_on(arguments: argparse.Namespace, lab: Machine) -> int:
    """Commands and files, to and from the guest."""
    match arguments.command:
        case "push":
            lab.push(arguments.local, arguments.remote)
        case "fetch":
            lab.fetch(arguments.remote, arguments.local)
        case _:
            command = lab.ssh_command(*(arguments.words if arguments.command == "run" else []))
            os.execvp(command[0], command)
    return 0


def main() -> int:
    """Do what the command line asks; else one sentence, and an exit code that is not 0."""
    arguments = _arguments()
    try:
        return _do(arguments, Machine.named(arguments.name))
    except LabError as problem:
        print(f"lab: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; nothing that was begun is left running", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
